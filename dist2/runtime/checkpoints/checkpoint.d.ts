import type { Component, ModelConfigs, TokenizerName, TokenizerSource } from '../families/family.ts';
import type { ComponentSource } from './source.ts';
/** A whole model as it lies on disk: what its files say, and where the weights are. */
export interface Checkpoint extends ModelConfigs {
  /** As given to `openCheckpoint`. */
  readonly path: string;
  /** @throws {ModelError} naming the part and the reason, also for components that this model does not have */
  component(component: Component): Promise<ComponentSource>;
  /** @throws {ModelError} where there is none, saying what to provide */
  tokenizer(name: TokenizerName): Promise<TokenizerSource>;
}
/**
 * Opens a whole model: a folder in the diffusers layout or one safetensors file in the original one. Reads configs and
 * headers, never weights.
 *
 * @param path - absolute
 * @throws {ModelError | SafetensorsError} a sentence with the reason
 */
export declare function openCheckpoint(path: string): Promise<Checkpoint>;
