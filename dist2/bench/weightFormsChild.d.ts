import type { HeldWeights, Pixels } from '../runtime/messages.ts';
export interface DrawnBy {
  model: string;
  weights: HeldWeights;
  threads: number;
  packedFolder: string;
  size: number;
  steps: number;
}
export interface DrawQuestion {
  prompt: string;
  seed: number;
}
export interface DrawAnswer {
  pixels: Pixels;
  /** Processor time. */
  denoisingMs: number;
  /** Of resident memory. */
  peakBytes: number;
}
