import { type UNetStructure, unetPaths } from './originalLayout.ts';

/** The networks of a model that a LoRA can change. */
export type LoraComponent = 'unet' | 'text_encoder' | 'text_encoder_2';

export interface LoraKey {
  /** The key without what names the matrix; what a layer is called in the file. */
  layer: string;
  part: 'down' | 'up' | 'alpha';
}

/** Where a layer of the file belongs. */
export interface LoraTarget {
  component: LoraComponent;
  /** Module path, as the tensors of the network have it. */
  path: string;
}

/**
 * Endings of a layer's two matrices: `.lora_down.weight` (kohya), `.lora_A.weight` and `.lora_A.<adapter>.weight` (PEFT),
 * `.lora.down.weight` and `.lora_linear_layer.down.weight` (diffusers), and `_lora.down.weight` (diffusers before 0.17).
 */
const matrix = /^(.+?)(?:\.lora_(down|up|A|B)(?:\.\w+)?|[._]lora(?:_linear_layer)?\.(down|up))\.weight$/;
const alpha = /^(.+?)(?:[._]lora)?\.alpha$/;

/** Undefined for a key that names neither a matrix nor an alpha. */
export function parseLoraKey(key: string): LoraKey | undefined {
  const found = matrix.exec(key);
  if (found) {
    const which = found[2] ?? found[3];
    return { layer: found[1]!, part: which === 'down' || which === 'A' ? 'down' : 'up' };
  }
  const factor = alpha.exec(key);
  return factor ? { layer: factor[1]!, part: 'alpha' } : undefined;
}

/** Keys of kinds of adapters that are more than two matrices. */
const otherKinds: readonly (readonly [RegExp, string])[] = [
  [/\.dora_scale$|\.lora_magnitude_vector/, 'a DoRA (dora_scale)'],
  [/\.hada_/, 'a LoHa (hada_)'],
  [/\.lokr_/, 'a LoKr (lokr_)'],
  [/\.lora_mid\./, 'a LoRA with a third matrix for convolutions (lora_mid)'],
  [/\.oft_/, 'an OFT (oft_)'],
  [/\.on_input$/, 'an IA3 (on_input)'],
  [/\.[ab]1\.weight$/, 'a GLoRA (a1, b1)'],
  [/\.(diff|diff_b|w_norm|b_norm)$/, 'an adapter with whole weights beside its low-rank ones (diff)'],
  [/\.lora(_B|_up)?(\.\w+)?\.bias$/, 'a LoRA with biases'],
];

/** What kind of adapter a key gives away, if it is not a LoRA of two matrices for each layer. */
export function otherKindOf(key: string): string | undefined {
  return otherKinds.find(([pattern]) => pattern.test(key))?.[1];
}

const kohyaPrefixes: Record<LoraComponent, readonly string[]> = {
  unet: ['lora_unet_'],
  text_encoder: ['lora_te_', 'lora_te1_'],
  text_encoder_2: ['lora_te2_'],
};

const flat = (path: string) => path.replaceAll('.', '_');

/**
 * Every name that the known layouts give the layers of a model. Names whose dots became underscores are found by doing the
 * same to the model's own paths, because nothing in them tells which underscores were dots.
 */
export function loraNames(
  modules: Record<LoraComponent, Iterable<string>>,
  unetConfig: UNetStructure,
): ReadonlyMap<string, LoraTarget> {
  const names = new Map<string, LoraTarget>();
  const originalOf = originalNames(unetConfig);
  for (const component of ['unet', 'text_encoder', 'text_encoder_2'] as const) {
    for (const path of modules[component]) {
      // The first stays: a name without its network means the UNet, then the first text encoder.
      const add = (name: string) => {
        if (!names.has(name)) names.set(name, { component, path });
      };
      const dotted = component === 'unet' ? unetAliases(path) : textAliases(path);
      const original = component === 'unet' ? originalOf(path) : undefined;
      if (original !== undefined) add(`diffusion_model.${original}`);
      for (const name of dotted) {
        add(`${component}.${name}`);
        add(name);
      }
      for (const name of original === undefined ? dotted : [...dotted, original]) {
        for (const prefix of kohyaPrefixes[component]) add(prefix + flat(name));
      }
    }
  }
  return names;
}

/** A layer's name without the wrapper that PEFT puts around a whole network. */
export function unwrapped(layer: string): string {
  return layer.replace(/(^|\.)base_model\.model\./, '$1');
}

/** Diffusers before 0.17 kept the matrices in the attention's processor, and called its last layer `to_out`. */
function unetAliases(path: string): string[] {
  const attention = /^(.+\.attn[12])\.(to_[qkv]|to_out)(?:\.0)?$/.exec(path);
  return attention ? [path, `${attention[1]}.processor.${attention[2]}`] : [path];
}

/** Text encoders with and without their outer prefix, and the names that diffusers before 0.17 gave their attention. */
function textAliases(path: string): string[] {
  const bare = path.replace(/^text_model\./, '');
  const names = [`text_model.${bare}`, bare];
  const attention = /^(.+\.self_attn)\.(q|k|v|out)_proj$/.exec(bare);
  if (attention) names.push(`text_model.${attention[1]}.to_${attention[2]}`);
  return names;
}

/** From a module's path in diffusers to that of the original layout; undefined for what the original does not have. */
function originalNames(unetConfig: UNetStructure): (path: string) => string | undefined {
  const renames = [...unetPaths(unetConfig)];
  return (path) => {
    for (const [original, diffusers] of renames) {
      if (path === diffusers || path.startsWith(`${diffusers}.`)) return original + path.slice(diffusers.length);
    }
    return undefined;
  };
}
