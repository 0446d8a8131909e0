import type { EncoderName, LoraAlias } from '../families/family.ts';

/** The networks of a model that a LoRA can change. */
export const loraComponents = ['denoiser', 'text_encoder', 'text_encoder_2', 'text_encoder_3'] as const;
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

/**
 * Every ending of a key that is known, and what the tensor is. The catalog and the reader know these names from here alone.
 *
 * PEFT puts the name of the adapter, such as `default_0`, before the last word where a model has several.
 */
const endings: readonly (readonly [RegExp, (...words: string[]) => LoraPart])[] = [
  // kohya: `.lora_down.weight`; PEFT: `.lora_A.weight`, `.lora_A.default.weight`.
  [/^(.+?)\.lora_(down|up|mid|A|B)(?:\.[^.]+)?\.weight$/, matrix],
  // diffusers: `.lora.down.weight`, `.lora_linear_layer.down.weight`; before 0.17: `_lora.down.weight`.
  [/^(.+?)[._]lora(?:_linear_layer)?\.(down|up|mid)\.weight$/, matrix],
  [/^(.+?)(?:[._]lora(?:_linear_layer)?)?\.alpha$/, () => 'alpha'],
  [/^(.+?)\.lora_(?:up|B)(?:\.[^.]+)?\.bias$/, () => 'upBias'],
  [/^(.+?)\.dora_scale$/, () => 'doraScale'],
  [/^(.+?)\.lora_magnitude_vector(?:\.[^.]+){0,2}$/, () => 'magnitude'],
  // LyCORIS, also as PEFT writes it.
  [/^(.+?)\.(hada_(?:w[12]_[ab]|t[12]))(?:\.[^.]+)?$/, (part) => part as LoraPart],
  [/^(.+?)\.(lokr_(?:w[12]|w[12]_[ab]|t2))(?:\.[^.]+)?$/, (part) => part as LoraPart],
  [/^(.+?)\.(?:diff|w_norm)$/, () => 'diff'],
  [/^(.+?)\.(?:diff_b|b_norm)$/, () => 'diffBias'],
];

function matrix(which = ''): LoraPart {
  if (which === 'mid') return 'mid';
  return which === 'down' || which === 'A' ? 'down' : 'up';
}

/** Undefined for a key that names no part of a layer. */
export function parseLoraKey(key: string): LoraKey | undefined {
  for (const [pattern, partOf] of endings) {
    const found = pattern.exec(key);
    if (found) return { layer: found[1]!, part: partOf(...found.slice(2)) };
  }
  return undefined;
}

/** Keys of adapters that cannot be computed here. */
const otherKinds: readonly (readonly [RegExp, string])[] = [
  [/\.(b?oft_(blocks|diag|r|s)|oft_R)(\.|$)/, 'an OFT (oft_blocks)'],
  [/\.(on_input|ia3_l)(\.|$)/, 'an IA3 (on_input)'],
  [/\.[ab]1\.weight$/, 'a GLoRA (a1, b1)'],
  [/\.(vera_lambda_[bd]|hra_u|vblora_logits_[AB])(\.|$)/, 'an adapter of another kind (VeRA, HRA or VB-LoRA)'],
  [/\.lora_embedding_[AB](\.|$)/, 'a LoRA of token embeddings (lora_embedding_A)'],
  [/\.lokr_t1(\.|$)/, 'a LoKr with two cores (lokr_t1)'],
  [/^(unet|text_encoder):\d+:(up|down)$/, 'a LoRA whose layers are numbered and not named (unet:0:up)'],
];

/** What kind of adapter a key gives away that cannot be computed here. */
export function otherKindOf(key: string): string | undefined {
  return otherKinds.find(([pattern]) => pattern.test(key))?.[1];
}

/** Before names whose dots became underscores: of kohya's trainer, and of LyCORIS around a whole network. */
const flatPrefixes: Record<LoraComponent, readonly string[]> = {
  denoiser: ['lora_unet_', 'lycoris_unet_', 'lycoris_', 'lora_transformer_'],
  text_encoder: ['lora_te_', 'lora_te1_', 'lycoris_te_', 'lycoris_te1_', 'lycoris_text_encoder_'],
  // T5 is the third encoder to trainers, also where a model has only two.
  text_encoder_2: ['lora_te2_', 'lycoris_te2_', 'lycoris_text_encoder_2_', 'lora_te3_'],
  text_encoder_3: ['lora_te3_', 'lycoris_te3_', 'lycoris_text_encoder_3_'],
};

/** Before names with dots, beside that of the component: of ComfyUI, which saves a model's parts under one root. */
const dottedPrefixes: Record<LoraComponent, readonly string[]> = {
  denoiser: ['diffusion_model.'],
  text_encoder: ['text_encoders.clip_l.transformer.', 'text_encoders.clip_h.transformer.', 'te1.', 'te.'],
  text_encoder_2: ['text_encoders.clip_g.transformer.', 'te2.'],
  text_encoder_3: ['te3.'],
};

const flat = (path: string) => path.replaceAll('.', '_');

/**
 * Every name that the known layouts give the layers of a model. Names whose dots became underscores are found by doing the
 * same to the model's own paths, because nothing in them tells which underscores were dots.
 */
export function loraNames(
  modules: Record<LoraComponent, Iterable<string>>,
  { folder, aliases }: DenoiserNames,
): ReadonlyMap<string, readonly LoraTarget[]> {
  const names = new Map<string, LoraTarget[]>();
  for (const component of loraComponents) {
    for (const path of modules[component]) {
      const target: LoraTarget = { component, path };
      // The first stays: a name without its network means the denoiser, then the first text encoder.
      const add = (name: string) => {
        if (!names.has(name)) names.set(name, [target]);
      };
      const dotted = component === 'denoiser' ? denoiserAliases(path) : textAliases(path);
      const others = component === 'denoiser' ? aliases(path) : [];
      const own = component === 'denoiser' ? folder : component;
      for (const { name, rows } of others) {
        const forms = [`diffusion_model.${name}`, ...flatPrefixes[component].map((prefix) => prefix + flat(name))];
        for (const form of forms) {
          if (rows === undefined) add(form);
          // One layer of the file for several modules: each takes its rows.
          else names.set(form, [...(names.get(form) ?? []), { ...target, rows }]);
        }
      }
      for (const name of dotted) {
        add(`${own}.${name}`);
        for (const prefix of dottedPrefixes[component]) add(prefix + name);
        add(name);
        for (const prefix of flatPrefixes[component]) add(prefix + flat(name));
      }
    }
  }
  return names;
}

/** A layer's name without what PEFT and training on several devices put around a whole network. */
export function unwrapped(layer: string): string {
  return layer.replace(/^module\./, '').replace(/(^|\.)base_model\.model\./, '$1');
}

/** Diffusers before 0.17 kept the matrices in the attention's processor, and called its last layer `to_out`. */
function denoiserAliases(path: string): string[] {
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
