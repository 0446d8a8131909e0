import { basename } from 'node:path';
import { RuntimeError } from '../errors.ts';
import { inPart } from '../files/reading.ts';
import { readValues } from '../files/values.ts';
import { type Flux2Config, writeFlux2Transformer } from '../graphs/flux2Transformer.ts';
import { checkTransformerShapes } from '../graphs/transformerShapes.ts';
import type { Pixels } from '../messages.ts';
import type { LatentRgb } from '../previews/linear.ts';
import type { Row } from '../run.ts';
import { floats } from '../tensors/tensor.ts';
import { isDynamic } from './dynamicShift.ts';
import type { Config, Family, FileParts, LoraLayerShape, ModelConfigs, ModelFile, NetworkKind } from './family.ts';
import { flux2LoraAliases, flux2TransformerTensors, isFlux2Transformer } from './flux2Keys.ts';
import { autoencoderOf, below, transformerIn } from './inferConfigs.ts';
import { flux2LatentRgb } from './latentRgb.ts';
import { checkSize, vaeDecoder, vaeEncoder, vaeScaleOf } from './networks.ts';
import { QWEN_LENGTH, qwen3In, qwen3Text, readQwenPrompt } from './qwenPrompts.ts';
import { croppedTo } from './referencePictures.ts';
import { checkAxes, type Grid, rotaryRow, sharedAxes } from './rotary.ts';
import { autoencoderPart, qwen3Part } from './separateParts.ts';

/** Hidden states of the text encoder that the transformer reads, side by side. */
const STATES = [9, 18, 27];
/** Positions of the autoencoder's latents on each side of one of those that are denoised. */
const PATCH = 2;
/** Pixels on each side of the smallest reference picture, as in diffusers. */
const LEAST_REFERENCE = 64;
/** Reference pictures above this are scaled down to it. */
const MOST_REFERENCE_PIXELS = 1024 * 1024;

/** Without the statistics of an autoencoder, as of latents with a mean of 0 and a deviation of 1. */
const usualRgb = patchRgb(new Float32Array(128), new Float32Array(128).fill(1));

/** Channels of a head that tell the picture, the row, the column and the word, in published models. */
const AXES = [32, 32, 32, 32];

const transformer: NetworkKind = {
  classes: ['Flux2Transformer2DModel'],
  input: 'timestep',
  write: (config, tensors, form) => writeFlux2Transformer(config as Flux2Config, tensors, form),
  shallow: {
    write: (config, tensors, form) =>
      writeFlux2Transformer(config as Flux2Config, tensors, { ...form, firstBlock: true }),
  },
  check(config, tensors) {
    checkTransformerShapes('flux2', tensors);
    const head = tensors.get('transformer_blocks.0.attn.norm_q.weight')?.shape[0];
    checkAxes((config as Flux2Config).axes_dims_rope ?? AXES, 'axes_dims_rope', AXES.length, head);
    checkSize(config, 'in_channels', tensors.get('x_embedder.weight')?.shape[1]);
    checkSize(config, 'joint_attention_dim', tensors.get('context_embedder.weight')?.shape[1]);
  },
};

/**
 * FLUX.2 klein: states of three layers of Qwen3, a transformer that may be shown pictures, and an autoencoder whose latents are
 * normalized patches. The distilled model has no guidance; the base model is guided by the empty prompt, whatever the negative
 * prompt.
 */
export const flux2: Family = {
  name: 'flux2',
  title: 'FLUX.2 klein',
  pipelines: ['Flux2KleinPipeline'],
  denoiserFolder: 'transformer',
  networks: {
    text_encoder: qwen3Text(STATES),
    denoiser: transformer,
    vae_encoder: vaeEncoder,
    vae_decoder: vaeDecoder,
  },
  encoders: () => ['text_encoder'],
  architectures: ['flux2klein'],
  architecture: () => 'flux2klein',
  defaults: ({ index }) => ({
    width: 1024,
    height: 1024,
    ...(isDistilled(index) ? { steps: 4, guidanceScale: 1 } : { steps: 50, guidanceScale: 4 }),
    strength: 0.8,
  }),
  latents: {
    // The autoencoder's graph normalizes by its own statistics.
    scalingFactor: 1,
    shiftFactor: 0,
    rgb: usualRgb,
    async rgbOf(vae) {
      const [mean, variance] = [vae.get('bn.running_mean'), vae.get('bn.running_var')];
      if (mean?.shape[0] !== 128 || variance?.shape[0] !== 128) return usualRgb;
      return patchRgb(await readValues(mean), await readValues(variance));
    },
    shape: ({ denoiser, vae }) => ({ channels: Number(denoiser.in_channels ?? 128), scale: PATCH * vaeScaleOf(vae) }),
  },
  input: () => 'latents',
  async *condition(context) {
    const { request, guided } = context;
    const read = async function* (text: string) {
      return { embeddings: yield* readQwenPrompt(context, text, { thinking: false, filled: true }), extras: {} };
    };
    return { positive: yield* read(request.prompt), negative: guided ? yield* read('') : undefined };
  },
  guidanceRule: ({ index }) => (isDistilled(index) ? 'never' : 'above 1'),
  sigmas: ({ configs: { scheduler }, latentScale }, { width, height, steps }) => ({
    sigmas: 'even',
    mu: isDynamic(scheduler) ? flux2Mu((width * height) / latentScale ** 2, steps) : undefined,
  }),
  timestep: (timestep) => timestep / 1000,
  partialStep: 'run',
  inputs({ configs, shape, branch, references }): Row {
    const { axes_dims_rope: axes = AXES, rope_theta: base = 2000 } = configs.configs.denoiser as Flux2Config;
    const gridOf = ({ height, width }: typeof shape): Grid => ({ rows: height, columns: width });
    const grids = references.map((reference) => gridOf(reference.shape));
    const positions = flux2Positions(branch.embeddings.length, gridOf(shape), grids);
    const rotary = rotaryRow(positions, axes, base);
    if (references.length === 0) return rotary;
    const tokens = packTokens(
      references.map(({ latents }) => latents),
      shape.channels,
    );
    return { ...rotary, reference: floats(tokens, [1, tokens.length / shape.channels, shape.channels]) };
  },
  mostReferences: 10,
  mostReferencePixels: MOST_REFERENCE_PIXELS,
  prepareReference,
  mostTextTokens: QWEN_LENGTH,
  takes: {
    loras: true,
    controlNets: false,
    deepCache: false,
    firstBlockCache: true,
    embeddings: false,
    clipSkip: false,
  },
  loraAliases: (config) => {
    const width = Number(config.num_attention_heads ?? 24) * Number(config.attention_head_dim ?? 128);
    return (path) => flux2LoraAliases(path, width);
  },
  architectureOfLora: architectureOfFlux2Lora,
  statedAs: [[/flux[-_. ]?2/i, 'flux2klein']],
  file: {
    recognises: isFlux2Transformer,
    parts: [qwen3Part, autoencoderPart(32)],
    read: readFlux2File,
  },
};

/**
 * Names of diffusers tell it. FLUX.1 has the same original names, so there the proportions do: a feed-forward layer is three
 * times as wide as the transformer, and what a single block joins is four times as wide.
 */
function architectureOfFlux2Lora(layers: readonly LoraLayerShape[]): string | undefined {
  if (layers.some(({ name }) => /to_qkv_mlp_proj$|(ff|ff_context)[._]linear_(in|out)$/.test(name))) return 'flux2klein';
  const columnsOf = (pattern: RegExp) => layers.find(({ name }) => pattern.test(name))?.columns ?? Number.NaN;
  const isWide = (outer: RegExp, inner: RegExp, times: number) => columnsOf(outer) === times * columnsOf(inner);
  const isFlux2 =
    isWide(/single_blocks[._]\d+[._]linear2$/, /single_blocks[._]\d+[._]linear1$/, 4) ||
    isWide(/double_blocks[._]\d+[._](img|txt)_mlp[._]2$/, /double_blocks[._]\d+[._](img|txt)_mlp[._]0$/, 3);
  return isFlux2 ? 'flux2klein' : undefined;
}

function isDistilled(index: Config): boolean {
  return index.is_distilled === true;
}

/**
 * The shift of the sigmas, by the number of the picture's tokens and of steps: lines through what was found best at 10 and at
 * 200 steps, and the latter alone for large pictures. The numbers are those of the published code.
 */
export function flux2Mu(tokens: number, steps: number): number {
  const at10 = 8.73809524e-5 * tokens + 1.89833333;
  const at200 = 0.00016927 * tokens + 0.45666666;
  if (tokens > 4300) return at200;
  const slope = (at200 - at10) / 190;
  return slope * steps + at200 - 200 * slope;
}

/** @throws {RuntimeError} `invalidParameter` for a picture smaller than diffusers takes */
function prepareReference(picture: Pixels, { sizeMultiple }: ModelConfigs): Pixels {
  const { width, height } = picture;
  if (width < LEAST_REFERENCE || height < LEAST_REFERENCE) {
    const message = `A reference image must have at least ${LEAST_REFERENCE} pixels on each side; this one has ${width}×${height}.`;
    throw new RuntimeError('invalidParameter', message, { parameter: 'references' });
  }
  return croppedTo(picture, sizeMultiple);
}

/**
 * The published map is for the autoencoder's own latents; a patch is shown as the mean of its four. Its latents are those of the
 * graph times the square root of `variance`, plus `mean`.
 */
function patchRgb(mean: ArrayLike<number>, variance: ArrayLike<number>): LatentRgb {
  const bias = [...(flux2LatentRgb.bias ?? [0, 0, 0])];
  const factors = Array.from({ length: mean.length }, (_, channel) =>
    flux2LatentRgb.factors[Math.floor(channel / 4)]!.map((factor, color) => {
      bias[color]! += (factor * mean[channel]!) / 4;
      return (factor * Math.sqrt(variance[channel]! + 1e-4)) / 4;
    }),
  );
  return { factors, bias };
}

/**
 * One file with the transformer, the text encoder and the autoencoder. Nothing in the tensors tells the base model from the
 * distilled one, so its name has to: a file or title with "base" in it is guided.
 */
async function readFlux2File(file: ModelFile): Promise<FileParts> {
  const { path, tensors, metadata, corrections } = file;
  const denoiser = await inPart('transformer', () => {
    const found = flux2TransformerTensors(transformerIn(tensors));
    const of = (name: string) => found.get(name)?.shape ?? [];
    const [head = 128] = of('transformer_blocks.0.attn.norm_q.weight');
    const [inner = 0, channels] = of('x_embedder.weight');
    const config: Config = {
      _class_name: 'Flux2Transformer2DModel',
      in_channels: channels,
      num_attention_heads: inner / head,
      attention_head_dim: head,
      joint_attention_dim: of('context_embedder.weight')[1],
      axes_dims_rope: sharedAxes([1 / 4, 1 / 4, 1 / 4, 1 / 4], 'axes_dims_rope', head, corrections('denoiser')),
      ...corrections('denoiser').own,
    };
    return { tensors: found, config };
  });
  const encoder = below(tensors, qwen3Part.prefix);
  const vae = await autoencoderOf(file);
  return {
    className: 'Flux2KleinPipeline',
    index: { is_distilled: !/base/i.test(`${basename(path)} ${metadata['modelspec.title'] ?? ''}`) },
    scheduler: {
      _class_name: 'FlowMatchEulerDiscreteScheduler',
      num_train_timesteps: 1000,
      use_dynamic_shifting: true,
      time_shift_type: 'exponential',
    },
    parts: {
      denoiser,
      text_encoder: await inPart('text_encoder', () =>
        qwen3In(encoder, corrections('text_encoder'), {
          states: STATES.length,
          width: Number(denoiser.config.joint_attention_dim),
        }),
      ),
      ...(vae && { vae }),
    },
  };
}

/** How far apart pictures are on the first axis. */
const PICTURE_DISTANCE = 10;

/**
 * Positions of FLUX.2's joint sequence, four axes each (picture, row, column, word): the text, the picture, and the pictures
 * that it refers to.
 */
export function flux2Positions(
  length: number,
  picture: Grid,
  references: readonly Grid[],
): [number, number, number, number][] {
  const positions: [number, number, number, number][] = [];
  for (let at = 0; at < length; at++) positions.push([0, 0, 0, at]);
  for (const [index, { rows, columns }] of [picture, ...references].entries()) {
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) positions.push([index * PICTURE_DISTANCE, y, x, 0]);
    }
  }
  return positions;
}

/** Latents [channels, positions] of pictures as tokens one behind the other: [tokens, channels]. */
export function packTokens(pictures: readonly Float32Array[], channels: number): Float32Array {
  const tokens = new Float32Array(pictures.reduce((sum, { length }) => sum + length, 0));
  let row = 0;
  for (const latents of pictures) {
    const count = latents.length / channels;
    for (let at = 0; at < count; at++, row++) {
      for (let channel = 0; channel < channels; channel++) {
        tokens[row * channels + channel] = latents[channel * count + at]!;
      }
    }
  }
  return tokens;
}
