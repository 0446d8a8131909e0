/** The parts of bench:gpu in their order of worth, and how the time is divided among them. */
export interface Part {
  name: string;
  /** Seconds of a run of four minutes; other runs are divided in the same proportion. */
  seconds: number;
  /** With less it is not begun. */
  leastSeconds: number;
  /** Measured by PyTorch, or by our own runtime. */
  by: 'latentwire' | 'pytorch';
}
export declare const parts: readonly [
  {
    readonly name: 'adapter';
    readonly seconds: 15;
    readonly leastSeconds: 3;
    readonly by: 'latentwire';
  },
  {
    readonly name: 'peak';
    readonly seconds: 15;
    readonly leastSeconds: 3;
    readonly by: 'latentwire';
  },
  {
    readonly name: 'correctness';
    readonly seconds: 25;
    readonly leastSeconds: 5;
    readonly by: 'latentwire';
  },
  {
    readonly name: 'embedded';
    readonly seconds: 35;
    readonly leastSeconds: 10;
    readonly by: 'latentwire';
  },
  {
    readonly name: 'sd15';
    readonly seconds: 45;
    readonly leastSeconds: 10;
    readonly by: 'latentwire';
  },
  {
    readonly name: 'sdxl';
    readonly seconds: 40;
    readonly leastSeconds: 10;
    readonly by: 'latentwire';
  },
  {
    readonly name: 'pytorch';
    readonly seconds: 40;
    readonly leastSeconds: 15;
    readonly by: 'pytorch';
  },
  {
    readonly name: 'mixed';
    readonly seconds: 25;
    readonly leastSeconds: 12;
    readonly by: 'latentwire';
  },
];
export type PartName = (typeof parts)[number]['name'];
/**
 * Milliseconds for the first of some parts that are still to come: its proportion of the time that is left, so that what
 * earlier parts left over is divided among the later ones. Undefined when that is too little for it.
 */
export declare function shareOf(coming: readonly Part[], leftMs: number): number | undefined;
