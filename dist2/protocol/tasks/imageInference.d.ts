import { type DeepCache } from '../acceleration.ts';
import { type ControlNet, type Refiner, type WeightedModel } from '../companions.ts';
import type { ImageFormat } from '../events.ts';
import { type ImageReference } from '../images.ts';
import { type Outpaint } from '../inpainting.ts';
import { type PreviewOptions } from '../previews.ts';
import { type ReferenceImage } from '../references.ts';
/** Ways to deliver an image; `imageURL` is always there. */
export type OutputType = 'URL' | 'base64Data' | 'dataURI';
/** Makes images from a prompt, or from a prompt and a seed image. What is absent is the model's own default. */
export interface ImageInferenceTask {
  taskType: 'imageInference';
  taskUUID: string;
  /** Empty for `__BLANK__`, which means no text guidance; CFGScale is 1 then. */
  positivePrompt: string;
  negativePrompt?: string | undefined;
  /** What a second text encoder reads. Absent: the first prompts. */
  positivePrompt2?: string | undefined;
  negativePrompt2?: string | undefined;
  /** How the prompts write the weights of their parts. Absent: not at all. */
  promptWeighting?: 'compel' | 'sdEmbeds' | undefined;
  /** AIR or alias; the server knows which there are. */
  model?: string | undefined;
  width?: number | undefined;
  height?: number | undefined;
  steps?: number | undefined;
  /** A spelling; the runtime knows which there are. */
  scheduler?: string | undefined;
  /** Absent: the server draws one of 32 bits. Result n uses seed + n, modulo 2^64. */
  seed?: bigint | undefined;
  CFGScale?: number | undefined;
  /** Of models that edit a picture: how closely to keep to it. */
  imageGuidanceScale?: number | undefined;
  /** Classifier-free guidance of models that take CFGScale as an input; it needs a negative prompt. */
  trueCFGScale?: number | undefined;
  /** Tokens of the prompt that are read, of models that take long ones. */
  maxSequenceLength?: number | undefined;
  /** Of flow models: the shift of their sigmas, which replaces the model's own. */
  shift?: number | undefined;
  clipSkip?: number | undefined;
  numberResults: number;
  /** Its presence makes the task image-to-image. */
  seedImage?: ImageReference | undefined;
  /** Only with seedImage; absent: the model's own. */
  strength?: number | undefined;
  /** Pictures that the prompt refers to. */
  referenceImages: ReferenceImage[];
  /** White to change, black to keep, grey in part. Only with seedImage, and never with outpaint. */
  maskImage?: ImageReference | undefined;
  /** Pixels kept around the mask when only its surroundings are made, 32 to 128. Only with maskImage. */
  maskMargin?: number | undefined;
  /** Only with seedImage, width and height; at least one side is above 0, and at least 128 pixels are left each way. */
  outpaint?: Outpaint | undefined;
  /** LoRAs and LyCORIS alike. */
  lora: WeightedModel[];
  embeddings: WeightedModel[];
  controlNet: ControlNet[];
  /** AIR or alias of another autoencoder than the model's. */
  vae?: string | undefined;
  refiner?: Refiner | undefined;
  deepCache?: DeepCache | undefined;
  outputType: OutputType[];
  outputFormat: ImageFormat;
  outputQuality: number;
  /** Seconds until the image is deleted. */
  ttl?: number | undefined;
  includeCost: boolean;
  /** Whether the file of a result tells how it was drawn. */
  includeMetadata: boolean;
  deliveryMethod: 'sync' | 'async';
  /** Absent: the session's default. */
  previews?: PreviewOptions | false | undefined;
  /** Whether to send queued, started and stepped. Absent: the session's default. */
  progress?: boolean | undefined;
  /** A newer task of the same lane supersedes this one while it is unfinished. */
  lane?: string | undefined;
  /** 0 to 9; higher ones first among the caller's own. */
  priority: number;
  /** Milliseconds from its arrival; a task that has not begun by then fails. */
  deadline?: number | undefined;
}
/** The word for a prompt that says nothing. */
export declare const BLANK_PROMPT = '__BLANK__';
/**
 * 64 bits, as PyTorch's generators take. Runware documents 9223372036854776000, which is what 2^63 - 1 becomes in
 * JavaScript and lies above 2^63; and the seeds of a batch that starts there must be sendable again.
 */
export declare const MAX_SEED: bigint;
export declare const imageInference: import('../parameters.ts').TaskKind<ImageInferenceTask>;
