import { basename } from 'node:path';
import { inPart, ModelError } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { readValues } from '../files/values.ts';
import type { Config, FileParts, LoraAlias, ModelFile, PredictionType } from './family.ts';
import { autoencoderOf, below, type Encoder, encoderIn, encodersIn, unetIn } from './inferConfigs.ts';
import { type UNetStructure, unetPaths } from './ldmLayout.ts';

/**
 * A file in the original (CompVis, Stability) layout: Stable Diffusion 1.x, 2.x, XL or the XL refiner, also for inpainting
 * (9 channels) and InstructPix2Pix (8 channels).
 *
 * Every size is read off the tensors. What shapes cannot tell has the published values: 8 heads of attention in SD 1's UNet
 * and heads of 64 channels everywhere else, 32 groups in normalizations, the family's scheduler and scaling factor. Networks
 * of other proportions say theirs in the settings.
 *
 * @throws {ModelError} naming the part and the reason
 */
export async function readLdmFile(file: ModelFile): Promise<FileParts> {
  const { tensors, settings, corrections } = file;
  const original = below(tensors, 'model.diffusion_model.');
  const { first, second, isXL } = encodersIn(tensors, original);
  const refiner = isXL && first === undefined;
  const unet = await inPart('unet', () => unetIn(original, { isXL, refiner, second }, corrections('denoiser')));
  const vae = autoencoderOf(file);
  const encoder = (part: 'text_encoder' | 'text_encoder_2', found: Encoder | undefined) =>
    found && inPart(part, () => encoderIn(found, corrections(part)));
  const parts: FileParts['parts'] = { denoiser: unet };
  const [textEncoder, textEncoder2, autoencoder] = [
    await encoder('text_encoder', first),
    await encoder('text_encoder_2', second),
    await vae,
  ];
  if (textEncoder) parts.text_encoder = textEncoder;
  if (textEncoder2) parts.text_encoder_2 = textEncoder2;
  if (autoencoder) parts.vae = autoencoder;

  const isSecond = unet.config.use_linear_projection === true && !isXL;
  const markers = { vPrediction: tensors.has('v_pred'), zeroSnr: tensors.has('ztsnr') };
  if (['edm_mean', 'edm_vpred.sigma_max'].some((name) => tensors.has(name))) {
    throw new ModelError(`${basename(file.path)} was trained with the noise levels of EDM, which are not supported.`);
  }
  const prediction =
    settings.predictionType ??
    (markers.vPrediction
      ? 'v_prediction'
      : isSecond
        ? await inPart('unet', () => guessedPrediction(original, unet.config))
        : 'epsilon');
  if (isSecond) unet.config.sample_size = prediction === 'v_prediction' ? 96 : 64;
  Object.assign(unet.config, corrections('denoiser').own);

  return {
    // Whatever autoencoder a request names, its latents are what the UNet gives.
    className: classNameOf(
      isXL,
      unet.config.in_channels,
      autoencoder?.config.latent_channels ?? unet.config.out_channels,
    ),
    refiner,
    index: refiner ? { requires_aesthetics_score: true, force_zeros_for_empty_prompt: false } : {},
    scheduler: schedulerOf(isXL, isSecond, prediction, markers.zeroSnr),
    parts,
  };
}

/** What pads the rows of a published tokenizer: SD 1 pads with the end of the text, SD 2 and XL's second encoder with `!`. */
export function ldmPadToken({ className, parts }: FileParts, tokenizer: string): string {
  const isSecond = parts.denoiser?.config.use_linear_projection === true && !className.includes('XL');
  return tokenizer === 'tokenizer' && !isSecond ? '<|endoftext|>' : '!';
}

/** From a module's path in diffusers to that of the original layout. */
export function ldmAliases(config: Config): (path: string) => readonly LoraAlias[] {
  const renames = [...unetPaths(config as UNetStructure)];
  return (path) => {
    for (const [original, diffusers] of renames) {
      if (path === diffusers || path.startsWith(`${diffusers}.`)) {
        return [{ name: original + path.slice(diffusers.length) }];
      }
    }
    return [];
  };
}

function classNameOf(isXL: boolean, taken: unknown, latents: unknown): string {
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
  const values = await readValues(bias);
  let [sum, squares] = [0, 0];
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return Math.sqrt(squares / values.length - mean * mean) > 0.09 ? 'v_prediction' : 'epsilon';
}
