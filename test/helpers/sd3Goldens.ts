import type { Recorded } from './goldens.ts';
import { readJsonArchive } from './transformerGoldens.ts';

/** Latents after each step. */
interface SD3Run {
  steps: number;
  guidance: number;
  seed: number;
  sigmas: number[];
  latents: Recorded[];
}

interface SD3TextToImage extends SD3Run {
  prompt: string;
  negativePrompt: string;
  height: number;
  width: number;
  initialNoise: Recorded;
}

/** What PyTorch computed with `tiny-sd3`. */
export interface SD3Goldens {
  prompts: string[];
  maxSequenceLength: number;
  tokens: { clipL: number[][]; clipG: number[][]; t5: { text: string; ids: number[] }[] };
  conditioning: {
    prompt: string;
    promptEmbeds: Recorded;
    pooled: Recorded;
    negativePrompt: string;
    negativePooled: Recorded;
    negativeFirstRows: Recorded;
    negativeT5Rows: Recorded;
  };
  transformer: { hiddenStates: Recorded; timestep: number; output: Recorded; outputWithoutT5: Recorded };
  vae: { image: Recorded; latentMean: Recorded; latentLogvar: Recorded; latents: Recorded; decodedTopLeft: Recorded };
  textToImage: SD3TextToImage;
  textToImageWithoutT5: SD3TextToImage;
  imageToImage: SD3Run & { image: string; strength: number; startStep: number };
}

export const readSD3Goldens = () => readJsonArchive<SD3Goldens>('tiny-sd3');
