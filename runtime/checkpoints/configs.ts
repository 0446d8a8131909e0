import { basename } from 'node:path';
import { ModelError, readJson } from '../files/reading.ts';
import { checkConfig, checkSettings } from './ranges.ts';

/** The kinds of pipeline a model folder may ask for in `model_index.json`, and the family that runs each. */
export const pipelineClasses = {
  StableDiffusionPipeline: 'sd',
  StableDiffusionImg2ImgPipeline: 'sd',
  StableDiffusionInpaintPipeline: 'sd',
  StableDiffusionInstructPix2PixPipeline: 'sd',
  StableDiffusionControlNetPipeline: 'sd',
  StableDiffusionControlNetImg2ImgPipeline: 'sd',
  StableDiffusionControlNetInpaintPipeline: 'sd',
  LatentConsistencyModelPipeline: 'sd',
  LatentConsistencyModelImg2ImgPipeline: 'sd',
  StableDiffusionXLPipeline: 'sdxl',
  StableDiffusionXLImg2ImgPipeline: 'sdxl',
  StableDiffusionXLInpaintPipeline: 'sdxl',
  StableDiffusionXLInstructPix2PixPipeline: 'sdxl',
  StableDiffusionXLControlNetPipeline: 'sdxl',
  StableDiffusionXLControlNetImg2ImgPipeline: 'sdxl',
  StableDiffusionXLControlNetInpaintPipeline: 'sdxl',
} as const;

export type PipelineClass = keyof typeof pipelineClasses;
export type Family = (typeof pipelineClasses)[PipelineClass];

export type Component = 'text_encoder' | 'text_encoder_2' | 'unet' | 'vae_encoder' | 'vae_decoder';

export type TokenizerName = 'tokenizer' | 'tokenizer_2';

/** Where the vocabulary of a text encoder is, and what fills its rows. */
export interface TokenizerSource {
  /** Absolute path of the folder with the tokenizer's files; undefined: CLIP's published vocabulary. */
  folder: string | undefined;
  /** The token that fills rows; undefined: what the folder says, else the end of text. */
  padToken: string | undefined;
}

/** What of a config a settings file may correct, by the name of the component's folder. */
export type ConfigPart = 'unet' | 'vae' | 'text_encoder' | 'text_encoder_2' | 'scheduler';

/** `latentwire.json` in a model folder, or `<file>.json` beside a single file; every field is optional. */
export interface ModelSettings {
  name?: string;
  description?: string;
  license?: string;
  tags?: string[];
  /** Pixels. */
  defaultWidth?: number;
  defaultHeight?: number;
  defaultSteps?: number;
  defaultGuidanceScale?: number;
  /** Name or AIR of the tiny decoder for previews. */
  tinyDecoder?: string;
  /** One [r, g, b] for each latent channel; scaled latents to RGB in [-1, 1]. */
  latentRgbFactors?: number[][];
  latentRgbBias?: number[];
  /** What the UNet predicts, where the files do not say it or say it wrongly. */
  predictionType?: PredictionType;
  /** Another autoencoder: a folder with config.json and weights or one file, relative to the settings file. */
  vaePath?: string;
  /** Folders with the files of a tokenizer, relative to the settings file. */
  tokenizerPaths?: Partial<Record<TokenizerName, string>>;
  /** Fields that win over those of the configs, such as `"unet": {"attention_head_dim": 4}`. */
  configs?: Partial<Record<ConfigPart, Record<string, unknown>>>;
}

export const predictionTypes = ['epsilon', 'v_prediction', 'sample'] as const;
export type PredictionType = (typeof predictionTypes)[number];

/**
 * What a UNet is given beside the text: noisy latents alone, with a mask and the masked picture's latents (inpainting,
 * +1 and as many channels again), or with the latents of the picture to edit (twice the channels).
 */
export type UNetInput = 'latents' | 'inpaint' | 'edit';

/** What a model's files say about it, wherever they say it; absent configs are empty objects. */
export interface ModelConfigs {
  className: PipelineClass;
  family: Family;
  /** An SDXL refiner: it has only the second text encoder, and five time ids with an aesthetic score. */
  refiner: boolean;
  /** It has no autoencoder of its own, so each request has to name one. */
  lacksVae: boolean;
  /** All that this model has. */
  components: readonly Component[];
  tokenizers: readonly TokenizerName[];
  unetInput: UNetInput;
  index: Record<string, unknown>;
  settings: ModelSettings;
  scheduler: Record<string, unknown>;
  textEncoder: Record<string, unknown>;
  textEncoder2: Record<string, unknown>;
  unet: Record<string, unknown>;
  vae: Record<string, unknown>;
  /** Latents for the UNet are the autoencoder's, minus `shiftFactor`, times this. */
  scalingFactor: number;
  shiftFactor: number;
  /** Pixels on each side of one latent position; 8 for all published models. */
  vaeScale: number;
}

/** The published factor of each family's autoencoder; used only where the model's own configs do not say it. */
const scalingFactors: Record<Family, number> = { sd: 0.18215, sdxl: 0.13025 };

/** What follows from a model's configs. */
export function completeConfigs(
  given: Pick<
    ModelConfigs,
    | 'className'
    | 'refiner'
    | 'index'
    | 'settings'
    | 'scheduler'
    | 'textEncoder'
    | 'textEncoder2'
    | 'unet'
    | 'vae'
    | 'lacksVae'
  >,
): ModelConfigs {
  const family = pipelineClasses[given.className];
  const parts = {
    scheduler: given.scheduler,
    text_encoder: given.textEncoder,
    text_encoder_2: given.textEncoder2,
    unet: given.unet,
    vae: given.vae,
  } satisfies Record<ConfigPart, Record<string, unknown>>;
  for (const [part, config] of Object.entries(parts)) {
    checkConfig(part as ConfigPart, config, `The ${part} cannot be used: its config`);
  }
  const { vae, settings, lacksVae } = given;
  const blocks = vae.block_out_channels;
  const own = vae.scaling_factor;
  const { predictionType } = settings;
  return {
    ...given,
    family,
    components: componentsOf(family, given.refiner).filter((name) => !lacksVae || !name.startsWith('vae_')),
    tokenizers: family === 'sd' ? ['tokenizer'] : given.refiner ? ['tokenizer_2'] : ['tokenizer', 'tokenizer_2'],
    unetInput: unetInputOf(given.unet.in_channels, vae.latent_channels),
    scheduler: { ...given.scheduler, ...(predictionType && { prediction_type: predictionType }) },
    scalingFactor: typeof own === 'number' ? own : scalingFactors[family],
    shiftFactor: typeof vae.shift_factor === 'number' ? vae.shift_factor : 0,
    vaeScale: Array.isArray(blocks) && blocks.length > 0 ? 2 ** (blocks.length - 1) : 8,
  };
}

function componentsOf(family: Family, refiner: boolean): readonly Component[] {
  const encoders: Component[] =
    family === 'sd' ? ['text_encoder'] : refiner ? ['text_encoder_2'] : ['text_encoder', 'text_encoder_2'];
  return [...encoders, 'unet', 'vae_encoder', 'vae_decoder'];
}

function unetInputOf(taken: unknown, latents: unknown): UNetInput {
  if (typeof taken !== 'number' || typeof latents !== 'number' || taken === latents) return 'latents';
  if (taken === 2 * latents + 1) return 'inpaint';
  if (taken === 2 * latents) return 'edit';
  throw new ModelError(
    `The unet takes ${taken} channels, but the autoencoder has ${latents}: supported are ${latents} (from text), ${2 * latents + 1} (inpainting) and ${2 * latents} (editing).`,
  );
}

/**
 * Reads a settings file; fields of the wrong type count as absent, and a missing file as an empty one.
 *
 * @throws {ModelError} for a number out of its range
 */
export async function readSettings(file: string): Promise<ModelSettings> {
  const raw = (await readJson(file)) ?? {};
  const settings: ModelSettings = {};
  for (const key of ['name', 'description', 'license', 'tinyDecoder'] as const) {
    const value = raw[key];
    if (typeof value === 'string') settings[key] = value;
  }
  for (const key of ['defaultWidth', 'defaultHeight', 'defaultSteps', 'defaultGuidanceScale'] as const) {
    const value = raw[key];
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) settings[key] = value;
  }
  if (Array.isArray(raw.tags)) settings.tags = raw.tags.filter((tag): tag is string => typeof tag === 'string');
  const triples = raw.latentRgbFactors;
  if (Array.isArray(triples) && triples.every(isTriple)) settings.latentRgbFactors = triples;
  if (isTriple(raw.latentRgbBias)) settings.latentRgbBias = raw.latentRgbBias;
  if (raw.predictionType !== undefined) {
    const predictionType = predictionTypes.find((type) => type === raw.predictionType);
    if (!predictionType) {
      throw new ModelError(
        `The settings say predictionType: ${JSON.stringify(raw.predictionType)}; allowed are ${predictionTypes.join(', ')}.`,
      );
    }
    settings.predictionType = predictionType;
  }
  if (typeof raw.vae === 'string') settings.vaePath = raw.vae;
  for (const name of ['tokenizer', 'tokenizer_2'] as const) {
    const path = raw[name];
    if (typeof path === 'string') settings.tokenizerPaths = { ...settings.tokenizerPaths, [name]: path };
  }
  for (const part of ['unet', 'vae', 'text_encoder', 'text_encoder_2', 'scheduler'] as const) {
    const value = raw[part];
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      settings.configs = { ...settings.configs, [part]: value };
    }
  }
  checkSettings(settings, basename(file));
  return settings;
}

function isTriple(value: unknown): value is number[] {
  return Array.isArray(value) && value.length === 3 && value.every((item) => typeof item === 'number');
}
