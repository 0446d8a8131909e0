import { type Architecture, type DenoiserInput, type GuidanceRule } from '../families/family.ts';
import { type Kind } from './kinds.ts';
/** What a folder or file of the models directory holds and, if it cannot be used, why. */
export interface ModelDescription {
  /** Absolute path, of a folder or of a file. */
  folder: string;
  kind: Kind;
  /** Told by the width of the text states; tiny and cropped models by their structure. */
  architecture: Architecture;
  name: string;
  description?: string;
  license?: string;
  /**
   * `_class_name` of `model_index.json`, without the prefixes that exporters add, or of a part's `config.json`; empty if
   * unreadable. A single file has that of the pipeline it fits.
   */
  className: string;
  /** Name of the family that runs it, or `unknown`. */
  family: string;
  available: boolean;
  /** Why it is not available, or what was assumed; a sentence. */
  reason?: string;
  /** Present and true for a model without an autoencoder: each request has to name one. */
  lacksVae?: boolean;
  /** Present and true for a refiner, which only continues what another model began. */
  refiner?: boolean;
  layout: 'onnx' | 'safetensors' | 'mixed';
  /** How the denoiser's (or the part's) weights are stored: float32, float16, bfloat16, … */
  precision: string;
  /** Bytes of all weights on disk. */
  sizeBytes: number;
  /** Smallest step of width and height, in pixels. */
  sizeMultiple: number;
  defaultWidth: number;
  defaultHeight: number;
  defaultSteps: number;
  defaultGuidanceScale: number;
  defaultStrength: number;
  /** When a task for it has an unconditional branch. */
  guidanceRule: GuidanceRule;
  /** What its denoiser is given beside the text. */
  input: DenoiserInput;
  /** Most pictures that a prompt may refer to; 0 for models without references. */
  mostReferences: number;
  /** Pixels that each of them may have; larger ones are scaled down. */
  mostReferencePixels?: number;
  /** `_class_name` of the model's own scheduler. */
  defaultScheduler: string;
  /** Channels of the latents that it makes or takes, where a config says it. */
  latentChannels?: number;
  /** Name or AIR of the tiny decoder that its settings choose for previews. */
  tinyDecoder?: string;
  /** Absolute path of the tiny decoder that it brings, the subfolder `tiny_decoder`. */
  ownTinyDecoder?: string;
  tags: string[];
}
/**
 * Says what a folder or file holds, reading configs and headers only: no native code, and never an exception. Every part
 * is checked as far as that allows (configs, headers, offsets, names and shapes of tensors), so that a broken model is
 * found when the server starts and not in the middle of a task.
 *
 * @param path - absolute
 */
export declare function describeModel(path: string): Promise<ModelDescription>;
/** What is said of something before it is read: nothing, and that it is not available. */
export declare function emptyDescription(path: string): ModelDescription;
