import type { Finding } from './report.ts';
/** A line of a measuring process's output, as JSON. Other lines are ignored. */
export type Told =
  /** A case begins; if the process dies now, this is what it died of. */
  | {
      begin: string;
    }
  | {
      row: Finding & {
        state: 'measured' | 'skipped' | 'failed';
      };
    };
export interface Measured {
  /** How the process ended, where it did not end well. */
  death: string | undefined;
  /** Cases that began, in order. */
  begun: string[];
  /** Of the last case, when the process died in it. */
  dead: string | undefined;
}
/** Ends all measuring processes and what they started. */
export declare function killAll(): void;
/** Runs a process until it ends or its time is over; never rejects. */
export declare function measure(options: {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  limitMs: number;
  onRow: (
    row: Finding & {
      state: 'measured' | 'skipped' | 'failed';
    },
  ) => void;
}): Promise<Measured>;
/** The line of an error's output that says what happened. */
export declare function sentenceOf(text: string): string;
