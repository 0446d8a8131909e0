import { ModelError } from '../files/reading.ts';
import { alphasCumprodOf } from '../schedulers/noiseSchedule.ts';
import type { ConfigPart, ModelSettings } from './family.ts';

/** What a field of a config may hold; the rule ends the sentence "it must be …". */
interface Range {
  rule: string;
  fits: (value: unknown) => boolean;
}

type Ranges = Readonly<Record<string, Range>>;

const whole = (min: number, max: number): Range => ({
  rule: `a whole number from ${min} to ${max}`,
  fits: (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
});

const number = (min: number, max: number): Range => ({
  rule: `a number from ${min} to ${max}`,
  fits: (value) => typeof value === 'number' && value >= min && value <= max,
});

const list = ({ rule, fits }: Range, most: number, least = 1): Range => ({
  rule: `a list of at most ${most}, each ${rule}`,
  fits: (value) => Array.isArray(value) && value.length >= least && value.length <= most && value.every(fits),
});

/** One for all blocks or one for each, which may be one for each layer of it. */
const oneOrEach = (range: Range): Range => {
  const fits = (value: unknown, depth: number): boolean =>
    range.fits(value) ||
    (depth > 0 &&
      Array.isArray(value) &&
      value.length >= 1 &&
      value.length <= 64 &&
      value.every((each) => fits(each, depth - 1)));
  return { rule: `${range.rule}, or a list of those`, fits: (value) => fits(value, 2) };
};

const words = (most: number): Range => ({
  rule: `a list of at most ${most} words`,
  fits: (value) => Array.isArray(value) && value.length <= most && value.every((each) => typeof each === 'string'),
});

/** Far above every published model, and far below what fills a memory. */
const channels = whole(1, 65_536);
const blocks = list(channels, 8);

/** Of UNets, transformers and ControlNets. */
const denoiser: Ranges = {
  in_channels: whole(1, 1024),
  out_channels: whole(1, 1024),
  conditioning_channels: whole(1, 64),
  block_out_channels: blocks,
  down_block_types: words(8),
  up_block_types: words(8),
  layers_per_block: oneOrEach(whole(1, 64)),
  transformer_layers_per_block: oneOrEach(whole(0, 128)),
  reverse_transformer_layers_per_block: oneOrEach(whole(0, 128)),
  cross_attention_dim: oneOrEach(channels),
  attention_head_dim: oneOrEach(whole(1, 1024)),
  num_attention_heads: oneOrEach(whole(1, 1024)),
  norm_num_groups: whole(1, 4096),
  norm_eps: number(0, 1),
  eps: number(0, 1),
  freq_shift: number(0, 1),
  sample_size: oneOrEach(whole(1, 1024)),
  addition_time_embed_dim: whole(2, 65_536),
  projection_class_embeddings_input_dim: whole(1, 1_048_576),
  time_cond_proj_dim: whole(2, 65_536),
  conditioning_embedding_out_channels: list(channels, 16),
  num_layers: whole(0, 512),
  num_single_layers: whole(0, 512),
  num_refiner_layers: whole(0, 64),
  joint_attention_dim: channels,
  pooled_projection_dim: channels,
  caption_projection_dim: channels,
  cap_feat_dim: channels,
  axes_dims_rope: list(whole(1, 1024), 8),
  axes_dims: list(whole(1, 1024), 8),
  axes_lens: list(whole(1, 1_048_576), 8),
  dim: channels,
  n_layers: whole(1, 512),
  n_refiner_layers: whole(0, 64),
  n_heads: whole(1, 1024),
  n_kv_heads: whole(1, 1024),
  patch_size: whole(1, 16),
  pos_embed_max_size: whole(1, 4096),
  rope_theta: number(1, 1e9),
  t_scale: number(1e-6, 1e6),
  mlp_ratio: number(0.01, 64),
  dual_attention_layers: list(whole(0, 512), 512, 0),
};

const vae: Ranges = {
  in_channels: whole(1, 64),
  out_channels: whole(1, 64),
  latent_channels: whole(1, 256),
  block_out_channels: blocks,
  encoder_block_out_channels: blocks,
  decoder_block_out_channels: blocks,
  layers_per_block: oneOrEach(whole(1, 64)),
  norm_num_groups: whole(1, 4096),
  batch_norm_eps: number(0, 1),
  sample_size: oneOrEach(whole(1, 65_536)),
  scaling_factor: number(1e-6, 1e6),
  shift_factor: number(-1e6, 1e6),
  latents_mean: list(number(-1e6, 1e6), 256),
  latents_std: list(number(1e-6, 1e6), 256),
};

const textEncoder: Ranges = {
  hidden_size: channels,
  intermediate_size: whole(1, 1_048_576),
  projection_dim: channels,
  num_hidden_layers: whole(1, 512),
  num_attention_heads: whole(1, 1024),
  num_key_value_heads: whole(1, 1024),
  head_dim: whole(1, 4096),
  rms_norm_eps: number(0, 1),
  rope_theta: number(1, 1e9),
  d_model: channels,
  d_kv: whole(1, 4096),
  d_ff: whole(1, 1_048_576),
  num_layers: whole(1, 512),
  num_heads: whole(1, 1024),
  relative_attention_num_buckets: whole(2, 1024),
  relative_attention_max_distance: whole(2, 65_536),
  layer_norm_epsilon: number(0, 1),
  layer_norm_eps: number(0, 1),
  // Start, end, and one word between them.
  max_position_embeddings: whole(3, 1_048_576),
  vocab_size: whole(1, 2 ** 24),
  eos_token_id: whole(0, 2 ** 24),
};

const scheduler: Ranges = {
  num_train_timesteps: whole(1, 10_000),
  beta_start: number(1e-8, 0.999),
  beta_end: number(1e-8, 0.999),
  trained_betas: list(number(1e-8, 0.999), 10_000),
  steps_offset: whole(0, 1000),
  solver_order: whole(1, 3),
  original_inference_steps: whole(1, 10_000),
  timestep_scaling: number(0, 1e6),
  clip_sample_range: number(0, 1e6),
  sample_max_value: number(0, 1e6),
  dynamic_thresholding_ratio: number(0, 1),
  shift: number(1e-3, 1e3),
  base_shift: number(-1e3, 1e3),
  max_shift: number(-1e3, 1e3),
  base_image_seq_len: whole(1, 1_048_576),
  max_image_seq_len: whole(1, 1_048_576),
  lambda_min_clipped: {
    rule: 'a number, or "-Infinity"',
    fits: (value) => value === '-Infinity' || (typeof value === 'number' && Math.abs(value) <= 1e6),
  },
};

const ofConfigs: Record<ConfigPart, Ranges> = {
  denoiser,
  vae,
  text_encoder: textEncoder,
  text_encoder_2: textEncoder,
  text_encoder_3: textEncoder,
  scheduler,
};

/**
 * Checks every number that is read from a config, so that none makes a process reserve memory without end or compute what is
 * no number. Absent and null fields have their defaults.
 *
 * @param where - begins the sentence
 * @throws {ModelError} naming the field, its value and what it must be
 */
export function checkConfig(part: ConfigPart, config: Readonly<Record<string, unknown>>, where = 'its config'): void {
  check(ofConfigs[part], config, where);
  if (part === 'scheduler') checkNoise(config, where);
}

function check(ranges: Ranges, config: Readonly<Record<string, unknown>>, where: string): void {
  for (const [field, { rule, fits }] of Object.entries(ranges)) {
    const value = Object.hasOwn(config, field) ? config[field] : undefined;
    if (value === undefined || value === null || fits(value)) continue;
    throw new ModelError(`${where} says ${field}: ${told(value)}; it must be ${rule}.`);
  }
}

/** The noise of the training schedule must grow from its first timestep to its last, and be numbers. */
function checkNoise(config: Readonly<Record<string, unknown>>, where: string): void {
  const { num_train_timesteps: count = 1000, trained_betas: betas } = config;
  if (Array.isArray(betas) && betas.length !== count) {
    throw new ModelError(`${where} has ${betas.length} trained_betas, but num_train_timesteps is ${count}.`);
  }
  const alphasCumprod = checkedAlphas(config, where);
  if (alphasCumprod.every(Number.isFinite) && (alphasCumprod.length === 1 || alphasCumprod[0]! > alphasCumprod.at(-1)!))
    return;
  throw new ModelError(
    `${where} has a noise schedule that does not increase: check beta_start, beta_end and beta_schedule.`,
  );
}

function checkedAlphas(config: Readonly<Record<string, unknown>>, where: string): Float32Array {
  try {
    return alphasCumprodOf(config);
  } catch (cause) {
    throw new ModelError(`${where} has no valid noise schedule: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}

const ofSettings: Partial<Record<keyof ModelSettings, Range>> = {
  defaultWidth: whole(64, 8192),
  defaultHeight: whole(64, 8192),
  defaultSteps: whole(1, 1000),
  defaultGuidanceScale: number(0, 100),
  latentRgbFactors: list(list(number(-1e3, 1e3), 3), 256),
  latentRgbBias: list(number(-1e3, 1e3), 3),
};

/** The same for the numbers of a settings file. @throws {ModelError} */
export function checkSettings(settings: ModelSettings, file: string): void {
  check(ofSettings as Ranges, settings as Record<string, unknown>, file);
}

function told(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
