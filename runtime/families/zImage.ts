import { basename } from 'node:path';
import { inPart } from '../files/reading.ts';
import { checkTransformerShapes } from '../graphs/transformerShapes.ts';
import {
  writeZImageTransformer,
  Z_IMAGE_MULTIPLE,
  Z_IMAGE_PATCH,
  type ZImageConfig,
} from '../graphs/zImageTransformer.ts';
import type { GenerateRequest } from '../messages.ts';
import type { Branch, Row } from '../run.ts';
import { dynamicShift } from './dynamicShift.ts';
import type { Conditioning, Config, Family, FileParts, ModelFile, NetworkKind } from './family.ts';
import type { Guidance } from './guidance.ts';
import { autoencoderOf, below, transformerIn } from './inferConfigs.ts';
import { fluxLatentRgb } from './latentRgb.ts';
import { checkSize, vaeDecoder, vaeEncoder, vaeScaleOf } from './networks.ts';
import { QWEN_LENGTH, qwen3In, qwen3Text, readQwenPrompt } from './qwenPrompts.ts';
import { checkAxes, rotaryRow, sharedAxes } from './rotary.ts';
import { autoencoderPart, qwen3Part } from './separateParts.ts';
import { isZImageTransformer, zImageLoraAliases, zImageTransformerTensors } from './zImageKeys.ts';

/** Channels of a head that tell the place in the sequence, the row and the column, in published models. */
const AXES = [32, 48, 48];

const transformer: NetworkKind = {
  classes: ['ZImageTransformer2DModel'],
  input: 'timestep',
  write: (config, tensors, form) => writeZImageTransformer(config as ZImageConfig, tensors, form),
  shallow: {
    write: (config, tensors, form) =>
      writeZImageTransformer(config as ZImageConfig, tensors, { ...form, firstBlock: true }),
  },
  check(config, tensors) {
    checkTransformerShapes('zImage', tensors);
    const head = tensors.get('layers.0.attention.norm_q.weight')?.shape[0];
    checkAxes((config as ZImageConfig).axes_dims ?? AXES, 'axes_dims', AXES.length, head);
    checkSize(config, 'dim', tensors.get('layers.0.attention.to_q.weight')?.shape[0]);
    checkSize(config, 'cap_feat_dim', tensors.get('cap_embedder.0.weight')?.shape[0]);
    checkSize(config, 'in_channels', (tensors.get('all_x_embedder.2-1.weight')?.shape[1] ?? 0) / Z_IMAGE_PATCH ** 2);
  },
};

/**
 * Z-Image and Z-Image-Turbo: one Qwen3 encoder, whose last layer is not used, and a transformer that reads caption and picture
 * as one sequence. The template leaves the model room to think.
 */
export const zImage: Family = {
  name: 'zimage',
  title: 'Z-Image',
  pipelines: ['ZImagePipeline', 'ZImageImg2ImgPipeline'],
  denoiserFolder: 'transformer',
  networks: { text_encoder: qwen3Text([-2]), denoiser: transformer, vae_encoder: vaeEncoder, vae_decoder: vaeDecoder },
  encoders: () => ['text_encoder'],
  architectures: ['zimage'],
  architecture: () => 'zimage',
  defaults: ({ configs }) => ({
    width: 1024,
    height: 1024,
    // The turbo model's schedule is shifted less than that of the model it was distilled from.
    ...(Number(configs.scheduler.shift ?? 3) > 3 ? { steps: 28, guidanceScale: 4 } : { steps: 8, guidanceScale: 0 }),
    strength: 0.6,
  }),
  latents: {
    scalingFactor: 0.3611,
    shiftFactor: 0.1159,
    rgb: fluxLatentRgb,
    shape: ({ vae }) => ({ channels: Number(vae.latent_channels ?? 16), scale: vaeScaleOf(vae), patch: Z_IMAGE_PATCH }),
  },
  input: () => 'latents',
  async *condition(context) {
    const { request, guided } = context;
    const read = async function* (text: string) {
      return { embeddings: yield* readQwenPrompt(context, text, { thinking: true, filled: false }), extras: {} };
    };
    return {
      positive: yield* read(request.prompt),
      negative: guided ? yield* read(request.negativePrompt ?? '') : undefined,
    };
  },
  // A scale of 1 is guidance too: see `combine`.
  guidanceRule: () => 'above 0',
  guidance: zImageGuidance,
  limitsGuidance: true,
  sigmas: (configs, request) => ({ sigmas: 'even', mu: dynamicShift(configs, request) }),
  timestep: timeOf,
  partialStep: 'run',
  inputs({ configs, shape, branch }): Row {
    const { axes_dims: axes = AXES, rope_theta: base = 256 } = configs.configs.denoiser as ZImageConfig;
    const [rows, columns] = [shape.height / Z_IMAGE_PATCH, shape.width / Z_IMAGE_PATCH];
    const positions = zImagePositions(rows, columns, branch.embeddings.length);
    return rotaryRow(positions, axes, base);
  },
  mostTextTokens: QWEN_LENGTH,
  takes: {
    loras: true,
    controlNets: false,
    deepCache: false,
    firstBlockCache: true,
    embeddings: false,
    clipSkip: false,
  },
  loraAliases: (config) => (path) => zImageLoraAliases(path, Number(config.dim ?? 3840)),
  architectureOfLora: (layers) =>
    layers.some(({ name }) => /(context_refiner|noise_refiner)[._]\d+[._]/.test(name)) ||
    layers.some(({ name }) =>
      /(^|\.|lora_unet_)layers[._]\d+[._](attention|feed_forward)[._](to_|qkv|out|w[123])/.test(name),
    )
      ? 'zimage'
      : undefined,
  statedAs: [[/z[-_ ]?image/i, 'zimage']],
  file: {
    recognises: isZImageTransformer,
    parts: [qwen3Part, autoencoderPart(16)],
    read: readZImageFile,
  },
};

/**
 * v = c + s · (c - u): a scale of 0 is the conditional branch alone, so 1 is not. The network was trained to predict what
 * leads from noise to the picture, and schedulers want the opposite.
 */
function zImageGuidance({ positive, negative }: Conditioning, request: GenerateRequest): Guidance {
  const { guidanceScale, guidanceNormalization: most = 0, guidanceTruncation: until } = request;
  const combine = ([conditional, unconditional]: readonly Float32Array[]): Float32Array => {
    const own = unconditional && most > 0 ? lengthOf(conditional!) : 0;
    for (let at = 0; at < conditional!.length; at++) {
      const c = conditional![at]!;
      conditional![at] = -(unconditional === undefined ? c : c + guidanceScale * (c - unconditional[at]!));
    }
    const length = own > 0 ? lengthOf(conditional!) : 0;
    if (length > own * most)
      for (let at = 0; at < conditional!.length; at++) conditional![at]! *= (own * most) / length;
    return conditional!;
  };
  const branches: Branch[] = negative ? [positive, negative] : [positive];
  return { branches, combine, ...(until !== undefined && { unguided: (timestep) => timeOf(timestep) > until }) };
}

function lengthOf(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/** The network's timestep input: 1 - sigma. */
function timeOf(timestep: number): number {
  return 1 - timestep / 1000;
}

/**
 * One file with the transformer, the text encoder and the autoencoder, as ComfyUI's all-in-one files name them. Nothing in the
 * tensors tells the base model from the turbo one, so its name has to: a file or title with "base" in it has the base's shift.
 */
async function readZImageFile(file: ModelFile): Promise<FileParts> {
  const { path, tensors, metadata, corrections } = file;
  const denoiser = await inPart('transformer', () => {
    const found = zImageTransformerTensors(transformerIn(tensors));
    const of = (name: string) => found.get(name)?.shape ?? [];
    const [head = 128] = of('layers.0.attention.norm_q.weight');
    const [dim = 0] = of('layers.0.attention.to_q.weight');
    const config: Config = {
      _class_name: 'ZImageTransformer2DModel',
      dim,
      n_heads: dim / head,
      in_channels: (of('all_x_embedder.2-1.weight')[1] ?? 0) / 4,
      cap_feat_dim: of('cap_embedder.0.weight')[0],
      // A quarter of a head tells the place in the sequence, the rest the row and the column.
      axes_dims: sharedAxes([1 / 4, 3 / 8, 3 / 8], 'axes_dims', head, corrections('denoiser')),
      ...corrections('denoiser').own,
    };
    return { tensors: found, config };
  });
  const encoder = below(tensors, qwen3Part.prefix);
  const vae = await autoencoderOf(file);
  const shift = /base/i.test(`${basename(path)} ${metadata['modelspec.title'] ?? ''}`) ? 6 : 3;
  return {
    className: 'ZImagePipeline',
    index: {},
    scheduler: { _class_name: 'FlowMatchEulerDiscreteScheduler', num_train_timesteps: 1000, shift },
    parts: {
      denoiser,
      text_encoder: await inPart('text_encoder', () =>
        qwen3In(encoder, corrections('text_encoder'), { states: 1, width: Number(denoiser.config.cap_feat_dim) }),
      ),
      ...(vae && { vae }),
    },
  };
}

/**
 * Positions of Z-Image's joint sequence, three axes each: the patches and their filling, then the caption and its filling.
 *
 * @param rows - of patches, half the height of the latents
 * @param columns - of patches
 * @param length - real tokens of the caption
 */
export function zImagePositions(rows: number, columns: number, length: number): [number, number, number][] {
  const filled = (count: number) => Math.ceil(count / Z_IMAGE_MULTIPLE) * Z_IMAGE_MULTIPLE;
  const caption = filled(length);
  const positions: [number, number, number][] = [];
  // The picture comes after the caption on the first axis, though before it in the sequence.
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) positions.push([1 + caption, y, x]);
  while (positions.length < filled(rows * columns)) positions.push([0, 0, 0]);
  for (let at = 0; at < caption; at++) positions.push([1 + at, 0, 0]);
  return positions;
}
