/** What measuring processes share: cases that announce themselves, fit into the time, and fail one by one. */
import { type Provider } from '../../runtime/onnx/providers.ts';
import type { Finding } from './report.ts';
/** Given to a measuring process as its one argument, in JSON. */
export interface Question {
  kind: string;
  device: string;
  /** Milliseconds this process may take. */
  budgetMs: number;
  /** Cases that another process began already. */
  done: string[];
  /** Floating-point operations a second of a large matrix product, by precision; absent where it was not measured. */
  speed: {
    float16?: number;
    float32?: number;
  };
  /** Of a device whose products took too long to be measured. */
  slow: boolean;
  /** Whether the device has half precision at all; what the networks compute in is for the provider to say. */
  half: boolean;
  /** As `adapter` found it; absent where that was not asked for. */
  provider?: Provider | undefined;
  /** A folder for what is written meanwhile. */
  temp: string;
}
/** What is known of the time that a case will take. */
export interface Expected {
  ms?: number | undefined;
  /** Of one call; with the speed of the device and of earlier cases it tells how long a call takes. */
  operations?: number | undefined;
}
export declare class Cases {
  #private;
  readonly question: Question;
  constructor(question: Question);
  leftMs(): number;
  /** Does some work in a part of the time that is left, so that something remains for what comes after it. */
  within(part: number, work: () => Promise<void>): Promise<void>;
  /** Operations a second of the device's best product, in the precision of the networks. */
  get peak(): number | undefined;
  /** The provider to measure on, checked anew only where no earlier part did. */
  provider(): Promise<Provider>;
  /** Whether the device is slower than any GPU: a program that imitates one, or the CPU. Sizes and counts are smaller then. */
  get slow(): boolean;
  /** Milliseconds that a call of so many operations will take. */
  callMs(operations: number): number | undefined;
  learn(operations: number, ms: number): void;
  /**
   * Runs a case unless it was done before or does not fit. What it throws is a row.
   *
   * @returns whether it was measured
   */
  each(name: string, expected: Expected, work: () => Promise<Omit<Finding, 'name'>>): Promise<boolean>;
  /** Tells of the cases for which there was no time. */
  end(): void;
  /** A row that took no time of its own. */
  also(finding: Finding): void;
  skip(name: string, detail: string): void;
  /**
   * Medians of calls, after one that does not count, for a tenth of the time that is left and 3 s at most. A call that takes
   * longer than that is measured once.
   */
  time(
    call: () => Promise<unknown>,
    options?: {
      most?: number;
    },
  ): Promise<Timed>;
}
export interface Timed {
  ms: number;
  /** Of the first call, which compiles the kernels. */
  firstMs: number;
  calls: number;
}
export declare function clocked(call: () => Promise<unknown>): Promise<number>;
export declare function reasonOf(error: unknown): string;
export declare function seconds(ms: number): string;
