import type { GenerateRequest, HeldWeights } from '../messages.ts';
import { type Widths } from './working.ts';
/** Bytes of weights, estimated from what lies on disk. */
export interface Weight {
  /** As they are stored. */
  stored: number;
  /** With every floating point number widened to float32, as the CPU computes. */
  widened: number;
  /** By which the memory grows with the picture. */
  widths: Widths;
}
/** The models of a request, each a network of its own with its text encoders: the one it names, and its refiner. */
export declare function modelsOf({ model, refiner }: GenerateRequest): string[];
/** Every folder and file that a request needs, the models first. */
export declare function filesOf(request: GenerateRequest): string[];
/**
 * Estimates what models and their parts weigh once loaded. Only names, sizes and headers are read, and headers only once
 * for a file that did not change. What cannot be read weighs nothing: the run itself will say what is wrong.
 */
export declare class Scales {
  private readonly known;
  private readonly weights;
  /** @param weights - how they will be held */
  constructor(weights?: HeldWeights);
  /** @param path absolute; a folder of a model or of a single network, or one file */
  weigh(path: string): Promise<Weight>;
  private weighFile;
}
