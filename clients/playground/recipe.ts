import type { UploadedImage } from '../typescript/index.ts';

/** The parameters a picture was made with; seeds and all, as the form writes them. */
export interface Recipe {
  positivePrompt: string;
  negativePrompt?: string;
  model?: string;
  width: number;
  height: number;
  steps: number;
  CFGScale: number;
  scheduler?: string;
  /** Digits: a seed may be larger than a number holds. */
  seed?: string;
  seedImage?: UploadedImage;
  strength?: number;
  /** White where the seed image changes. */
  maskImage?: UploadedImage;
  /** Pixels added around the seed image; width and height count them. */
  outpaint?: { top: number; right: number; bottom: number; left: number; blur: number };
  /** Pictures that the prompt refers to. */
  referenceImages?: UploadedImage[];
  vae?: string;
  refiner?: { model: string; startStepPercentage: number };
  lora?: { model: string; weight: number }[];
  embeddings?: { model: string; weight: number }[];
  controlNet?: { model: string; weight: number; guideImage: UploadedImage }[];
  ipAdapters?: { model: string; weight: number; guideImage: UploadedImage }[];
}
