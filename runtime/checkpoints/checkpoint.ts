import { basename } from 'node:path';
import type { Component, ModelConfigs, TokenizerName, TokenizerSource } from '../families/family.ts';
import { isFile, isFolder, isPickle, ModelError, pickleReason } from '../files/reading.ts';
import type { ModelParts } from '../messages.ts';
import { openFolder } from './folder.ts';
import { openSingleFile } from './singleFile.ts';
import type { ComponentSource } from './source.ts';

/** A whole model as it lies on disk: what its files say, and where the weights are. */
export interface Checkpoint extends ModelConfigs {
  /** As given to `openCheckpoint`. */
  readonly path: string;
  /** Files of parts beside it, absolute; default none. */
  readonly partFiles?: readonly string[];
  /** @throws {ModelError} naming the part and the reason, also for components that this model does not have */
  component(component: Component): Promise<ComponentSource>;
  /** @throws {ModelError} where there is none, saying what to provide */
  tokenizer(name: TokenizerName): Promise<TokenizerSource>;
}

/** Where the parts of a model are looked for. */
export interface PartPlaces extends ModelParts {
  /** Folders like that of the denoiser, such as a models folder that the file is to go to. */
  besides?: readonly string[];
}

/** Paths of the parts that were chosen explicitly. */
export function partFilesOf({ textEncoders = [], vae }: ModelParts): string[] {
  return [...textEncoders, ...(vae === undefined ? [] : [vae])];
}

/**
 * Opens a whole model: a folder in the diffusers layout or one safetensors file in the original one. Reads configs and
 * headers, never weights.
 *
 * @param path - absolute
 * @throws {ModelError | SafetensorsError} a sentence with the reason
 */
export async function openCheckpoint(path: string, places: PartPlaces = {}): Promise<Checkpoint> {
  if (await isFolder(path)) return openFolder(path, places);
  if (isPickle(path)) throw new ModelError(`${basename(path)} cannot be used: ${pickleReason}`);
  if (!(await isFile(path))) throw new ModelError(`There is no folder or file ${path}.`);
  return openSingleFile(path, places);
}
