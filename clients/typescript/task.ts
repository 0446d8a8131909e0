import { type ImageInput, toWireImage } from './images.ts';

export interface PreviewOptions {
  /** A preview after every N-th step and after the last. Default 1. */
  every?: number;
  /** Longer side in pixels; default: one pixel per latent, an eighth of the picture. */
  size?: number;
  format?: 'JPG' | 'PNG' | 'WEBP';
  /** 20 to 99, for JPG and WEBP. */
  quality?: number;
  /** Decoder of the latents; the server lists its decoders in the error for an unknown name. */
  decoder?: string;
}

/** A LoRA or an embedding of the server. */
export interface Weighted {
  /** AIR id or name. */
  model: string;
  /** −4 to 4; 0 has no effect. Default 1. */
  weight?: number;
}

/** A ControlNet and its guide image. */
export interface ControlNetInput {
  /** AIR id or name. */
  model: string;
  /** Edges, depth, a pose, or whatever the network was trained for. It is resized to the picture. */
  guideImage: ImageInput;
  /** 0 to 1. Default 1. */
  weight?: number;
  /** Its first and last step, counted from 1; or both in percent of the steps. Default: all of them. */
  startStep?: number;
  endStep?: number;
  startStepPercentage?: number;
  endStepPercentage?: number;
  /** Whether prompt and guide image have equal influence, or one has more. Default `balanced`. */
  controlMode?: 'balanced' | 'prompt' | 'controlnet';
  /** Kind of the guide image, for a union ControlNet. Default `canny`. */
  unionMode?: 'canny' | 'tile' | 'depth' | 'blur' | 'pose' | 'gray' | 'lowQuality';
}

/** Pictures as a prompt, and the model that reads them: an IP-Adapter, or FLUX.1 Redux, which takes a weight alone. */
export interface IpAdapterInput {
  /** AIR id or name. */
  model: string;
  /** 1 to 8; or one as `guideImage`. */
  guideImages?: ImageInput[];
  guideImage?: ImageInput;
  /** How much they count, −2 to 2; below 0 they are steered away from. Redux: 0 to 2. Default 1. */
  weight?: number;
  /** How much each layer counts, such as `style_transfer` or `composition`. Default `normal`: all alike. */
  weightType?: string;
  /** Weight of the composition, 0 to 1, for the weight types with one. Default 1. */
  weightComposition?: number;
  /** What the weight multiplies. Default `kv`. */
  embedScaling?: 'only_v' | 'kv' | 'kv_penalty_c' | 'k_mean_v_penalty_c';
  /** How several pictures become one prompt. Default `concat`. */
  combineMethod?: 'concat' | 'add' | 'subtract' | 'average' | 'norm_average';
}

/** Pixels to add to the seed image on each side, in multiples of 64. Default 0 each. */
export interface OutpaintInput {
  top?: number;
  right?: number;
  bottom?: number;
  left?: number;
  /** Width of the transition into the seed image, 0 to 32 pixels. Default 0. */
  blur?: number;
}

/**
 * A second model that starts at a late step, counted from 1, or after a percentage of the steps. Default 80 percent.
 */
export interface RefinerInput {
  /** AIR id or name. */
  model: string;
  startStep?: number;
  startStepPercentage?: number;
}

/**
 * DeepCache: most steps run only the outermost layers of the UNet; 0.45 of the time at an interval of 3, with a
 * slightly different picture.
 */
export interface AcceleratorOptions {
  deepCache?: boolean;
  /** One of this many steps is whole. Default 3. */
  deepCacheInterval?: number;
}

/** What tasks say about their results. Unknown parameters are passed on unchanged. */
export interface ResultTask {
  outputType?: 'URL' | 'base64Data' | 'dataURI' | ('URL' | 'base64Data' | 'dataURI')[];
  outputFormat?: 'JPG' | 'PNG' | 'WEBP';
  previews?: boolean | PreviewOptions;
  /** Within this session a newer task of the same lane supersedes an unfinished older one. */
  lane?: string;
  /** 0 to 9, default 0: higher priorities first within this session. */
  priority?: number;
  /** Milliseconds until it must start; else it fails with `startTimeout`. */
  deadline?: number;
  /** Default: a new one. */
  taskUUID?: string;
  [parameter: string]: unknown;
}

/** An image task. */
export interface ImageTask extends ResultTask {
  positivePrompt: string;
  negativePrompt?: string;
  /** For the second text encoder of models that have one. Default: the first prompts. */
  positivePrompt2?: string;
  negativePrompt2?: string;
  /** Syntax of prompt weights. Default: none. */
  promptWeighting?: 'compel' | 'sdEmbeds' | (string & {});
  /** AIR id of a model; default: the server's. */
  model?: string;
  width?: number;
  height?: number;
  steps?: number;
  scheduler?: string;
  /** Faster generation with a slightly different picture. Default `none`; see `acceleratorOptions`. */
  acceleration?: 'none' | 'low' | 'medium' | 'high';
  /** The same seed and task give the same picture. Default: random, returned in the result. */
  seed?: number | bigint;
  CFGScale?: number;
  /** Models with image guidance: how closely to follow the seed image. */
  imageGuidanceScale?: number;
  /** Models that take `CFGScale` as an input: classifier-free guidance with the negative prompt, above 1. */
  trueCFGScale?: number;
  /** Z-Image: maximum norm of the guided prediction, as a multiple of that of the conditional branch. */
  CFGNormalization?: number;
  /** Z-Image: end of guidance in the schedule, 0 to 1. */
  CFGTruncation?: number;
  /** Models with a T5 text encoder: number of prompt tokens. */
  maxSequenceLength?: number;
  /** Flow-matching models: above 1, more steps are at high noise. Default: the model's. */
  shift?: number;
  clipSkip?: number;
  /** Number of images, each with its seed. Default 1. */
  numberResults?: number;
  /** The seed image: the UUID of an uploaded or generated image, or any {@link ImageInput}. */
  seedImage?: ImageInput;
  /** How much to change the seed image: 0 keeps it, 1 ignores it. */
  strength?: number;
  /** Reference images, for models that take them. */
  referenceImages?: ImageInput[];
  /** Mask of the seed image: white changes, black stays, grey is blended. */
  maskImage?: ImageInput;
  /** Generates only the masked part and this many pixels around it, enlarged; 32 to 128. Default: the whole picture. */
  maskMargin?: number;
  acceleratorOptions?: AcceleratorOptions;
  /** Adds area around the seed image; `width` and `height` are then the final size. Not with a mask. */
  outpaint?: OutpaintInput;
  /** LoRAs, all applied together. */
  lora?: Weighted[];
  /** Textual inversions: words for the prompts. */
  embeddings?: Weighted[];
  /** ControlNets, all applied together. */
  controlNet?: ControlNetInput[];
  /** Image prompts, all applied together. */
  ipAdapters?: IpAdapterInput[];
  /** An autoencoder that replaces the model's. */
  vae?: string;
  refiner?: RefinerInput;
}

/** Enlarges a picture. */
export interface UpscaleTask extends ResultTask {
  /** The UUID of an uploaded or generated image, or any {@link ImageInput}. */
  inputImage: ImageInput;
  /** AIR id or name of an upscaler; `local:lanczos@1` interpolates. Default: the server's first. */
  model?: string;
  /** How many times as wide and high. Default 2. */
  upscaleFactor?: 2 | 3 | 4;
  /** Size of the result, 1 to 8, instead of a factor. */
  targetMegapixels?: number;
}

/** Converts the images of a task. Throws a LatentwireError that names an invalid one. */
export async function wireImages(
  task: Pick<ImageTask, 'seedImage' | 'maskImage' | 'controlNet' | 'ipAdapters' | 'referenceImages'> &
    Partial<Pick<UpscaleTask, 'inputImage'>>,
): Promise<Record<string, unknown>> {
  const { inputImage, seedImage, maskImage, controlNet, ipAdapters, referenceImages } = task;
  const images: Record<string, unknown> = {};
  for (const [name, image] of Object.entries({ inputImage, seedImage, maskImage })) {
    if (image !== undefined) images[name] = await toWireImage(image, name);
  }
  if (referenceImages !== undefined) {
    images.referenceImages = await Promise.all(
      referenceImages.map((one, index) => toWireImage(one, `referenceImages[${index}]`)),
    );
  }
  for (const [name, entries] of Object.entries({ controlNet, ipAdapters })) {
    if (entries === undefined) continue;
    images[name] = await Promise.all(
      entries.map(async (one: ControlNetInput | IpAdapterInput, index) => {
        const place = `${name}[${index}]`;
        const { guideImage, guideImages } = one as IpAdapterInput;
        const wireOf = (image: ImageInput, at: string) => toWireImage(image, `${place}.${at}`);
        return {
          ...one,
          ...(guideImage !== undefined && { guideImage: await wireOf(guideImage, 'guideImage') }),
          ...(guideImages !== undefined && {
            guideImages: await Promise.all(guideImages.map((image, at) => wireOf(image, `guideImages[${at}]`))),
          }),
        };
      }),
    );
  }
  return images;
}

export function wirePreviews(previews: boolean | PreviewOptions): false | object {
  if (previews === false) return false;
  return { delivery: 'binary', ...(previews === true ? {} : previews) };
}
