import { open } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import {
  autoencoderIn,
  below,
  type Config,
  type Corrections,
  type Encoder,
  encoderIn,
  encodersIn,
  holdsAutoencoder,
  type Part,
  unetIn,
} from '../families/inferConfigs.ts';
import { inPart, ModelError } from '../files/reading.ts';
import { readSafetensorsHeader, type StoredTensor, type StoredTensors } from '../files/safetensors.ts';
import type { Checkpoint } from './checkpoint.ts';
import {
  type Component,
  type ConfigPart,
  completeConfigs,
  type ModelSettings,
  type PipelineClass,
  type PredictionType,
  readSettings,
} from './configs.ts';
import { openPart } from './part.ts';
import { tokenizerOf } from './tokenizerSource.ts';

/**
 * A whole model in one safetensors file in the original (CompVis, Stability) layout: Stable Diffusion 1.x, 2.x, XL or the
 * XL refiner, also for inpainting (9 channels) and InstructPix2Pix (8 channels).
 *
 * The family and every size are read off the tensors. What shapes cannot tell has the published values: 8 heads of
 * attention in SD 1's UNet and heads of 64 channels everywhere else, 32 groups in normalizations, the family's scheduler
 * and scaling factor. Networks of other proportions say theirs in `<file>.json`, which has the fields of
 * `latentwire.json`, `predictionType`, and objects `unet`, `vae`, `text_encoder`, `text_encoder_2` and `scheduler` whose
 * fields win: `{"unet": {"attention_head_dim": 4, "norm_num_groups": 4}}`. Of the header's metadata, title, description,
 * license, tags, resolution and prediction type (`modelspec.…`) are used.
 *
 * No vocabulary is in such files; see `tokenizerOf` for where it comes from.
 *
 * @throws {ModelError | SafetensorsError} naming the part and the reason
 */
export async function openSingleFile(file: string): Promise<Checkpoint> {
  const { tensors, metadata } = await readSafetensorsHeader(file);
  const settings = await readSettings(`${file}.json`);
  const { predictionType, ...said } = { ...settingsOf(metadata), ...settings };
  const corrections = (part: ConfigPart): Corrections => ({
    own: settings.configs?.[part] ?? {},
    where: `"${part}" in ${basename(file)}.json`,
  });

  const original = below(tensors, 'model.diffusion_model.');
  if (original.size === 0) {
    throw new ModelError(`${basename(file)} holds no UNet in the original layout (model.diffusion_model.…).`);
  }
  const { first, second, isXL } = encodersIn(tensors, original);
  const refiner = isXL && first === undefined;
  const unet = await inPart('unet', () => unetIn(original, { isXL, refiner, second }, corrections('unet')));
  const { vaePath } = settings;
  const lacksVae = vaePath === undefined && !holdsAutoencoder(tensors);
  const vae: Part | undefined = lacksVae
    ? undefined
    : await inPart('vae', async () =>
        vaePath === undefined
          ? autoencoderIn(tensors, corrections('vae'))
          : openPart(resolve(dirname(file), vaePath), 'vae'),
      );
  const encoder = (part: 'text_encoder' | 'text_encoder_2', found: Encoder | undefined) =>
    found && inPart(part, () => encoderIn(found, corrections(part)));
  const textEncoder = await encoder('text_encoder', first);
  const textEncoder2 = await encoder('text_encoder_2', second);
  const parts: Partial<Record<Component, Part>> = {
    unet,
    ...(vae && { vae_encoder: vae, vae_decoder: vae }),
    ...(textEncoder && { text_encoder: textEncoder }),
    ...(textEncoder2 && { text_encoder_2: textEncoder2 }),
  };

  const isSecond = unet.config.use_linear_projection === true && !isXL;
  const markers = { vPrediction: tensors.has('v_pred'), zeroSnr: tensors.has('ztsnr') };
  if (['edm_mean', 'edm_vpred.sigma_max'].some((name) => tensors.has(name))) {
    throw new ModelError(`${basename(file)} was trained with the noise levels of EDM, which are not supported.`);
  }
  const prediction =
    predictionType ??
    (markers.vPrediction
      ? 'v_prediction'
      : isSecond
        ? await inPart('unet', () => guessedPrediction(original, unet.config))
        : 'epsilon');
  if (isSecond) unet.config.sample_size = prediction === 'v_prediction' ? 96 : 64;
  Object.assign(unet.config, corrections('unet').own);

  // Whatever autoencoder a request names, its latents are what the UNet gives.
  const vaeConfig = vae?.config ?? { latent_channels: unet.config.out_channels };
  const configs = completeConfigs({
    className: classNameOf(isXL, unet.config.in_channels, vaeConfig.latent_channels),
    lacksVae,
    refiner,
    index: refiner ? { requires_aesthetics_score: true, force_zeros_for_empty_prompt: false } : {},
    settings: said,
    scheduler: { ...schedulerOf(isXL, isSecond, prediction, markers.zeroSnr), ...corrections('scheduler').own },
    textEncoder: textEncoder?.config ?? {},
    textEncoder2: textEncoder2?.config ?? {},
    unet: unet.config,
    vae: vaeConfig,
  });
  const tokenizer = (name: 'tokenizer' | 'tokenizer_2') => {
    const config = name === 'tokenizer' ? configs.textEncoder : configs.textEncoder2;
    const published = name === 'tokenizer' && !isSecond ? '<|endoftext|>' : '!';
    return tokenizerOf(file, name, { settings, rows: Number(config.vocab_size), published });
  };
  return {
    ...configs,
    path: file,
    component: async (component) => {
      const part = parts[component];
      if (!part) throw new ModelError(`This model has no ${component}.`);
      return { kind: 'safetensors', ...part };
    },
    tokenizer,
  };
}

function classNameOf(isXL: boolean, taken: unknown, latents: unknown): PipelineClass {
  const [channels, plain] = [Number(taken), Number(latents)];
  if (channels === 2 * plain + 1) return isXL ? 'StableDiffusionXLInpaintPipeline' : 'StableDiffusionInpaintPipeline';
  if (channels === 2 * plain) {
    return isXL ? 'StableDiffusionXLInstructPix2PixPipeline' : 'StableDiffusionInstructPix2PixPipeline';
  }
  return isXL ? 'StableDiffusionXLPipeline' : 'StableDiffusionPipeline';
}

/** The scheduler that each family was published with. */
function schedulerOf(isXL: boolean, isSecond: boolean, prediction: PredictionType, zeroSnr: boolean): Config {
  const common = {
    num_train_timesteps: 1000,
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    steps_offset: 1,
    prediction_type: prediction,
  };
  if (isXL) {
    return {
      _class_name: 'EulerDiscreteScheduler',
      ...common,
      timestep_spacing: zeroSnr ? 'trailing' : 'leading',
      ...(zeroSnr && { rescale_betas_zero_snr: true }),
    };
  }
  const rest = { ...common, clip_sample: false, set_alpha_to_one: false };
  if (isSecond && prediction === 'v_prediction') return { _class_name: 'DDIMScheduler', ...rest };
  return { _class_name: 'PNDMScheduler', ...rest, skip_prk_steps: true };
}

/**
 * Whether an SD 2 model predicts noise (trained at 512 pixels) or velocity (at 768); no name or shape tells them apart.
 * The bias of one normalization near the end varies more among the latter, by more than 0.09 of standard deviation, which
 * ComfyUI found and the field has relied on since. Inpainting models of this family all predict noise.
 */
async function guessedPrediction(original: StoredTensors, unet: Config): Promise<PredictionType> {
  const bias = original.get('output_blocks.11.1.transformer_blocks.0.norm1.bias');
  if (!bias || unet.in_channels !== 4) return 'epsilon';
  const values = await readFloats(bias);
  let [sum, squares] = [0, 0];
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return Math.sqrt(squares / values.length - mean * mean) > 0.09 ? 'v_prediction' : 'epsilon';
}

/** The values of one small tensor. */
async function readFloats({ file, offset, length, dtype }: StoredTensor): Promise<Float32Array> {
  const handle = await open(file, 'r');
  const bytes = new Uint8Array(length);
  try {
    await handle.read(bytes, 0, length, offset);
  } finally {
    await handle.close();
  }
  if (dtype === 'F32') return new Float32Array(bytes.buffer);
  const halves = new Uint16Array(bytes.buffer);
  if (dtype === 'F16') {
    // Imported only now, so that describing models loads nothing of onnx/.
    const { fromFloat16 } = await import('../tensors/float16.ts');
    return fromFloat16(halves);
  }
  // A bfloat16 is the upper half of a float32.
  if (dtype === 'BF16') return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
  throw new ModelError(`the weights are stored as ${dtype}; supported are F32, F16 and BF16.`);
}

/** What the header's metadata says, in the fields that Stability's ModelSpec names. */
function settingsOf(metadata: Readonly<Record<string, string>>): ModelSettings {
  const said: ModelSettings = {};
  const of = (key: string) => metadata[`modelspec.${key}`]?.trim() || undefined;
  const [name, description, license, tags] = ['title', 'description', 'license', 'tags'].map(of);
  if (name) said.name = name;
  if (description) said.description = description;
  if (license) said.license = license;
  if (tags) said.tags = tags.split(',').map((tag) => tag.trim());
  const [, width, height = width] = /^(\d+)(?:x(\d+))?$/.exec(of('resolution') ?? '') ?? [];
  if (width !== undefined) {
    said.defaultWidth = Number(width);
    said.defaultHeight = Number(height);
  }
  const prediction = (of('prediction_type') ?? of('predict_key'))?.toLowerCase();
  if (prediction === 'epsilon' || prediction === 'eps') said.predictionType = 'epsilon';
  if (prediction === 'v' || prediction === 'v_prediction' || prediction === 'velocity') {
    said.predictionType = 'v_prediction';
  }
  return said;
}
