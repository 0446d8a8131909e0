import type { Recorded } from './goldens.ts';
import { readJsonArchive } from './transformerGoldens.ts';

interface FluxCall {
  hiddenStates: Recorded;
  sigma: number;
  output: Recorded;
}

/** Latents in tokens after each step. */
interface FluxRun {
  prompt: string;
  steps: number;
  guidance: number;
  seed: number;
  sigmas: number[];
  latents: Recorded[];
}

/** What PyTorch computed with `tiny-flux-dev`. */
export interface FluxGoldens {
  prompts: string[];
  maxSequenceLength: number;
  t5Tokens: { maxLength: number; cases: { text: string; ids: number[] }[] };
  t5TokensAt512: { text: string; ids: number[] };
  clipTokens: { text: string; ids: number[] }[];
  pooled: Recorded;
  t5Output: {
    ofPrompt0: Recorded;
    ofPrompt2: Recorded;
    firstThreeAndLastRowsOfEachPrompt: Recorded;
    ofPrompt6At512: { rows: number[]; values: Recorded };
  };
  vae: { image: Recorded; latentMean: Recorded; latentLogvar: Recorded; latents: Recorded; decoded: Recorded };
  packing: { packed: Recorded; imgIds: Recorded };
  schedule: {
    height: number;
    width: number;
    steps: number;
    imageSequenceLength: number;
    mu: number;
    sigmas: number[];
  }[];
  transformer: FluxCall & { guidance: number; outputAtGuidance1: Recorded };
  textToImage: FluxRun & { height: number; width: number; initialNoise: Recorded };
  imageToImage: FluxRun & { image: string; strength: number; startStep: number };
  inpaint: FluxRun & { image: string; mask: string; strength: number; startStep: number; latentMask: Recorded };
  trueCfg: FluxRun & { negativePrompt: string; trueCfgScale: number };
}

export interface SchnellGoldens {
  prompt: string;
  maxSequenceLength: number;
  t5Output: Recorded;
  pooled: Recorded;
  transformer: FluxCall;
  textToImage: { steps: number; seed: number; initialNoise: Recorded; sigmas: number[]; latents: Recorded[] };
}

export interface KontextGoldens {
  imageLatents: Recorded;
  imgIds: Recorded;
  guidance: number;
  seed: number;
  initialNoise: Recorded;
  sigmas: number[];
  latents: Recorded[];
}

interface ControlNetCall {
  hiddenStates: Recorded;
  controlCond: Recorded;
  sigma: number;
  guidance: number;
  conditioningScale: number;
  controlMode: number | null;
  blockSamples: Recorded[];
  singleBlockSamples: Recorded[];
  output: Recorded;
}

/** What PyTorch computed with `tiny-flux-controlnet` and `tiny-flux-controlnet-union`. */
export interface FluxControlNetGoldens {
  prompt: string;
  maxSequenceLength: number;
  image: string;
  plain: ControlNetCall;
  union: ControlNetCall;
  trajectory: {
    steps: number;
    guidance: number;
    conditioningScale: number;
    controlGuidanceEnd: number;
    seed: number;
    sigmas: number[];
    latents: Recorded[];
  };
}

/** What PyTorch computed with `tiny-flux-redux`. */
export interface FluxReduxGoldens {
  image: string;
  pixelValues: Recorded;
  siglipLastHiddenState: Recorded;
  imageEmbeds: Recorded;
  cases: {
    images: string[];
    prompt: string | string[];
    promptEmbedsScale: number | number[];
    pooledPromptEmbedsScale: number | number[];
    promptEmbedsShape: number[];
    firstTextRows: Recorded;
    imageRows: Recorded;
    pooled: Recorded;
  }[];
}

type LoraGolden = { file: string; output: Recorded };

export interface FluxLoraGoldens {
  weight: number;
  peft: LoraGolden;
  kohya: LoraGolden;
  original: LoraGolden;
}

export const readFluxGoldens = () => readJsonArchive<FluxGoldens>('tiny-flux-dev');
export const readSchnellGoldens = () => readJsonArchive<SchnellGoldens>('tiny-flux-schnell');
export const readKontextGoldens = () => readJsonArchive<KontextGoldens>('tiny-flux-kontext');
export const readFluxControlNetGoldens = () => readJsonArchive<FluxControlNetGoldens>('tiny-flux-controlnet');
export const readFluxReduxGoldens = () => readJsonArchive<FluxReduxGoldens>('tiny-flux-redux');
export const readFluxLoraGoldens = () => readJsonArchive<FluxLoraGoldens>('tiny-flux-lora');

/** Tokens of 2 × 2 patches [1, rows · columns, 4 · channels] as latents [1, channels, 2 · rows, 2 · columns]. */
export function latentsOfTokens({ shape, data }: Recorded, rows: number, columns: number): Recorded {
  const features = shape.at(-1)!;
  const channels = features / 4;
  const [height, width] = [2 * rows, 2 * columns];
  const latents = new Array<number>(data.length);
  for (let at = 0; at < data.length; at++) {
    const [token, feature] = [Math.floor(at / features), at % features];
    const [channel, dy, dx] = [feature >> 2, (feature >> 1) & 1, feature & 1];
    const [y, x] = [2 * Math.floor(token / columns) + dy, 2 * (token % columns) + dx];
    latents[(channel * height + y) * width + x] = data[at]!;
  }
  return { shape: [1, channels, height, width], data: latents };
}
