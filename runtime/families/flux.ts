import { basename } from 'node:path';
import { inPart, ModelError } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { writeFluxControlNet } from '../graphs/fluxControlNet.ts';
import { writeFluxTransformer } from '../graphs/fluxTransformer.ts';
import { checkTransformerShapes } from '../graphs/transformerShapes.ts';
import type { LatentShape, Row } from '../run.ts';
import { floats, int64s } from '../tensors/tensor.ts';
import { dynamicShift } from './dynamicShift.ts';
import type {
  Config,
  Corrections,
  Defaults,
  DenoiserInput,
  Facts,
  Family,
  FileParts,
  InputContext,
  LoraLayerShape,
  ModelConfigs,
  ModelFile,
  NetworkKind,
} from './family.ts';
import { fluxLoraAliases, fluxTransformerTensors, isFluxTransformer } from './fluxKeys.ts';
import { fluxRedux } from './fluxRedux.ts';
import { classifierFree, unguided } from './guidance.ts';
import { autoencoderOf, below, encoderIn, transformerIn } from './inferConfigs.ts';
import { fluxLatentRgb } from './latentRgb.ts';
import { hardLatentMask, pixelMask } from './masks.ts';
import { checkSize, clipText, vaeDecoder, vaeEncoder, vaeScaleOf } from './networks.ts';
import { croppedTo } from './referencePictures.ts';
import { checkAxes, type Grid, rotaryRow, sharedAxes } from './rotary.ts';
import { autoencoderPart, clipLPart, t5PartOf } from './separateParts.ts';
import { readClipRow, readT5, refuseWeights, t5In, t5Text } from './t5Prompts.ts';

const transformer: NetworkKind = {
  classes: ['FluxTransformer2DModel'],
  input: 'timestep',
  write: (_config, tensors, form) => writeFluxTransformer(tensors, form),
  shallow: {
    write: (_config, tensors, form) => writeFluxTransformer(tensors, { ...form, firstBlock: true }),
  },
  check(config, tensors) {
    checkTransformerShapes('flux', tensors);
    const columns = (name: string) => tensors.get(`${name}.weight`)?.shape[1];
    checkSize(config, 'in_channels', columns('x_embedder'));
    checkSize({ out_channels: latentFeatures(config) }, 'out_channels', tensors.get('proj_out.weight')?.shape[0]);
    checkSize(config, 'joint_attention_dim', columns('context_embedder'));
    checkSize(config, 'pooled_projection_dim', columns('time_text_embed.text_embedder.linear_1'));
    checkAxes(
      axesOf(config),
      'axes_dims_rope',
      AXES.length,
      tensors.get('transformer_blocks.0.attn.norm_q.weight')?.shape[0],
    );
    const embeds = tensors.has('time_text_embed.guidance_embedder.linear_1.weight');
    if (takesGuidance(config) === embeds) return;
    const found = embeds ? 'one' : 'none';
    throw new ModelError(
      `its config says guidance_embeds: ${config.guidance_embeds}, but the weights have ${found} for guidance.`,
    );
  },
};

const controlNet: NetworkKind = {
  classes: ['FluxControlNetModel'],
  input: 'controlnet_cond',
  write: (_config, tensors, form) => writeFluxControlNet(tensors, form),
  check(config, tensors) {
    if ([...tensors.keys()].some((name) => name.startsWith('input_hint_block.'))) {
      throw new ModelError(
        "it is in XLabs' form, which looks at the guide image through layers of its own (input_hint_block); supported are those that take it as latents.",
      );
    }
    checkTransformerShapes('fluxControlNet', tensors);
    checkAxes(
      axesOf(config),
      'axes_dims_rope',
      AXES.length,
      tensors.get('transformer_blocks.0.attn.norm_q.weight')?.shape[0],
    );
    checkSize(config, 'num_mode', tensors.get('controlnet_mode_embedder.weight')?.shape[0]);
    checkSize(config, 'in_channels', tensors.get('x_embedder.weight')?.shape[1]);
  },
};

const t5Part = t5PartOf('text_encoder_2');

/** Positions of the latents on each side of a token. */
const PATCH = 2;
/** Channels of the latents of published models. */
const CHANNELS = 16;
/** Most tokens of a prompt that the model was trained with, and those of the distilled model that takes no guidance. */
const LONGEST_TEXT = 512;
const SCHNELL_TEXT = 256;
const THETA = 10000;
/** Channels of a head that tell the picture, the row and the column, in published models. */
const AXES = [16, 56, 56];

/**
 * FLUX.1: dev and what was made from it (Fill, Control, Kontext), and schnell, which is told no guidance. T5's states of the text
 * (`text_encoder_2`) go through the transformer beside the picture; CLIP's pooled state is added to the embedding of the time.
 */
export const flux: Family = {
  name: 'flux',
  title: 'FLUX.1',
  pipelines: [
    'FluxPipeline',
    'FluxImg2ImgPipeline',
    'FluxInpaintPipeline',
    'FluxFillPipeline',
    'FluxControlPipeline',
    'FluxControlImg2ImgPipeline',
    'FluxControlInpaintPipeline',
    'FluxKontextPipeline',
    'FluxKontextInpaintPipeline',
  ],
  denoiserFolder: 'transformer',
  networks: {
    text_encoder: {
      ...clipText,
      write: (config, tensors, form) => clipText.write(config, withoutProjection(tensors), form),
    },
    text_encoder_2: t5Text,
    denoiser: transformer,
    vae_encoder: vaeEncoder,
    vae_decoder: vaeDecoder,
    controlNet,
  },
  encoders: () => ['text_encoder', 'text_encoder_2'],
  architectures: ['flux1'],
  architecture: () => 'flux1',
  defaults,
  latents: {
    scalingFactor: 0.3611,
    shiftFactor: 0.1159,
    rgb: fluxLatentRgb,
    shape: ({ denoiser, vae }) => ({
      channels: latentFeatures(denoiser) / PATCH ** 2,
      scale: vaeScaleOf(vae),
      patch: PATCH,
    }),
  },
  input: inputOf,
  async *condition(context) {
    const { configs, request, guided } = context;
    refuseWeights(context);
    const { prompt, negativePrompt = '' } = request;
    const length = request.maxSequenceLength ?? (takesGuidance(configs.configs.denoiser) ? LONGEST_TEXT : SCHNELL_TEXT);
    const read = async function* (text: string, text2: string) {
      const pooledOf = (gives: (output: string) => boolean) => [gives('text_embeds') ? 'text_embeds' : 'pooler_output'];
      const [pooled] = Object.values(yield* readClipRow(context, 'text_encoder', text, pooledOf));
      const embeddings = yield* readT5(context, 'text_encoder_2', text2, length);
      return { embeddings, extras: { pooled_projections: floats(pooled!.data, [1, pooled!.data.length]) } };
    };
    return {
      positive: yield* read(prompt, request.prompt2 ?? prompt),
      negative: guided ? yield* read(negativePrompt, request.negativePrompt2 ?? negativePrompt) : undefined,
    };
  },
  guidanceRule: () => 'true scale',
  guidance: ({ positive, negative }, { trueGuidanceScale = 1 }) =>
    negative ? classifierFree(positive, negative, trueGuidanceScale) : unguided(positive),
  sigmas: (configs, request) => ({ sigmas: 'even', mu: dynamicShift(configs, request) }),
  timestep: (timestep) => timestep / 1000,
  partialStep: 'run',
  inputs: (context) => inputsOf(context, context.branch.embeddings.length, context.configs.configs.denoiser),
  imagePrompts: fluxRedux,
  controls: {
    inLatents: true,
    inputs(context, mode, config) {
      const { length } = context.branch.embeddings;
      // It may embed the scale where the denoiser does not.
      const guidance = floats(Float32Array.of(context.request.guidanceScale), [1]);
      if (mode === undefined) return { ...inputsOf(context, length, config), guidance };
      // The mode of a union is a token in front of the text.
      return { ...inputsOf(context, length + 1, config), guidance, control_mode: int64s([mode], [1]) };
    },
  },
  hiddenChannels(masked, mask, width, shape) {
    const pixels = pixelMask(mask, width, shape);
    const channels = new Float32Array(masked.length + pixels.length);
    channels.set(masked);
    channels.set(pixels, masked.length);
    return channels;
  },
  latentMask: hardLatentMask,
  drawsHiddenPicture: true,
  showsSample: true,
  mostReferences: 1,
  mostReferencePixels: 1024 ** 2,
  mostTextTokens: LONGEST_TEXT,
  prepareReference: (picture, { sizeMultiple }) => croppedTo(picture, sizeMultiple),
  // Its masks are of whole positions of the latents: pixels laid back along the edge of the mask would show a seam.
  keepsPixels: false,
  takes: {
    loras: true,
    controlNets: true,
    deepCache: false,
    firstBlockCache: true,
    embeddings: false,
    clipSkip: false,
  },
  loraAliases: ({ num_attention_heads: heads, attention_head_dim: head }) => {
    const width = Number(heads ?? 24) * Number(head ?? 128);
    return (path) => fluxLoraAliases(path, width);
  },
  architectureOfLora,
  statedAs: [[/flux[-_. ]?1/i, 'flux1']],
  file: {
    recognises: isFluxTransformer,
    read: readFluxFile,
    parts: [clipLPart, t5Part, autoencoderPart(CHANNELS)],
    padToken: () => '<|endoftext|>',
  },
};

/**
 * @param length - tokens before those of the picture
 * @param config - of the network that is asked
 */
function inputsOf({ request, shape, references }: InputContext, length: number, config: Config): Row {
  const grids = [shape, ...references.map((each) => each.shape)].map(gridOf);
  const [reference] = references;
  return {
    ...rotaryRow(fluxPositions(length, grids), axesOf(config), THETA),
    ...(takesGuidance(config) && { guidance: floats(Float32Array.of(request.guidanceScale), [1]) }),
    ...(reference && { reference: referenceTokens(reference) }),
  };
}

/** What a single file fits. */
const pipelines: Record<DenoiserInput, string> = {
  latents: 'FluxPipeline',
  inpaint: 'FluxFillPipeline',
  edit: 'FluxControlPipeline',
};

function axesOf(config: Config): readonly number[] {
  return (config.axes_dims_rope as number[] | undefined) ?? AXES;
}

function takesGuidance(denoiser: Config): boolean {
  return denoiser.guidance_embeds === true;
}

/** Features of a token of latents, which is what a transformer gives, whatever else it is shown. */
function latentFeatures({ in_channels: taken, out_channels: given }: Config): number {
  return Number(given ?? taken ?? CHANNELS * PATCH ** 2);
}

/** Told by the features of a token: latents; with the masked picture's and a mask of its pixels; or with another picture's. */
function inputOf({
  configs: { denoiser, vae },
}: {
  configs: Pick<Facts['configs'], 'denoiser' | 'vae'>;
}): DenoiserInput {
  const latents = latentFeatures(denoiser);
  const { in_channels: features = latents } = denoiser;
  const [control, fill] = [2 * latents, 2 * latents + (PATCH * vaeScaleOf(vae)) ** 2];
  if (features === latents) return 'latents';
  if (features === control) return 'edit';
  if (features === fill) return 'inpaint';
  throw new ModelError(
    `The transformer takes tokens of ${features} features; supported are ${latents}, ${control} (Control) and ${fill} (Fill).`,
  );
}

function defaults({ className, configs, input }: ModelConfigs): Defaults {
  const { denoiser } = configs;
  const size = { width: 1024, height: 1024 };
  if (input === 'inpaint') return { ...size, steps: 28, guidanceScale: 30, strength: 1 };
  if (input === 'edit') return { ...size, steps: 28, guidanceScale: 10, strength: 1 };
  // Less strength changes a picture little: the shift keeps most of the schedule near pure noise.
  const common = { ...size, strength: 0.85 };
  if (!takesGuidance(denoiser)) return { ...common, steps: 4, guidanceScale: 0 };
  return { ...common, steps: 28, guidanceScale: className.includes('Kontext') ? 2.5 : 3.5 };
}

function gridOf({ width, height }: LatentShape): Grid {
  return { rows: height / PATCH, columns: width / PATCH };
}

function referenceTokens({ latents, shape }: { latents: Float32Array; shape: LatentShape }) {
  const { rows, columns } = gridOf(shape);
  const tokens = packPatches(latents, shape.channels, { rows, columns });
  return floats(tokens, [1, rows * columns, tokens.length / (rows * columns)]);
}

/**
 * Told from FLUX.2, whose LoRAs have the same names in the original layout, by the feed-forward layers, which there are three
 * times as wide as the transformer.
 */
function architectureOfLora(layers: readonly LoraLayerShape[]): string | undefined {
  const widest = new Map<string, number>();
  for (const { name, columns } of layers) {
    if (
      /single_transformer_blocks[._]\d+[._]proj_mlp$|_blocks[._]\d+[._]ff(_context)?[._]net[._]0[._]proj$/.test(name)
    ) {
      return 'flux1';
    }
    const [, module] = /(?:double|single)_blocks[._]\d+[._](.+)$/.exec(name) ?? [];
    if (module !== undefined) widest.set(module.replaceAll('_', '.'), columns);
  }
  if (widest.has('img.mod.lin') || widest.has('modulation.lin')) return 'flux1';
  const ratio = (wide: string, narrow: string) => (widest.get(wide) ?? 0) / (widest.get(narrow) ?? 1);
  if (ratio('linear2', 'linear1') === 5) return 'flux1';
  if (ratio('img.mlp.2', 'img.mlp.0') === 4 || ratio('txt.mlp.2', 'txt.mlp.0') === 4) return 'flux1';
  return undefined;
}

/**
 * One file with transformer, both text encoders and autoencoder, as ComfyUI's checkpoints name them. Without a config the
 * schedule is that of dev or, where no guidance is embedded, of schnell.
 */
async function readFluxFile(file: ModelFile): Promise<FileParts> {
  const { path, tensors, corrections } = file;
  const denoiser = await inPart('transformer', () => {
    const found = fluxTransformerTensors(transformerIn(tensors));
    const own = corrections('denoiser');
    const config = { ...configOf(found, own), ...own.own };
    return { tensors: found, config };
  });
  const vae = await autoencoderOf(file);
  const isDistilled = !takesGuidance(denoiser.config);
  const input = inputOf({ configs: { denoiser: denoiser.config, vae: vae?.config ?? {} } });
  // Kontext has dev's structure; only its name tells it.
  const isKontext = input === 'latents' && /kontext/i.test(basename(path));
  return {
    className: isKontext ? 'FluxKontextPipeline' : pipelines[input],
    index: {},
    scheduler: {
      _class_name: 'FlowMatchEulerDiscreteScheduler',
      num_train_timesteps: 1000,
      ...(isDistilled ? { shift: 1, use_dynamic_shifting: false } : { shift: 3, use_dynamic_shifting: true }),
    },
    parts: {
      denoiser,
      text_encoder: await inPart('text_encoder', () =>
        encoderIn(
          { tensors: withoutProjection(below(tensors, clipLPart.prefix)), activation: 'quick_gelu' },
          corrections('text_encoder'),
        ),
      ),
      text_encoder_2: await inPart('text_encoder_2', () =>
        t5In(below(tensors, t5Part.prefix), corrections('text_encoder_2')),
      ),
      // A factor of its own, by which it is told from the autoencoder of Stable Diffusion 1, whose activations are smaller.
      ...(vae && { vae: { ...vae, config: { scaling_factor: 0.3611, shift_factor: 0.1159, ...vae.config } } }),
    },
  };
}

/** CLIP's pooled state goes to the transformer as it is. */
function withoutProjection(tensors: StoredTensors): StoredTensors {
  return new Map([...tensors].filter(([name]) => name !== 'text_projection.weight'));
}

/** The config that the shapes of a transformer stand for. */
function configOf(tensors: StoredTensors, corrections: Corrections): Config {
  const shape = (name: string) => tensors.get(`${name}.weight`)?.shape ?? [];
  const [width = 0, features] = shape('x_embedder');
  const [head = 128] = shape('transformer_blocks.0.attn.norm_q');
  return {
    _class_name: 'FluxTransformer2DModel',
    in_channels: features,
    out_channels: shape('proj_out')[0],
    attention_head_dim: head,
    num_attention_heads: width / head,
    joint_attention_dim: shape('context_embedder')[1],
    pooled_projection_dim: shape('time_text_embed.text_embedder.linear_1')[1],
    guidance_embeds: tensors.has('time_text_embed.guidance_embedder.linear_1.weight'),
    // An eighth of a head tells the picture, the rest the row and the column.
    axes_dims_rope: sharedAxes([1 / 8, 7 / 16, 7 / 16], 'axes_dims_rope', head, corrections),
  };
}

/** Axes of FLUX.1's positions: picture, row, column. */
export type FluxPosition = readonly [picture: number, row: number, column: number];

/** Positions of FLUX.1's joint sequence: the text, the picture, and the picture that it refers to. */
export function fluxPositions(length: number, pictures: readonly Grid[]): FluxPosition[] {
  const positions: FluxPosition[] = Array.from({ length }, () => [0, 0, 0] as const);
  for (const [index, { rows, columns }] of pictures.entries()) {
    for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) positions.push([index, y, x]);
  }
  return positions;
}

/** Latents [channels, height, width] as tokens of 2 × 2 patches: [rows · columns, (channel, dy, dx)]. */
export function packPatches(latents: Float32Array, channels: number, { rows, columns }: Grid): Float32Array {
  const tokens = new Float32Array(latents.length);
  const width = 2 * columns;
  let at = 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const corner = (channel * 2 * rows + 2 * y) * width + 2 * x;
        tokens[at++] = latents[corner]!;
        tokens[at++] = latents[corner + 1]!;
        tokens[at++] = latents[corner + width]!;
        tokens[at++] = latents[corner + width + 1]!;
      }
    }
  }
  return tokens;
}
