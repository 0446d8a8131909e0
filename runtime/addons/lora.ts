import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readSafetensorsHeader, type StoredTensor, type StoredTensors } from '../files/safetensors.ts';
import type { FloatTensor, ValueInfo } from '../tensors/tensor.ts';
import {
  type DenoiserNames,
  type LoraComponent,
  type LoraTarget,
  loraComponents,
  loraNames,
  unwrapped,
} from './loraKeys.ts';
import { collectLayers, LoraError, type StoredLayer } from './loraLayers.ts';
import { LayerReader, type LoraLayer, rowsOfLayer, TensorReader } from './loraReader.ts';

export { LoraError } from './loraLayers.ts';
export type { LoraLayer } from './loraReader.ts';

export type LoraLayers = ReadonlyMap<string, LoraLayer>;

export interface Lora {
  /** Absolute path of the file. */
  path: string;
  /** By module path. */
  layers: Record<LoraComponent, LoraLayers>;
}

/** Module paths of a network, with their weights where the layers are to be checked against them. */
export type LoraModules = Iterable<string | readonly [path: string, weight: StoredTensor]>;

/** The modules of a network, for `readLora`: tensor names that end in `.weight`, without it. */
export function* modulesOf(tensors: StoredTensors): Generator<[path: string, weight: StoredTensor]> {
  for (const [name, tensor] of tensors) {
    if (name.endsWith('.weight')) yield [name.slice(0, -'.weight'.length), tensor];
  }
}

/**
 * Reads the layers of a LoRA that are meant for a model. `loraKeys.ts` has the names, `loraLayers.ts` the kinds of layers;
 * values are F32, F16, BF16 or F64.
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
  denoiser: DenoiserNames,
): Promise<Lora> {
  const { tensors, metadata } = await readSafetensorsHeader(file);
  const name = basename(file);
  const { layers: stored } = collectLayers(tensors, name);
  const weights = mapComponents((component) => new Map(Array.from(modules[component], weighted)));
  const names = loraNames(
    mapComponents((component) => weights[component].keys()),
    denoiser,
  );
  const scaleOf = await adapterConfig(file, metadata, stored, denoiser.folder);

  const layers = mapComponents(() => new Map<string, LoraLayer>());
  await using reader = new TensorReader(name);
  for (const [layer, found] of stored) {
    for (const target of names.get(unwrapped(layer)) ?? []) {
      const { component, path, rows } = target;
      // The rows of several modules fit none of them as a whole.
      const weight = rows ? undefined : weights[component].get(path);
      const read = await new LayerReader(name, layer, found, weight, reader).read((rank) => scaleOf(target, rank));
      layers[component].set(path, rows ? rowsOfLayer(read, rows, `${name}, layer "${layer}",`) : read);
    }
  }
  if (Object.values(layers).every(({ size }) => size === 0)) {
    const [example] = stored.keys();
    throw new LoraError(
      `${name} is for another model: none of its ${stored.size} layers (such as "${example}") is one of this model's.`,
    );
  }
  return { path: file, layers };
}

function mapComponents<V>(make: (component: LoraComponent) => V): Record<LoraComponent, V> {
  return Object.fromEntries(loraComponents.map((each) => [each, make(each)])) as Record<LoraComponent, V>;
}

function weighted(item: string | readonly [string, StoredTensor]): readonly [string, StoredTensor | undefined] {
  return typeof item === 'string' ? [item, undefined] : item;
}

/**
 * The factor of layers without an alpha of their own. PEFT keeps it apart from the weights: diffusers writes its settings
 * into the file's metadata, under the name of the component, and PEFT itself into `adapter_config.json` beside the file.
 */
async function adapterConfig(
  file: string,
  metadata: Readonly<Record<string, string>>,
  stored: ReadonlyMap<string, StoredLayer>,
  denoiserFolder: string,
): Promise<(target: LoraTarget, rank: number) => number> {
  const inside = metadata.lora_adapter_metadata;
  const isPeft = [...stored.keys()].some((layer) => layer !== unwrapped(layer));
  const text =
    inside ?? (isPeft ? await readFile(join(dirname(file), 'adapter_config.json'), 'utf8').catch(() => '') : '');
  const settings = parseObject(text);
  return ({ component, path }, rank) => {
    const part = component === 'denoiser' ? denoiserFolder : component;
    const setting = (key: string) => (inside === undefined ? settings[key] : settings[`${part}.${key}`]);
    const pattern = setting('alpha_pattern');
    const own = isObject(pattern) ? ownSetting(pattern, path) : undefined;
    // PEFT calls it alpha in LoHa and LoKr.
    const alpha = own ?? setting('lora_alpha') ?? setting('alpha');
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

/** Modules that are normalizations: they take a change of their weight and bias in any graph that takes vectors. */
const normalization = /(^|\.)(norm\d?|(final_)?layer_norm\d?|conv_norm_out|group_norm)$/;

/** Which form of graph a set of layers needs. */
export function adaptersNeeded(layers: LoraLayers): { adapters: 'linear' | 'all'; vectors: boolean } {
  let [adapters, vectors]: ['linear' | 'all', boolean] = ['linear', false];
  for (const [path, layer] of layers) {
    if (layer.inputChange || layer.outputChange || layer.bias || layer.vector) vectors = true;
    if (normalization.test(path)) continue;
    if (!/\.attentions\.|(^|\.)encoder\.layers\.|^text_projection$/.test(path)) adapters = 'all';
  }
  return { adapters, vectors };
}

/** A LoRA at work in one network. `path` is only for complaints. */
export interface ActiveLora {
  layers: LoraLayers;
  weight: number;
  path?: string | undefined;
}

/** Whether a graph has inputs for a module; `takes` tells whether it has one of that name. */
export function takesLayer(takes: (input: string) => boolean, module: string): boolean {
  return takes(`${module}.lora_down`) || takes(`${module}.lora_vector`);
}

/**
 * What the graph's adapter inputs are fed with: all LoRAs side by side along the rank, their weights multiplied into `up`,
 * and zeros of rank 1 where none acts. Changes of outputs, inputs and biases add up, each with its weight. The same layers
 * and weights give the same feeds, so keep them for a whole task and for the next one with the same LoRAs.
 *
 * @param inputs - all inputs of the graph
 * @throws {LoraError} if a layer has no input or does not fit it
 */
export function adapterFeeds(inputs: readonly ValueInfo[], loras: readonly ActiveLora[]): Record<string, FloatTensor> {
  const feeds: Record<string, FloatTensor> = {};
  const shapeOf = new Map(inputs.map(({ name, shape }) => [name, shape]));
  for (const { layers, path } of loras) {
    for (const module of layers.keys()) {
      if (takesLayer((input) => shapeOf.has(input), module)) continue;
      throw new LoraError(`${labelOf(path)} cannot be used: it changes "${module}", which takes no adapter here.`);
    }
  }
  for (const [name, shape] of shapeOf) {
    const [, module = '', role] = /^(.+)\.lora_(down|input|output|bias|vector)$/.exec(name) ?? [];
    const acting = loras.flatMap(({ layers, weight, path }) => {
      const layer = layers.get(module);
      return layer && weight !== 0 ? [{ layer, weight, path }] : [];
    });
    if (role === 'down') {
      const upName = `${module}.lora_up`;
      [feeds[name], feeds[upName]] = productFeeds(acting, shape, shapeOf.get(upName)!, module);
    } else if (role !== undefined) {
      feeds[name] = vectorFeed(acting, role as keyof typeof vectorOf, shape, module);
    }
  }
  return feeds;
}

interface Acting {
  layer: LoraLayer;
  weight: number;
  path: string | undefined;
}

function productFeeds(acting: readonly Acting[], downShape: Shape, upShape: Shape, module: string): Pair {
  const parts: Part[] = [];
  for (const { layer, weight, path } of acting) {
    checkFit(layer, downShape, upShape, module, path);
    parts.push({ layer, factor: weight * layer.scale });
  }
  const rank = parts.reduce((sum, { layer }) => sum + layer.rank, 0) || 1;
  return downShape.length === 2
    ? linearFeeds(parts, rank, downShape, upShape)
    : convFeeds(parts, rank, downShape, upShape);
}

const vectorOf = {
  input: 'inputChange',
  output: 'outputChange',
  bias: 'bias',
  vector: 'vector',
} as const satisfies Record<string, keyof LoraLayer>;

function vectorFeed(acting: readonly Acting[], role: keyof typeof vectorOf, shape: Shape, module: string): FloatTensor {
  const dims = shape.map(Number);
  const sum = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  for (const { layer, weight, path } of acting) {
    const other = role === 'input' ? 'outputChange' : 'inputChange';
    if (layer[vectorOf[role]] && acting.some((one) => one.layer[other]) && (role === 'input' || role === 'output')) {
      // (1 + a) W (1 + b) is not W + aW + Wb.
      throw new LoraError(
        `${labelOf(path)} cannot be used with the other LoRAs: at "${module}" one DoRA has magnitudes of rows and another has magnitudes of channels.`,
      );
    }
    layer[vectorOf[role]]?.forEach((value, i) => {
      sum[i] = sum[i]! + weight * value;
    });
  }
  return tensor(sum, dims);
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
      if (layer.identity === 'down') down[r * rank + first + r] = 1;
      else for (let i = 0; i < inner; i++) down[i * rank + first + r] = layer.down[r * inner + i]!;
      if (layer.identity === 'up') up[(first + r) * out + r] = factor;
      else for (let o = 0; o < out; o++) up[(first + r) * out + o] = layer.up[o * layer.rank + r]! * factor;
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
    if (layer.identity === 'down') for (let r = 0; r < layer.rank; r++) down[(first + r) * size + r] = 1;
    else down.set(layer.down, first * size);
    for (let o = 0; o < out; o++) {
      if (layer.identity === 'up') up[o * rank + first + o] = factor;
      else for (let r = 0; r < layer.rank; r++) up[o * rank + first + r] = layer.up[o * layer.rank + r]! * factor;
    }
    first += layer.rank;
  }
  return [tensor(down, [rank, ...window]), tensor(up, [out, rank, 1, 1])];
}

/** Sizes are compared, not shapes: a 1×1 convolution's LoRA fits a linear layer. */
function checkFit(
  { rank, down, up, downShape, upShape, identity }: LoraLayer,
  downInput: Shape,
  upInput: Shape,
  module: string,
  path: string | undefined,
): void {
  const size = (shape: Shape) =>
    shape.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : 1), 1);
  const fits = (matrix: Float32Array, which: 'down' | 'up', input: Shape) =>
    identity === which ? rank === size(input) : matrix.length === rank * size(input);
  if (fits(down, 'down', downInput) && fits(up, 'up', upInput)) return;
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
