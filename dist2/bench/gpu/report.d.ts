import type { Provider } from '../../runtime/onnx/providers.ts';
/** One line of the table. */
export interface Row {
  /** The part of the run it belongs to. */
  part: string;
  name: string;
  state: 'measured' | 'skipped' | 'failed';
  /** Absent unless measured. */
  value?: number | string | undefined;
  unit?: string | undefined;
  /** What was done, or why it was not. */
  detail?: string | undefined;
  /** What later parts measure on, in the JSON only. */
  provider?: Provider | undefined;
  /** Further numbers, in the JSON only. */
  numbers?: Record<string, number | readonly number[]> | undefined;
}
/** What a part measured of something that others measure too: the same name means the same work. */
export type Finding = Omit<Row, 'part' | 'state'>;
/** Collects rows and keeps the files in a folder up to date, so that a run that is cut leaves what it found. */
export declare class Report {
  #private;
  readonly rows: Row[];
  readonly about: Record<string, unknown>;
  /** @param about - of the run as a whole, for the JSON */
  constructor(folder: string, about: Record<string, unknown>);
  add(row: Row): void;
  of(part: string): Row[];
  /** Writes `bench-gpu.json` and `bench-gpu.md`; resolves when they hold all rows so far. */
  write(): Promise<void>;
}
export declare function tableOf(rows: readonly Row[]): string;
