import { type FileHandle, open, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fromFloat16 } from '../onnx/float16.ts';
import type { FloatTensor, ValueInfo } from '../onnx/graph.ts';
import { type LoraComponent, type LoraTarget, loraNames, otherKindOf, parseLoraKey, unwrapped } from './loraKeys.ts';
import type { UNetStructure } from './originalLayout.ts';
import { readSafetensorsHeader, type StoredTensor, type StoredTensors } from './safetensors.ts';

/** One adapted module: W' = W + weight · scale · up · down. */
export interface LoraLayer {
  /** As stored: [rank, in] or [rank, in, height, width]. */
  down: Float32Array;
  /** As stored: [out, rank] or [out, rank, 1, 1]. */
  up: Float32Array;
  rank: number;
  downShape: readonly number[];
  upShape: readonly number[];
  /** alpha / rank; 1 where the file gives no alpha. */
  scale: number;
}

export type LoraLayers = ReadonlyMap<string, LoraLayer>;

export interface Lora {
  /** Absolute path of the file. */
  path: string;
  /** By module path. */
  layers: Record<LoraComponent, LoraLayers>;
}

/** Module paths of a network, with the shapes of their weights where those are to be checked. */
export type LoraModules = Iterable<string | readonly [path: string, shape: readonly number[]]>;

/** The LoRA cannot be used, or not with this model; the message is a sentence. */
export class LoraError extends Error {
  override readonly name = 'LoraError';
}

/** The modules of a network, for `readLora`: tensor names that end in `.weight`, without it, and their shapes. */
export function* modulesOf(tensors: StoredTensors): Generator<[path: string, shape: readonly number[]]> {
  for (const [name, { shape }] of tensors) {
    if (name.endsWith('.weight')) yield [name.slice(0, -'.weight'.length), shape];
  }
}

/**
 * Reads the layers of a LoRA that are meant for a model. Names are those of kohya's trainer (with diffusers' or the original
 * names of modules), of PEFT and of diffusers, old and new; values F32, F16, BF16 or F64.
 *
 * Layers that the model does not have are left out, as long as it has any: text encoders are often trained along and not
 * used, or the other way round.
 *
 * @throws {LoraError} naming the file, and the layer where one does not fit
 * @throws {SafetensorsError} if the file is not a safetensors file
 */
export async function readLora(
  file: string,
  modules: Record<LoraComponent, LoraModules>,
  unetConfig: UNetStructure,
): Promise<Lora> {
  const { tensors, metadata } = await readSafetensorsHeader(file);
  const name = basename(file);
  const stored = collect(tensors, name);
  const shapes = shapesOf(modules);
  const names = loraNames(
    {
      unet: shapes.unet.keys(),
      text_encoder: shapes.text_encoder.keys(),
      text_encoder_2: shapes.text_encoder_2.keys(),
    },
    unetConfig,
  );
  const scaleOf = await adapterConfig(file, metadata, stored);

  const layers = { unet: new Map(), text_encoder: new Map(), text_encoder_2: new Map() } satisfies Lora['layers'];
  const handle = await open(file, 'r');
  try {
    for (const [layer, parts] of stored) {
      const target = names.get(unwrapped(layer));
      if (!target) continue;
      const { component, path } = target;
      const { down, up } = checkParts(layer, parts, shapes[component].get(path), name);
      const rank = down.shape[0]!;
      const alpha = parts.alpha && (await readFloats(handle, parts.alpha, `${layer}.alpha`, name))[0];
      const scale = alpha === undefined ? scaleOf(target, rank) : alpha / rank;
      if (!Number.isFinite(scale)) throw new LoraError(`${name} cannot be used: the alpha of "${layer}" is no number.`);
      const read: LoraLayer = {
        down: await readFloats(handle, down, layer, name),
        up: await readFloats(handle, up, layer, name),
        rank,
        downShape: down.shape,
        upShape: up.shape,
        scale,
      };
      (layers[component] as Map<string, LoraLayer>).set(path, read);
    }
  } finally {
    await handle.close();
  }
  if (Object.values(layers).every(({ size }) => size === 0)) {
    const [example] = stored.keys();
    throw new LoraError(
      `${name} is for another model: none of its ${stored.size} layers (such as "${example}") is one of this model's.`,
    );
  }
  return { path: file, layers };
}

interface StoredParts {
  down?: StoredTensor;
  up?: StoredTensor;
  alpha?: StoredTensor;
}

/** The layers of a file under its own names for them. */
function collect(tensors: StoredTensors, name: string): Map<string, StoredParts> {
  const layers = new Map<string, StoredParts>();
  for (const [key, tensor] of tensors) {
    const kind = otherKindOf(key);
    if (kind !== undefined) {
      throw new LoraError(`${name} cannot be used: it is ${kind}; supported are LoRAs of two matrices for each layer.`);
    }
    const parsed = parseLoraKey(key);
    if (!parsed) continue;
    const parts = layers.get(parsed.layer) ?? {};
    parts[parsed.part] = tensor;
    layers.set(parsed.layer, parts);
  }
  if (![...layers.values()].some(({ down, up }) => down || up)) {
    throw new LoraError(`${name} holds no LoRA: no tensor has a name like "….lora_down.weight" or "….lora_A.weight".`);
  }
  return layers;
}

function shapesOf(
  modules: Record<LoraComponent, LoraModules>,
): Record<LoraComponent, Map<string, readonly number[] | undefined>> {
  const mapped = (list: LoraModules) =>
    new Map([...list].map((item) => (typeof item === 'string' ? ([item, undefined] as const) : item)));
  return {
    unet: mapped(modules.unet),
    text_encoder: mapped(modules.text_encoder),
    text_encoder_2: mapped(modules.text_encoder_2),
  };
}

/** Both matrices of a layer, of one rank and of the size of the module's weight, as far as that is known. */
function checkParts(
  layer: string,
  { down, up }: StoredParts,
  weight: readonly number[] | undefined,
  name: string,
): { down: StoredTensor; up: StoredTensor } {
  if (!down || !up) throw new LoraError(`${name} cannot be used: "${layer}" has only one of its two matrices.`);
  const [rank, inner, ...kernel] = down.shape as [number, number, ...number[]];
  const [out, upRank, ...upKernel] = up.shape as [number, number, ...number[]];
  const sizes = `its matrices have the shapes [${down.shape}] and [${up.shape}]`.replaceAll(',', ', ');
  const matrices = [down, up].every(({ shape }) => shape.length === 2 || shape.length === 4);
  if (!matrices || rank < 1 || rank !== upRank || upKernel.some((size) => size !== 1)) {
    throw new LoraError(`${name} cannot be used: "${layer}" is not of low rank, as ${sizes}.`);
  }
  if (!weight) return { down, up };
  const [weightOut, weightInner, ...weightKernel] = weight;
  // A linear layer and a 1×1 convolution have one shape here: the same numbers in the same order.
  const window = (sizes: readonly number[]) => sizes.join() || '1,1';
  if (out !== weightOut || inner !== weightInner || window(kernel) !== window(weightKernel)) {
    throw new LoraError(
      `${name} is for another model: at "${layer}" ${sizes}, and this model's weight is [${weight.join(', ')}].`,
    );
  }
  return { down, up };
}

async function readFloats(
  handle: FileHandle,
  { dtype, offset, length }: StoredTensor,
  layer: string,
  name: string,
): Promise<Float32Array> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw new LoraError(`${name} became shorter while it was read.`);
    filled += bytesRead;
  }
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes.buffer);
    case 'F64':
      return Float32Array.from(new Float64Array(bytes.buffer));
    // Some trainers keep alpha as a whole number.
    case 'I32':
      return Float32Array.from(new Int32Array(bytes.buffer));
    case 'I64':
      return Float32Array.from(new BigInt64Array(bytes.buffer), Number);
    case 'F16':
      return fromFloat16(new Uint16Array(bytes.buffer));
    case 'BF16':
      // The upper half of a float32.
      return new Float32Array(Uint32Array.from(new Uint16Array(bytes.buffer), (bits) => bits << 16).buffer);
    default:
      throw new LoraError(
        `${name} cannot be used: "${layer}" is stored as ${dtype}; supported are F32, F16, BF16 and F64.`,
      );
  }
}

/**
 * The factor of layers without an alpha of their own. PEFT keeps it apart from the weights: diffusers writes its settings
 * into the file's metadata, under the name of the component, and PEFT itself into `adapter_config.json` beside the file.
 */
async function adapterConfig(
  file: string,
  metadata: Readonly<Record<string, string>>,
  stored: ReadonlyMap<string, StoredParts>,
): Promise<(target: LoraTarget, rank: number) => number> {
  const inside = metadata.lora_adapter_metadata;
  const isPeft = [...stored.keys()].some((layer) => layer !== unwrapped(layer));
  const text =
    inside ?? (isPeft ? await readFile(join(dirname(file), 'adapter_config.json'), 'utf8').catch(() => '') : '');
  const settings = parseObject(text);
  return ({ component, path }, rank) => {
    const setting = (key: string) => (inside === undefined ? settings[key] : settings[`${component}.${key}`]);
    const pattern = setting('alpha_pattern');
    const own = isObject(pattern) ? ownSetting(pattern, path) : undefined;
    const alpha = own ?? setting('lora_alpha');
    if (typeof alpha !== 'number') return 1;
    // Rank-stabilized LoRA (Kalajdzievski 2023) divides by the root of the rank.
    return alpha / (setting('use_rslora') === true ? Math.sqrt(rank) : rank);
  };
}

/** PEFT's patterns name a module by its path or the end of it. */
function ownSetting(pattern: Record<string, unknown>, path: string): unknown {
  return Object.entries(pattern).find(([end]) => path === end || path.endsWith(`.${end}`))?.[1];
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Which form of graph a set of layers needs: `linear` where all of them are linear layers of transformers. */
export function adaptersNeeded(layers: LoraLayers): 'linear' | 'all' {
  for (const path of layers.keys()) {
    if (!/\.attentions\.|(^|\.)encoder\.layers\.|^text_projection$/.test(path)) return 'all';
  }
  return 'linear';
}

/** A LoRA at work in one network. `path` is only for complaints. */
export interface ActiveLora {
  layers: LoraLayers;
  weight: number;
  path?: string | undefined;
}

/**
 * What the graph's adapter inputs are fed with: all LoRAs side by side along the rank, their weights multiplied into `up`,
 * and zeros of rank 1 where none acts. The same layers and weights give the same feeds, so keep them for a whole task and
 * for the next one with the same LoRAs.
 *
 * @param inputs - all inputs of the graph
 * @throws {LoraError} if a layer has no input or does not fit it
 */
export function adapterFeeds(inputs: readonly ValueInfo[], loras: readonly ActiveLora[]): Record<string, FloatTensor> {
  const feeds: Record<string, FloatTensor> = {};
  const shapeOf = new Map(inputs.map(({ name, shape }) => [name, shape]));
  for (const { layers, path } of loras) {
    for (const module of layers.keys()) {
      if (shapeOf.has(`${module}.lora_down`)) continue;
      throw new LoraError(`${labelOf(path)} cannot be used: it changes "${module}", which takes no adapter here.`);
    }
  }
  for (const [name, downShape] of shapeOf) {
    if (!name.endsWith('.lora_down')) continue;
    const module = name.slice(0, -'.lora_down'.length);
    const upName = `${module}.lora_up`;
    const upShape = shapeOf.get(upName)!;
    const parts: Part[] = [];
    for (const { layers, weight, path } of loras) {
      const layer = layers.get(module);
      if (!layer || weight === 0) continue;
      checkFit(layer, downShape, upShape, module, path);
      parts.push({ layer, factor: weight * layer.scale });
    }
    const rank = parts.reduce((sum, { layer }) => sum + layer.rank, 0) || 1;
    const [down, up] =
      downShape.length === 2
        ? linearFeeds(parts, rank, downShape, upShape)
        : convFeeds(parts, rank, downShape, upShape);
    feeds[name] = down;
    feeds[upName] = up;
  }
  return feeds;
}

interface Part {
  layer: LoraLayer;
  /** Multiplied into `up`. */
  factor: number;
}

type Shape = ValueInfo['shape'];
type Pair = [down: FloatTensor, up: FloatTensor];

/** [in, rank] and [rank, out] of layers stored as [rank, in] and [out, rank]. */
function linearFeeds(parts: readonly Part[], rank: number, downShape: Shape, upShape: Shape): Pair {
  const [inner, out] = [Number(downShape[0]), Number(upShape[1])];
  const down = new Float32Array(inner * rank);
  const up = new Float32Array(rank * out);
  let first = 0;
  for (const { layer, factor } of parts) {
    for (let r = 0; r < layer.rank; r++) {
      for (let i = 0; i < inner; i++) down[i * rank + first + r] = layer.down[r * inner + i]!;
      for (let o = 0; o < out; o++) up[(first + r) * out + o] = layer.up[o * layer.rank + r]! * factor;
    }
    first += layer.rank;
  }
  return [tensor(down, [inner, rank]), tensor(up, [rank, out])];
}

/** [rank, in, height, width] and [out, rank, 1, 1], as stored but for the ranks side by side. */
function convFeeds(parts: readonly Part[], rank: number, downShape: Shape, upShape: Shape): Pair {
  const [window, out] = [downShape.slice(1).map(Number), Number(upShape[0])];
  const size = window.reduce((product, dim) => product * dim, 1);
  const down = new Float32Array(rank * size);
  const up = new Float32Array(out * rank);
  let first = 0;
  for (const { layer, factor } of parts) {
    down.set(layer.down, first * size);
    for (let o = 0; o < out; o++) {
      for (let r = 0; r < layer.rank; r++) up[o * rank + first + r] = layer.up[o * layer.rank + r]! * factor;
    }
    first += layer.rank;
  }
  return [tensor(down, [rank, ...window]), tensor(up, [out, rank, 1, 1])];
}

/** Sizes are compared, not shapes: a 1×1 convolution's LoRA fits a linear layer. */
function checkFit(
  { rank, down, up, downShape, upShape }: LoraLayer,
  downInput: Shape,
  upInput: Shape,
  module: string,
  path: string | undefined,
): void {
  const size = (shape: Shape) =>
    shape.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : 1), 1);
  if (down.length === rank * size(downInput) && up.length === rank * size(upInput)) return;
  const [wanted, given] = [
    [downInput, upInput],
    [downShape, upShape],
  ].map((pair) =>
    pair.map((shape) => `[${shape.map((dim) => (typeof dim === 'number' ? dim : 'rank')).join(', ')}]`).join(' and '),
  );
  throw new LoraError(
    `${labelOf(path)} is for another model: at "${module}" its matrices have the shapes ${given}, and this model takes ${wanted}.`,
  );
}

function labelOf(path: string | undefined): string {
  return path === undefined ? 'The LoRA' : basename(path);
}

function tensor(data: Float32Array, dims: readonly number[]): FloatTensor {
  return { dtype: 'float32', dims, data };
}
