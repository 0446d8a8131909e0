import type { EncoderName, LoraAlias } from '../families/family.ts';
/** The networks of a model that a LoRA can change. */
export declare const loraComponents: readonly ['denoiser', 'text_encoder', 'text_encoder_2', 'text_encoder_3'];
export type LoraComponent = 'denoiser' | EncoderName;
/** How a model calls its denoiser, and the other names that files have for its modules. */
export interface DenoiserNames {
  /** `unet` or `transformer`. */
  folder: string;
  aliases: (path: string) => readonly LoraAlias[];
}
/** What a tensor is to its layer; see `loraLayers.ts` for what each kind of layer is made of. */
export type LoraPart =
  | 'down'
  | 'up'
  | 'mid'
  | 'upBias'
  | 'alpha'
  | 'doraScale'
  | 'magnitude'
  | `hada_${'w1_a' | 'w1_b' | 'w2_a' | 'w2_b' | 't1' | 't2'}`
  | `lokr_${'w1' | 'w1_a' | 'w1_b' | 'w2' | 'w2_a' | 'w2_b' | 't2'}`
  | 'diff'
  | 'diffBias';
export interface LoraKey {
  /** The key without what names the matrix; what a layer is called in the file. */
  layer: string;
  part: LoraPart;
}
/** Where a layer of the file belongs. */
export interface LoraTarget {
  component: LoraComponent;
  /** Module path, as the tensors of the network have it. */
  path: string;
  /** The rows of the file's layer that are the module's, where the file joins several modules in one. */
  rows?: readonly [from: number, to: number] | undefined;
}
/** Undefined for a key that names no part of a layer. */
export declare function parseLoraKey(key: string): LoraKey | undefined;
/** What kind of adapter a key gives away that cannot be computed here. */
export declare function otherKindOf(key: string): string | undefined;
/**
 * Every name that the known layouts give the layers of a model. Names whose dots became underscores are found by doing the
 * same to the model's own paths, because nothing in them tells which underscores were dots.
 */
export declare function loraNames(
  modules: Record<LoraComponent, Iterable<string>>,
  { folder, aliases }: DenoiserNames,
): ReadonlyMap<string, readonly LoraTarget[]>;
/** A layer's name without what PEFT and training on several devices put around a whole network. */
export declare function unwrapped(layer: string): string;
