import { RuntimeError } from '../errors.ts';
import { inPart } from '../files/reading.ts';
import { type SD3TransformerConfig, writeSD3Transformer } from '../graphs/sd3Transformer.ts';
import { checkTransformerShapes } from '../graphs/transformerShapes.ts';
import type { Embeddings, Part } from '../run.ts';
import { floats } from '../tensors/tensor.ts';
import { dynamicShift } from './dynamicShift.ts';
import type {
  ConditioningContext,
  Config,
  EncoderName,
  Family,
  FileParts,
  InputContext,
  LoraLayerShape,
  ModelFile,
  NetworkKind,
  SeparatePart,
} from './family.ts';
import { autoencoderOf, below, type Encoder, encoderIn, transformerIn } from './inferConfigs.ts';
import { sd3LatentRgb } from './latentRgb.ts';
import { hardLatentMask } from './masks.ts';
import { checkSize, clipTextProjected, vaeDecoder, vaeEncoder, vaeScaleOf } from './networks.ts';
import { isSD3Transformer, sd3LoraAliases, sd3TransformerTensors } from './sd3Keys.ts';
import { clipGPart, clipLPart, sd3AutoencoderPart, t5PartOf } from './separateParts.ts';
import { readClipRow, readT5, refuseWeights, t5In, t5Text } from './t5Prompts.ts';

/** Tokens of T5 that are read where a task says nothing, and at most. */
const USUAL_TEXT = 256;
const LONGEST_TEXT = 512;

const transformer: NetworkKind = {
  classes: ['SD3Transformer2DModel'],
  input: 'timestep',
  write: (config, tensors, form) => writeSD3Transformer(config as SD3TransformerConfig, tensors, form),
  shallow: {
    write: (config, tensors, form) =>
      writeSD3Transformer(config as SD3TransformerConfig, tensors, { ...form, firstBlock: true }),
  },
  check(config, tensors) {
    checkTransformerShapes('sd3', tensors);
    const [, channels, patch] = tensors.get('pos_embed.proj.weight')?.shape ?? [];
    checkSize(config, 'in_channels', channels);
    checkSize({ patch_size: patchOf(config) }, 'patch_size', patch);
    checkSize(config, 'joint_attention_dim', tensors.get('context_embedder.weight')?.shape[1]);
    checkSize(config, 'pooled_projection_dim', tensors.get('time_text_embed.text_embedder.linear_1.weight')?.shape[1]);
    const positions = tensors.get('pos_embed.pos_embed')?.shape[1] ?? 0;
    checkSize(config, 'pos_embed_max_size', Math.sqrt(positions));
  },
};

/** Without T5, its part of the text is zeros. */
const t5Part = { ...t5PartOf('text_encoder_3'), optional: true };

/**
 * Stable Diffusion 3 and 3.5: the states of two CLIP encoders side by side, then those of T5, which a model may lack; the
 * projected texts of both CLIP encoders tell the text as a whole.
 */
export const sd3: Family = {
  name: 'sd3',
  title: 'Stable Diffusion 3',
  pipelines: ['StableDiffusion3Pipeline', 'StableDiffusion3Img2ImgPipeline', 'StableDiffusion3InpaintPipeline'],
  denoiserFolder: 'transformer',
  networks: {
    text_encoder: clipTextProjected,
    text_encoder_2: clipTextProjected,
    text_encoder_3: t5Text,
    denoiser: transformer,
    vae_encoder: vaeEncoder,
    vae_decoder: vaeDecoder,
  },
  encoders: (_facts, has) => [
    'text_encoder',
    'text_encoder_2',
    ...(has('text_encoder_3') ? (['text_encoder_3'] as const) : []),
  ],
  architectures: ['sd3'],
  architecture: () => 'sd3',
  defaults: () => ({ width: 1024, height: 1024, steps: 28, guidanceScale: 4.5, strength: 0.6 }),
  latents: {
    scalingFactor: 1.5305,
    shiftFactor: 0.0609,
    rgb: sd3LatentRgb,
    shape: ({ denoiser, vae }) => ({
      channels: Number(denoiser.in_channels ?? 16),
      scale: vaeScaleOf(vae),
      patch: patchOf(denoiser),
    }),
  },
  input: () => 'latents',
  async *condition(context) {
    refuseWeights(context);
    const { request, guided } = context;
    const { prompt, negativePrompt = '' } = request;
    return {
      positive: yield* readPrompt(context, prompt, request.prompt2 ?? prompt, request.clipSkip),
      negative: guided
        ? yield* readPrompt(context, negativePrompt, request.negativePrompt2 ?? negativePrompt)
        : undefined,
    };
  },
  guidanceRule: () => 'above 1',
  // The scheduler's own sigmas, whose last one is shifted twice; it is told timesteps from 0 to 1000.
  sigmas: (configs, request) => ({ mu: dynamicShift(configs, request) }),
  partialStep: 'run',
  inputs: refuseLarge,
  latentMask: hardLatentMask,
  mostTextTokens: LONGEST_TEXT,
  takes: {
    loras: true,
    controlNets: false,
    deepCache: false,
    firstBlockCache: true,
    embeddings: false,
    clipSkip: true,
  },
  loraAliases: ({ num_attention_heads: heads, attention_head_dim: head, num_layers: layers }) => {
    const width = Number(heads ?? 24) * Number(head ?? 64);
    return (path) => sd3LoraAliases(path, width, Number(layers ?? 24) - 1);
  },
  architectureOfLora,
  statedAs: [[/stable-diffusion-v?3|sd3/i, 'sd3']],
  file: {
    recognises: isSD3Transformer,
    read: readSD3File,
    parts: [clipLPart, clipGPart, t5Part, sd3AutoencoderPart],
    padToken: (_parts, tokenizer) => (tokenizer === 'tokenizer_2' ? '!' : '<|endoftext|>'),
  },
};

/**
 * @param text2 - what the second encoder reads
 * @param clipSkip - layers of CLIP that are skipped beside the last; in diffusers the negative prompt skips none
 */
async function* readPrompt(context: ConditioningContext, text: string, text2: string, clipSkip = 0) {
  const { configs, request } = context;
  const skip = clipSkip + 1;
  const [first, second] = [
    yield* readClip(context, 'text_encoder', text, skip),
    yield* readClip(context, 'text_encoder_2', text2, skip),
  ];
  const length = request.maxSequenceLength ?? USUAL_TEXT;
  const hasT5 = configs.components.includes('text_encoder_3');
  const t5 = hasT5 ? yield* readT5(context, 'text_encoder_3', text, length) : undefined;
  const width = t5?.width ?? Number(configs.configs.denoiser.joint_attention_dim ?? 4096);
  const rows = first.states.length;
  // Without T5 its rows are zeros.
  const data = new Float32Array((rows + length) * width);
  for (let row = 0; row < rows; row++) {
    let column = row * width;
    for (const { states } of [first, second]) {
      // What is wider than T5's rows is cut, as diffusers does.
      const taken = Math.min(states.width, (row + 1) * width - column);
      data.set(states.data.subarray(row * states.width, row * states.width + taken), column);
      column += taken;
    }
  }
  if (t5) data.set(t5.data, rows * width);
  const pooled = Float32Array.from([...first.pooled, ...second.pooled]);
  return {
    embeddings: { data, length: rows + length, width },
    extras: { pooled_projections: floats(pooled, [1, pooled.length]) },
  };
}

/** The state of a CLIP encoder before its last `skip` layers, without the final norm, and its projected text. */
async function* readClip(
  context: ConditioningContext,
  name: EncoderName,
  text: string,
  skip: number,
): Part<{ states: Embeddings; pooled: Float32Array }> {
  const outputsOf = (gives: (output: string) => boolean) => {
    let layers = -1;
    while (gives(`hidden_states.${layers + 1}`)) layers++;
    if (skip >= layers) {
      throw new RuntimeError('invalidParameter', `The text encoder has ${layers} layers; clipSkip is too high.`, {
        parameter: 'clipSkip',
      });
    }
    return [`hidden_states.${layers - skip}`, 'text_embeds'];
  };
  const { text_embeds: pooled, ...rest } = yield* readClipRow(context, name, text, outputsOf, `skip ${skip}`);
  const [state] = Object.values(rest);
  const [, length, width] = state!.dims as [number, number, number];
  return { states: { data: state!.data, length, width }, pooled: pooled!.data };
}

/** Adds nothing, but the table of positions ends somewhere. @throws RuntimeError `invalidParameter` */
function refuseLarge({ configs, shape }: InputContext) {
  const { latentScale, sizeMultiple } = configs;
  const most = (Number(configs.configs.denoiser.pos_embed_max_size ?? 192) * sizeMultiple) / latentScale;
  for (const parameter of ['width', 'height'] as const) {
    if (shape[parameter] <= most) continue;
    throw new RuntimeError('invalidParameter', `${parameter} may be at most ${most * latentScale} for this model.`, {
      parameter,
    });
  }
  return {};
}

/** Names of the original layout tell it; those of diffusers do by the widths of the published models. */
function architectureOfLora(layers: readonly LoraLayerShape[]): string | undefined {
  const isJoint = layers.some(({ name }) => /joint_blocks[._]\d+[._](x_block|context_block)[._]/.test(name));
  const isOfWidth = layers.some(
    ({ name, columns }) =>
      /(^|\.|lora_transformer_|lora_unet_)transformer_blocks[._]\d+[._]attn2?[._](to_[qkv]|add_[qkv]_proj)$/.test(
        name,
      ) &&
      (columns === 1536 || columns === 2432),
  );
  return isJoint || isOfWidth ? 'sd3' : undefined;
}

/**
 * One file with the transformer and, in it or beside it, both CLIP encoders, T5 and the autoencoder, as Stability's and ComfyUI's
 * files name them.
 *
 * @throws {ModelError} naming the part and the reason
 */
async function readSD3File(file: ModelFile): Promise<FileParts> {
  const { tensors, corrections } = file;
  const denoiser = await inPart('transformer', () => {
    const found = sd3TransformerTensors(transformerIn(tensors));
    return { tensors: found, config: { ...configOf(found), ...corrections('denoiser').own } };
  });
  const clip = ({ part, prefix }: SeparatePart, activation: Encoder['activation']) =>
    inPart(part, () => encoderIn({ tensors: below(tensors, prefix), activation }, corrections(part)));
  const t5 = below(tensors, t5Part.prefix);
  const vae = await autoencoderOf(file);
  return {
    className: 'StableDiffusion3Pipeline',
    index: {},
    scheduler: { _class_name: 'FlowMatchEulerDiscreteScheduler', num_train_timesteps: 1000, shift: 3 },
    parts: {
      denoiser,
      text_encoder: await clip(clipLPart, 'quick_gelu'),
      text_encoder_2: await clip(clipGPart, 'gelu'),
      ...(t5.size > 0 && {
        text_encoder_3: await inPart('text_encoder_3', () => t5In(t5, corrections('text_encoder_3'))),
      }),
      // A factor of its own, by which it is told from the autoencoder of Stable Diffusion 1, whose activations are smaller.
      ...(vae && { vae: { ...vae, config: { scaling_factor: 1.5305, shift_factor: 0.0609, ...vae.config } } }),
    },
  };
}

/** Positions of the latents on each side of a token. */
function patchOf(denoiser: Config): number {
  return Number(denoiser.patch_size ?? 2);
}

/** The config that the shapes of a transformer stand for. */
function configOf(tensors: ModelFile['tensors']): Config {
  const shape = (name: string) => tensors.get(`${name}.weight`)?.shape ?? [];
  const [width = 0, channels, patch] = shape('pos_embed.proj');
  const [head = 64] = shape('transformer_blocks.0.attn.norm_q');
  let layers = 0;
  while (tensors.has(`transformer_blocks.${layers}.attn.to_q.weight`)) layers++;
  return {
    _class_name: 'SD3Transformer2DModel',
    patch_size: patch,
    in_channels: channels,
    out_channels: channels,
    attention_head_dim: head,
    num_attention_heads: width / head,
    num_layers: layers,
    joint_attention_dim: shape('context_embedder')[1],
    pooled_projection_dim: shape('time_text_embed.text_embedder.linear_1')[1],
    pos_embed_max_size: Math.sqrt(tensors.get('pos_embed.pos_embed')?.shape[1] ?? 0),
  };
}
