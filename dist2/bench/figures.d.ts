/** The q-th quantile (0 to 1) of some numbers, by the nearest rank. */
export declare function quantile(numbers: readonly number[], q: number): number;
export declare function median(numbers: readonly number[]): number;
/** The median of a/b taken pair by pair, which holds when the machine's speed drifts between pairs. */
export declare function pairedRatio(a: readonly number[], b: readonly number[]): number;
/** How much y rises for each 1 of x, by least squares. */
export declare function slope(x: readonly number[], y: readonly number[]): number;
/** One line of the printed table; `goal` is a sentence, judged by the reader. */
export interface Figure {
  name: string;
  value: number;
  unit: string;
  goal?: string;
  detail?: string;
}
export declare function printTable(figures: readonly Figure[]): void;
/** A Markdown table whose columns are as wide as their widest cell. */
export declare function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string;
