import { type ImageInput, toWireImage } from './images.ts';

export interface PreviewOptions {
  /** A preview at every N-th step and at the last. Default 1. */
  every?: number;
  /** Longer side in pixels; default: one pixel a latent, an eighth of the picture. */
  size?: number;
  format?: 'JPG' | 'PNG' | 'WEBP';
  /** 20 to 99, for JPG and WEBP. */
  quality?: number;
  /** What makes pixels of unfinished latents; the server lists what it has when it does not know the name. */
  decoder?: string;
}

/** Something of the server's catalog that acts on a model: a LoRA or an embedding. */
export interface Weighted {
  /** AIR id or name. */
  model: string;
  /** −4 to 4; 0 has no effect. Default 1. */
  weight?: number;
}

/** A ControlNet and what it is to follow. */
export interface ControlNetInput {
  /** AIR id or name. */
  model: string;
  /** Edges, depth, a pose: what the network was trained for. It is resized to the picture. */
  guideImage: ImageInput;
  /** 0 to 1. Default 1. */
  weight?: number;
  /** The first and the last step it acts in, counted from 1; or both in percent of the steps. Default: all of them. */
  startStep?: number;
  endStep?: number;
  startStepPercentage?: number;
  endStepPercentage?: number;
  /** Whether both matter alike, or the prompt or the guide image prevails. Default `balanced`. */
  controlMode?: 'balanced' | 'prompt' | 'controlnet';
  /** What the guide image is, for a network of several kinds. Default `canny`. */
  unionMode?: 'canny' | 'tile' | 'depth' | 'blur' | 'pose' | 'gray' | 'lowQuality';
}

/** A picture that is read like words of the prompt, and the model that makes words of it (FLUX.1 Redux). */
export interface IpAdapterInput {
  /** AIR id or name. */
  model: string;
  guideImage: ImageInput;
  /** How much prompt and picture count, 0 to 2; those of several pictures are added up. Default 1. */
  weight?: number;
}

/** Pixels that the picture has more than the seed image on each side, in multiples of 64. Default 0 each. */
export interface OutpaintInput {
  top?: number;
  right?: number;
  bottom?: number;
  left?: number;
  /** How far into the seed image the new area fades, 0 to 32 pixels. Default 0. */
  blur?: number;
}

/** A second model that takes over at a late step, counted from 1, or after a percentage of the steps. Default 80 percent. */
export interface RefinerInput {
  /** AIR id or name. */
  model: string;
  startStep?: number;
  startStepPercentage?: number;
}

/** Most steps run only the outermost layers of the network: 0.45 of the time at an interval of 3, and a slightly other picture. */
export interface AcceleratorOptions {
  deepCache?: boolean;
  /** Every so many steps one is whole. Default 3. */
  deepCacheInterval?: number;
}

/** An image to be made. Parameters not named here are passed on as they are. */
export interface ImageTask {
  positivePrompt: string;
  negativePrompt?: string;
  /** For the second text encoder of models that have one. Default: the first prompts. */
  positivePrompt2?: string;
  negativePrompt2?: string;
  /** How weights of words are written within the prompts. Default: not at all. */
  promptWeighting?: 'compel' | 'sdEmbeds' | (string & {});
  /** AIR id of a model; default: the server's. */
  model?: string;
  width?: number;
  height?: number;
  steps?: number;
  scheduler?: string;
  /** Less time for a picture that is a little another one. Default `none`; `acceleratorOptions` says it in detail. */
  acceleration?: 'none' | 'low' | 'medium' | 'high';
  /** The same seed and task make the same picture. Default: a random one, told in the result. */
  seed?: number | bigint;
  CFGScale?: number;
  /** Models that edit a picture: how closely to keep to the seed image. */
  imageGuidanceScale?: number;
  /** Models that take `CFGScale` as an input: guidance by the negative prompt, above 1. */
  trueCFGScale?: number;
  /** Z-Image: most length of the guided prediction, as a multiple of that of the prompt alone. */
  CFGNormalization?: number;
  /** Z-Image: guidance ends at this part of the schedule, 0 to 1. */
  CFGTruncation?: number;
  /** Models with a T5 text encoder: tokens of the prompt that are read. */
  maxSequenceLength?: number;
  /** Flow-matching models: above 1, more of the steps are taken at high noise. Default: the model's. */
  shift?: number;
  clipSkip?: number;
  /** Images of this task, each with a seed of its own. Default 1. */
  numberResults?: number;
  /** The picture to start from: an uploaded or generated one by UUID, or any {@link ImageInput}. */
  seedImage?: ImageInput;
  /** How far to leave the seed image: 0 keeps it, 1 ignores it. */
  strength?: number;
  /** Pictures that the prompt refers to, for models that draw by them. */
  referenceImages?: ImageInput[];
  /** Where the seed image is changed: white is painted anew, black is kept, grey is blended. */
  maskImage?: ImageInput;
  /** Draws only the masked part and this many pixels around it, enlarged; 32 to 128. Default: the whole picture. */
  maskMargin?: number;
  acceleratorOptions?: AcceleratorOptions;
  /** Adds area around the seed image; `width` and `height` are then the final size. Not with a mask. */
  outpaint?: OutpaintInput;
  /** LoRAs, which all act at once. */
  lora?: Weighted[];
  /** Textual inversions: words that the prompts may use. */
  embeddings?: Weighted[];
  /** Networks that hold the picture to guide images, all at once. */
  controlNet?: ControlNetInput[];
  /** Pictures that are read like words of the prompt, all at once. */
  ipAdapters?: IpAdapterInput[];
  /** Another autoencoder than the model's. */
  vae?: string;
  refiner?: RefinerInput;
  outputType?: 'URL' | 'base64Data' | 'dataURI' | ('URL' | 'base64Data' | 'dataURI')[];
  outputFormat?: 'JPG' | 'PNG' | 'WEBP';
  previews?: boolean | PreviewOptions;
  /** Within this session a newer task of the same lane takes the place of an unfinished older one. */
  lane?: string;
  /** 0 to 9, default 0: higher ones first among this session's own tasks. */
  priority?: number;
  /** Milliseconds within which it must have begun; else it fails with `startTimeout` and is not run. */
  deadline?: number;
  /** Default: a new one. */
  taskUUID?: string;
  [parameter: string]: unknown;
}

/** The images of a task, in the form they travel in. Throws a LatentwireError that says which of them is none. */
export async function wireImages(task: ImageTask): Promise<Record<string, unknown>> {
  const { seedImage, maskImage, controlNet, ipAdapters, referenceImages } = task;
  const images: Record<string, unknown> = {};
  if (seedImage !== undefined) images.seedImage = await toWireImage(seedImage, 'seedImage');
  if (maskImage !== undefined) images.maskImage = await toWireImage(maskImage, 'maskImage');
  if (referenceImages !== undefined) {
    images.referenceImages = await Promise.all(
      referenceImages.map((one, index) => toWireImage(one, `referenceImages[${index}]`)),
    );
  }
  for (const [name, entries] of Object.entries({ controlNet, ipAdapters })) {
    if (entries === undefined) continue;
    images[name] = await Promise.all(
      entries.map(async (one, index) => {
        const guideImage = await toWireImage(one.guideImage, `${name}[${index}].guideImage`);
        return { ...one, guideImage };
      }),
    );
  }
  return images;
}

export function wirePreviews(previews: boolean | PreviewOptions): false | object {
  if (previews === false) return false;
  return { delivery: 'binary', ...(previews === true ? {} : previews) };
}
