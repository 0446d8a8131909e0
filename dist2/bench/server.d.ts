import { type Memory } from './process.ts';
/** Is answered with a measure, and begins the next one. */
export interface ServerQuestion {
  collectGarbage: boolean;
}
export interface ServerMeasure extends Memory {
  /** Delay of the loop beyond the sampling interval since the last measure. Milliseconds. */
  loopP50Ms: number;
  loopP99Ms: number;
  loopMaxMs: number;
}
