import { basename } from 'node:path';
import { RuntimeError } from '../errors.ts';
import { ModelError } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { type ClipVisionConfig, writeClipVision } from '../graphs/clipVision.ts';
import { type AdapterInput, adapterNumbers, adapterShape, writeIpAdapter } from '../graphs/ipAdapter.ts';
import { visionRoot } from '../graphs/visionLayers.ts';
import type { ImageCombineMethod, Pixels } from '../messages.ts';
import type { Branch, Outputs, Part, Row } from '../run.ts';
import { resampled } from '../tensors/resample.ts';
import { type FloatTensor, floats } from '../tensors/tensor.ts';
import type { ImagePromptContext, ImagePromptKind, OpenImagePrompt } from './family.ts';
import { callOnce, normalizedPixels, pictureKey, remembering } from './imagePrompts.ts';
import { type StyleLayout, scaledTokens, type UNetPart, weightAt } from './imageWeights.ts';

/** CLIP's normalization of RGB, from the published `preprocessor_config.json`. */
const MEANS = [0.48145466, 0.4578275, 0.40821073];
const DEVIATIONS = [0.26862954, 0.26130258, 0.27577711];

/** What people call the encoders that published adapters were trained with, by what these read of them. */
const encoders: readonly { title: string; example: string; channels: Record<AdapterInput, number> }[] = [
  {
    title: 'the image encoder CLIP ViT-H',
    example: 'CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors',
    channels: { image_embeds: 1024, hidden_states: 1280 },
  },
  {
    title: 'the image encoder CLIP ViT-bigG',
    example: 'CLIP-ViT-bigG-14-laion2B-39B-b160k.safetensors',
    channels: { image_embeds: 1280, hidden_states: 1664 },
  },
  {
    title: 'the image encoder CLIP ViT-L',
    example: 'clip-vit-large-patch14.safetensors',
    channels: { image_embeds: 768, hidden_states: 1024 },
  },
];

/** OpenAI's ViT-L has another activation than the encoders of OpenCLIP. */
const QUICK_GELU_WIDTH = 1024;

/**
 * IP-Adapter for UNets (Ye et al. 2023, arXiv 2308.06721): every attention to the text also attends to tokens of pictures, with
 * keys and values of its own.
 *
 * These are inputs of the UNet's graph, made once for a run, and not weights in it: one graph serves all adapters, another adapter
 * loads only its own file, and its matrices are not multiplied again in each step. LoRAs are inputs for the same reasons, but
 * theirs must be matrices, because they act on what changes from step to step. All weights of a request are multiplied into
 * the keys and values, so changing them compiles nothing.
 */
export function ipAdapterFor(layout: StyleLayout): ImagePromptKind {
  return {
    title: 'IP-Adapter',
    file: {
      recognises: (tensors) => adapterNumbers(tensors).length > 0,
      textWidth: (tensors) => adapterShape(tensors)?.width,
      encoder: {
        named(embedder) {
          const { input = 'image_embeds', channels } = adapterShape(embedder) ?? {};
          const known = encoders.find((each) => each.channels[input] === channels);
          const title = `the CLIP image encoder whose ${input} have ${channels} channels`;
          return known ?? { title, example: 'model.safetensors of image_encoder/' };
        },
        recognises(tensors, embedder) {
          if (!tensors.has(`${visionRoot(tensors)}embeddings.class_embedding`)) return false;
          return (
            embedder === undefined || gives(tensors, adapterShape(embedder)?.input) === adapterShape(embedder)?.channels
          );
        },
        configOf(tensors) {
          const shapeOf = (name: string) => tensors.get(`${visionRoot(tensors)}embeddings.${name}.weight`)?.shape ?? [];
          const [hidden, , patch = 0] = shapeOf('patch_embedding');
          const [positions = 0] = shapeOf('position_embedding');
          return {
            image_size: Math.sqrt(positions - 1) * patch,
            hidden_act: hidden === QUICK_GELU_WIDTH ? 'quick_gelu' : 'gelu',
          };
        },
      },
    },
    writeEncoder: (config, tensors, form) => writeClipVision(config as ClipVisionConfig, tensors, form),
    writeEmbedder: (_config, tensors, form) => writeIpAdapter(tensors, form),
    check(encoder, embedder) {
      const { input, channels } = adapterShape(embedder) ?? {};
      const given = gives(encoder, input);
      if (given === channels) return;
      throw new ModelError(`The image_encoder gives ${input} of ${given} channels, but the adapter takes ${channels}.`);
    },
    adaptsDenoiser: true,
    async *addTo({ positive, negative }, prompts, context) {
      const { denoiser } = context;
      if (!denoiser) {
        const message =
          'This model was exported to ONNX without the inputs that IP-Adapters need. Use its safetensors folder.';
        throw new RuntimeError('unsupportedParameter', message, { parameter: 'imagePrompts' });
      }
      const images: Record<'positive' | 'negative', Row> = { positive: {}, negative: {} };
      for (const [slot, prompt] of prompts.entries()) {
        const attentions = attentionsFor(prompt, denoiser);
        const weights = weightsOf(prompt, layout, attentions);
        const shown = combined(yield* shownStates(prompt, context), prompt.request.combineMethod);
        const rowOf = (tokens: readonly Outputs[]) =>
          imageRow(slot, attentions, tokens, weights, prompt.request.embedScaling);
        images.positive = { ...images.positive, ...rowOf(yield* tokensOf(prompt, shown, context)) };
        if (!negative) continue;
        const [unshown] = yield* tokensOf(prompt, [yield* unshownStates(prompt, context)], context);
        // As many tokens as of the pictures, so that both branches share a call; repeating them changes no average.
        images.negative = { ...images.negative, ...rowOf(shown.map(() => unshown!)) };
      }
      const seeing = (branch: Branch, seen: Row): Branch => ({ ...branch, images: seen });
      return {
        positive: seeing(positive, images.positive),
        negative: negative && seeing(negative, images.negative),
      };
    },
  };
}

function gives(encoder: StoredTensors, input: AdapterInput | undefined): number | undefined {
  return input === 'image_embeds'
    ? encoder.get('visual_projection.weight')?.shape[0]
    : encoder.get(`${visionRoot(encoder)}post_layernorm.weight`)?.shape[0];
}

/**
 * A picture as CLIP is shown it: [1, 3, size, size]. Its shorter side becomes `size`, and the middle of the longer one is left.
 * Bicubic as Pillow does it, as all published encoders and adapters were trained with: on the reference pictures the bytes are
 * those that transformers gives. sharp's `cubic` is up to 2 of 255 off, and with its own rounding and cropping up to 37.
 */
export function croppedPixels(picture: Pixels, size: number): FloatTensor {
  const shorter = Math.min(picture.width, picture.height);
  const scaled = (length: number) => Math.floor((size * length) / shorter);
  const whole = { width: scaled(picture.width), height: scaled(picture.height) };
  const { data } = resampled(picture, whole);
  const [left, top] = [Math.floor((whole.width - size) / 2), Math.floor((whole.height - size) / 2)];
  const square = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    const from = ((top + y) * whole.width + left) * 3;
    square.set(data.subarray(from, from + size * 3), y * size * 3);
  }
  return normalizedPixels({ width: size, height: size, data: square }, MEANS, DEVIATIONS);
}

/** What an encoder gives of a picture, and a key of everything that it depends on. */
interface States {
  key: unknown;
  tensor: FloatTensor;
}

/** What an adapter reads; it was checked when the file was opened. */
function inputOf({ tensors }: OpenImagePrompt): AdapterInput {
  return adapterShape(tensors)!.input;
}

async function* shownStates(prompt: OpenImagePrompt, context: ImagePromptContext): Part<States[]> {
  const states: States[] = [];
  for (const picture of prompt.request.pictures) {
    const show = () => croppedPixels(picture, prompt.size);
    states.push(yield* statesOf(prompt, pictureKey(picture), show, context));
  }
  return states;
}

/** What the unconditional branch sees: an embedding of zeros, or the states of a picture whose normalized pixels are zeros. */
async function* unshownStates(prompt: OpenImagePrompt, context: ImagePromptContext): Part<States> {
  const { input, channels } = adapterShape(prompt.tensors)!;
  if (input === 'image_embeds') return { key: 'nothing', tensor: floats(new Float32Array(channels), [1, channels]) };
  const { size } = prompt;
  const nothing = () => floats(new Float32Array(3 * size * size), [1, 3, size, size]);
  return yield* statesOf(prompt, 'nothing', nothing, context);
}

async function* statesOf(
  prompt: OpenImagePrompt,
  picture: string,
  pixels: () => FloatTensor,
  { remembered }: ImagePromptContext,
): Part<States> {
  const input = inputOf(prompt);
  const key = [prompt.encoderKey, picture];
  const tensor = yield* remembering(remembered, [...key, input], async function* () {
    const graph = yield* prompt.encoder();
    const answer = yield* callOnce(graph, { pixel_values: pixels() }, [input]);
    return answer[input]!;
  });
  return { key, tensor };
}

/** Several pictures as one, or each by itself where their tokens are to lie one after the other. */
function combined(states: readonly States[], method: ImageCombineMethod = 'concat'): readonly States[] {
  if (states.length === 1 || method === 'concat') return states;
  const [first] = states as [States];
  const data = new Float32Array(first.tensor.data.length);
  for (let at = 0; at < data.length; at++) {
    data[at] = combinedValue(
      states.map(({ tensor }) => tensor.data[at]!),
      method,
    );
  }
  return [{ key: [method, ...states.map(({ key }) => key)], tensor: floats(data, first.tensor.dims) }];
}

function combinedValue(values: readonly number[], method: Exclude<ImageCombineMethod, 'concat'>): number {
  const sum = (some: readonly number[]) => some.reduce((total, value) => total + value, 0);
  const mean = (some: readonly number[]) => sum(some) / some.length;
  switch (method) {
    case 'add':
      return sum(values);
    case 'subtract':
      return values[0]! - mean(values.slice(1));
    case 'average':
      return mean(values);
    case 'norm_average': {
      const norm = Math.hypot(...values);
      return norm === 0 ? 0 : mean(values) / norm;
    }
  }
}

/** Keys and values of the tokens of each. */
async function* tokensOf(
  prompt: OpenImagePrompt,
  states: readonly States[],
  { remembered }: ImagePromptContext,
): Part<Outputs[]> {
  const tokens: Outputs[] = [];
  for (const { key, tensor } of states) {
    const made = remembering(remembered, [prompt.key, key], async function* () {
      const graph = yield* prompt.embedder();
      const outputs = adapterNumbers(prompt.tensors).flatMap((number) => [`keys.${number}`, `values.${number}`]);
      return yield* callOnce(graph, { [inputOf(prompt)]: tensor }, outputs);
    });
    tokens.push(yield* made);
  }
  return tokens;
}

/** A cross attention of a UNet. */
export interface CrossAttention {
  /** `down_blocks.0.attentions.0.transformer_blocks.0.attn2` */
  path: string;
  /** Of its matrices in an adapter. */
  number: number;
  channels: number;
  part: UNetPart;
  /** Which of the transformers it is in, in the order in which these run. */
  at: number;
}

/**
 * The cross attentions of a UNet in the order in which adapters number them: those of the way down, of the way up, and of the
 * middle at the end. Each has an odd number, since self attentions are counted as well.
 */
export function crossAttentionsOf(unet: StoredTensors): CrossAttention[] {
  const parts: readonly UNetPart[] = ['down', 'up', 'mid'];
  const found = [...unet].flatMap(([name, { shape }]) => {
    const place =
      /^((down|up|mid)_block(?:s\.(\d+))?\.attentions\.(\d+))\.transformer_blocks\.(\d+)\.attn2\.to_k\.weight$/;
    const [, transformer, part, ...numbers] = place.exec(name) ?? [];
    if (transformer === undefined) return [];
    const path = name.slice(0, -'.to_k.weight'.length);
    return [{ path, transformer, part: part as UNetPart, numbers: numbers.map(Number), channels: shape[0]! }];
  });
  type Found = (typeof found)[number];
  const inOrder = (order: readonly UNetPart[]) => (a: Found, b: Found) =>
    order.indexOf(a.part) - order.indexOf(b.part) ||
    a.numbers.map((number, i) => (number || 0) - (b.numbers[i] || 0)).find((difference) => difference !== 0) ||
    0;
  const running = new Set(found.toSorted(inOrder(['down', 'mid', 'up'])).map(({ transformer }) => transformer));
  return found.toSorted(inOrder(parts)).map(({ path, transformer, part, channels }, index) => ({
    path,
    number: 2 * index + 1,
    channels,
    part,
    at: [...running].indexOf(transformer),
  }));
}

/** @throws RuntimeError `invalidParameter` (`imagePrompts`) for an adapter of another architecture */
function attentionsFor({ request, tensors }: OpenImagePrompt, unet: StoredTensors): CrossAttention[] {
  const attentions = crossAttentionsOf(unet);
  const { width } = adapterShape(tensors)!;
  const numbers = adapterNumbers(tensors);
  const fits =
    numbers.length === attentions.length &&
    attentions.every(({ path, channels }, index) => {
      const [rows, columns] = tensors.get(`ip_adapter.${numbers[index]}.to_k_ip.weight`)!.shape;
      return rows === channels && columns === unet.get(`${path}.to_k.weight`)?.shape[1];
    });
  if (fits) return attentions.map((attention, index) => ({ ...attention, number: numbers[index]! }));
  const [first] = attentions;
  const wanted = first && unet.get(`${first.path}.to_k.weight`)?.shape[1];
  throw new RuntimeError(
    'invalidParameter',
    `${basename(request.model)} is an IP-Adapter for another architecture: it is for ${numbers.length} cross attentions and text states of ${width} channels, but this model has ${attentions.length} and ${wanted}.`,
    { parameter: 'imagePrompts' },
  );
}

/** The weight of a request at each cross attention. */
function weightsOf({ request }: OpenImagePrompt, layout: StyleLayout, attentions: readonly CrossAttention[]): number[] {
  const count = new Set(attentions.map(({ at }) => at)).size;
  return attentions.map(({ at, part }) => weightAt(request, layout, { at, count, part }));
}

/**
 * The UNet's inputs for one adapter, which is the i-th of its graph: the tokens of all pictures one after the other, since they
 * share one softmax.
 *
 * @param weights - for each attention
 */
export function imageRow(
  i: number,
  attentions: readonly CrossAttention[],
  tokens: readonly Outputs[],
  weights: readonly number[],
  scaling: OpenImagePrompt['request']['embedScaling'],
): Row {
  const row: Record<string, FloatTensor> = {};
  for (const [index, { path, number, channels }] of attentions.entries()) {
    for (const which of ['keys', 'values'] as const) {
      const parts = tokens.map((each) => each[`${which}.${number}`]!.data);
      const all = parts.length === 1 ? parts[0]! : joined(parts);
      const data = scaledTokens(which, all, channels, weights[index]!, scaling);
      row[`${path}.image_${which}.${i}`] = floats(data, [1, data.length / channels, channels]);
    }
  }
  return row;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
