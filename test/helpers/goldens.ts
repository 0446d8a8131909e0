import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** Absolute path of the tiny models. */
export const modelsFolder = fileURLToPath(new URL('../fixtures/models/', import.meta.url));

/** Values with their shape, in PyTorch order. */
export interface Recorded {
  shape: number[];
  data: number[];
}

interface RecordedText {
  prompts: string[];
  ids: number[][];
  lastHiddenStateOfFirstPrompt: Recorded;
  penultimateOfFirstPrompt: Recorded;
  clipSkip1OfFirstPrompt: Recorded;
  pooled: Recorded;
  textEmbeds?: Recorded;
}

/** What PyTorch computed with one of the tiny models. */
export interface ModelGoldens {
  model: string;
  vae: {
    image: Recorded;
    latentMean: Recorded;
    latentLogvar: Recorded;
    scalingFactor: number;
    latents: Recorded;
    decoded: Recorded;
  };
  textEncoder: RecordedText;
  textEncoder2?: RecordedText;
  timeIds?: number[];
  unet: { sample: Recorded; timestep: number; contextOf: string; output: Recorded };
  textToImage: {
    prompt: string;
    negativePrompt: string;
    guidanceScale: number;
    steps: number;
    initialNoise: Recorded;
    latents: Recorded[];
    decoded: Recorded;
  };
  imageToImage: {
    seedLatents: Recorded;
    noise: Recorded;
    strength: number;
    steps: number;
    guidanceScale: number;
    noised: Recorded;
    latents: Recorded[];
  };
  lora?: { file: string; weight: number; unetOutput: Recorded };
  controlNet?: {
    folder: string;
    image: Recorded;
    conditioningScale: number;
    midResidual: Recorded;
    unetOutput: Recorded;
  };
  inpaint?: {
    maskAndMaskedLatents: Recorded;
    guidanceScale: number;
    steps: number;
    initialNoise: Recorded;
    latents: Recorded[];
  };
  pix2pix?: {
    imageLatents: Recorded;
    guidanceScale: number;
    imageGuidanceScale: number;
    steps: number;
    initialNoise: Recorded;
    latents: Recorded[];
  };
}

/** What PyTorch computed with the tiny preview decoder and its encoder. */
export interface TinyAutoencoderGoldens {
  latents: Recorded;
  decoded: Recorded;
  image: Recorded;
  encoded: Recorded;
}

export type TinyModel = 'tiny-sd15' | 'tiny-sd21-v' | 'tiny-sdxl';

/** Models whose UNet takes more than noisy latents; they have goldens of their own instead of text-to-image ones. */
export type TinyEditingModel = 'tiny-sd15-inpaint' | 'tiny-pix2pix';

export const tinyModels: readonly TinyModel[] = ['tiny-sd15', 'tiny-sd21-v', 'tiny-sdxl'];

export function modelFolder(model: TinyModel | TinyEditingModel): string {
  return join(modelsFolder, model);
}

export function readGoldens(model: TinyModel): ModelGoldens;
export function readGoldens(model: TinyEditingModel): Omit<ModelGoldens, 'textToImage' | 'imageToImage'>;
export function readGoldens(model: 'tiny-taesd'): TinyAutoencoderGoldens;
export function readGoldens(model: string): unknown {
  return JSON.parse(gunzipSync(readFileSync(join(modelsFolder, `${model}.json.gz`))).toString('utf8'));
}

/** Largest difference over the largest expected magnitude; infinite when the lengths differ or a value is not a number. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(actual[i]! - expected[i]!);
    if (!(d >= 0)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, d);
    magnitude = Math.max(magnitude, Math.abs(expected[i]!));
  }
  return difference / magnitude;
}

/** A whole picture by diffusers: what was asked for, and the file of what it drew. */
export interface PictureCase {
  model: TinyModel;
  kind: string;
  seedImage?: string;
  strength?: number;
  positivePrompt: string;
  negativePrompt: string;
  seed: number;
  steps: number;
  CFGScale: number;
  image: string;
}

/** All of them, and the size they have. */
export function readPictureCases(): { width: number; height: number; cases: PictureCase[] } {
  return JSON.parse(readFileSync(join(modelsFolder, 'end-to-end.json'), 'utf8'));
}
