import { type StoredTensor, type StoredTensors } from '../files/safetensors.ts';
import type { FloatTensor, ValueInfo } from '../tensors/tensor.ts';
import { type DenoiserNames, type LoraComponent } from './loraKeys.ts';
import { type LoraLayer } from './loraReader.ts';

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
export declare function modulesOf(tensors: StoredTensors): Generator<[path: string, weight: StoredTensor]>;
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
export declare function readLora(
  file: string,
  modules: Record<LoraComponent, LoraModules>,
  denoiser: DenoiserNames,
): Promise<Lora>;
/** Which form of graph a set of layers needs. */
export declare function adaptersNeeded(layers: LoraLayers): {
  adapters: 'linear' | 'all';
  vectors: boolean;
};
/** A LoRA at work in one network. `path` is only for complaints. */
export interface ActiveLora {
  layers: LoraLayers;
  weight: number;
  path?: string | undefined;
}
/** Whether a graph has inputs for a module; `takes` tells whether it has one of that name. */
export declare function takesLayer(takes: (input: string) => boolean, module: string): boolean;
/**
 * What the graph's adapter inputs are fed with: all LoRAs side by side along the rank, their weights multiplied into `up`,
 * and zeros of rank 1 where none acts. Changes of outputs, inputs and biases add up, each with its weight. The same layers
 * and weights give the same feeds, so keep them for a whole task and for the next one with the same LoRAs.
 *
 * @param inputs - all inputs of the graph
 * @throws {LoraError} if a layer has no input or does not fit it
 */
export declare function adapterFeeds(
  inputs: readonly ValueInfo[],
  loras: readonly ActiveLora[],
): Record<string, FloatTensor>;
