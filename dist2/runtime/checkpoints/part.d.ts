import type { SafetensorsSource } from './source.ts';
/** A network that is no whole model. */
export type PartKind = 'controlNet' | 'vae' | 'tinyVae';
/** `_class_name` of each kind's config. */
export declare const partClasses: Record<PartKind, readonly string[]>;
/**
 * A network of its own: a folder with config.json and weights or, for an autoencoder, one safetensors file in either
 * layout. Its tensors are named as in diffusers.
 *
 * @throws {ModelError} saying what is missing or what it is instead
 */
export declare function openPart(path: string, kind: PartKind): Promise<SafetensorsSource>;
