/** Names and shapes of the weights of transformers, in the sizes of published models and smaller ones. */
import { count } from './randomModel.ts';

export type Shapes = [name: string, ...shape: number[]][];

/** Channels of a head, and how many heads there are. */
interface Heads {
  head: number;
  heads: number;
}

export interface FluxSize extends Heads {
  double: number;
  single: number;
  /** Channels of the text states, here and below. */
  text: number;
  pooled: number;
}

export interface SD3Size extends Heads {
  layers: number;
  /** How many of the first layers look at the picture twice. */
  dual: number;
  text: number;
  pooled: number;
  /** Of the table of positions. */
  side: number;
}

export interface KleinSize extends Heads {
  double: number;
  single: number;
  text: number;
}

export interface ZImageSize extends Heads {
  layers: number;
  /** Of each of the two kinds before the layers. */
  refiners: number;
  text: number;
}

export interface Qwen3Size extends Heads {
  keyHeads: number;
  inner: number;
  forward: number;
  layers: number;
  words: number;
}

/** FLUX.2 klein 4B, Z-Image and Qwen3 4B. */
export const fullSizes = {
  klein: { head: 128, heads: 24, double: 5, single: 20, text: 3 * 2560 },
  zImage: { head: 128, heads: 30, layers: 30, refiners: 2, text: 2560 },
  qwen3: { head: 128, heads: 32, keyHeads: 8, inner: 2560, forward: 9728, layers: 36, words: 151_936 },
} satisfies WideSizes;

/** The same kinds of networks for a quick try of everything. */
export const tinySizes = {
  klein: { head: 128, heads: 2, double: 1, single: 2, text: 3 * 64 },
  zImage: { head: 128, heads: 3, layers: 2, refiners: 1, text: 64 },
  qwen3: { head: 32, heads: 4, keyHeads: 2, inner: 64, forward: 192, layers: 4, words: 1000 },
} satisfies WideSizes;

export interface WideSizes {
  klein: KleinSize;
  zImage: ZImageSize;
  qwen3: Qwen3Size;
}

/** Shapes of layers, one after the other. */
class Layers {
  readonly shapes: Shapes = [];

  /** Linear layers of one shape, each with a bias. */
  linear(out: number, into: number, ...paths: string[]): void {
    for (const path of paths) this.shapes.push([`${path}.weight`, out, into], [`${path}.bias`, out]);
  }

  /** The same without. */
  matrix(out: number, into: number, ...paths: string[]): void {
    for (const path of paths) this.shapes.push([`${path}.weight`, out, into]);
  }

  vector(size: number, ...names: string[]): void {
    for (const name of names) this.shapes.push([name, size]);
  }

  norms(size: number, path: string, ...names: string[]): void {
    this.vector(size, ...names.map((name) => `${path}.norm_${name}.weight`));
  }
}

const ofPicture = ['to_q', 'to_k', 'to_v', 'to_out.0'];
const ofText = ['add_q_proj', 'add_k_proj', 'add_v_proj', 'to_add_out'];
const at = (path: string, names: readonly string[]) => names.map((name) => `${path}.${name}`);

/** FLUX.1 dev. */
export function fluxShapes({ head, heads, double, single, text, pooled }: FluxSize): Shapes {
  const inner = heads * head;
  const all = new Layers();
  all.linear(inner, 64, 'x_embedder');
  all.linear(inner, text, 'context_embedder');
  embedders(all, inner, { timestep: 256, guidance: 256, text: pooled });
  all.linear(2 * inner, inner, 'norm_out.linear');
  all.linear(64, inner, 'proj_out');
  for (let i = 0; i < double; i++) {
    const path = `transformer_blocks.${i}`;
    all.linear(6 * inner, inner, `${path}.norm1.linear`, `${path}.norm1_context.linear`);
    all.linear(inner, inner, ...at(`${path}.attn`, [...ofPicture, ...ofText]));
    all.norms(head, `${path}.attn`, 'q', 'k', 'added_q', 'added_k');
    feedForwards(all, inner, `${path}.ff`, `${path}.ff_context`);
  }
  for (let i = 0; i < single; i++) {
    const path = `single_transformer_blocks.${i}`;
    all.linear(3 * inner, inner, `${path}.norm.linear`);
    all.linear(inner, inner, ...at(`${path}.attn`, ['to_q', 'to_k', 'to_v']));
    all.norms(head, `${path}.attn`, 'q', 'k');
    all.linear(4 * inner, inner, `${path}.proj_mlp`);
    all.linear(inner, 5 * inner, `${path}.proj_out`);
  }
  return all.shapes;
}

/** Stable Diffusion 3.5. */
export function sd3Shapes({ head, heads, layers, dual, text, pooled, side }: SD3Size): Shapes {
  const inner = heads * head;
  const all = new Layers();
  all.shapes.push(['pos_embed.proj.weight', inner, 16, 2, 2], ['pos_embed.pos_embed', 1, side ** 2, inner]);
  all.vector(inner, 'pos_embed.proj.bias');
  all.linear(inner, text, 'context_embedder');
  embedders(all, inner, { timestep: 256, text: pooled });
  all.linear(2 * inner, inner, 'norm_out.linear');
  all.linear(64, inner, 'proj_out');
  for (let i = 0; i < layers; i++) {
    const path = `transformer_blocks.${i}`;
    const [isDual, isLast] = [i < dual, i === layers - 1];
    all.linear((isDual ? 9 : 6) * inner, inner, `${path}.norm1.linear`);
    all.linear((isLast ? 2 : 6) * inner, inner, `${path}.norm1_context.linear`);
    all.linear(inner, inner, ...at(`${path}.attn`, [...ofPicture, ...(isLast ? ofText.slice(0, 3) : ofText)]));
    all.norms(head, `${path}.attn`, 'q', 'k', 'added_q', 'added_k');
    if (isDual) {
      all.linear(inner, inner, ...at(`${path}.attn2`, ofPicture));
      all.norms(head, `${path}.attn2`, 'q', 'k');
    }
    feedForwards(all, inner, `${path}.ff`, ...(isLast ? [] : [`${path}.ff_context`]));
  }
  return all.shapes;
}

function embedders(all: Layers, inner: number, widths: Record<string, number>): void {
  for (const [name, width] of Object.entries(widths)) {
    const path = `time_text_embed.${name}_embedder`;
    all.linear(inner, width, `${path}.linear_1`);
    all.linear(inner, inner, `${path}.linear_2`);
  }
}

function feedForwards(all: Layers, inner: number, ...paths: string[]): void {
  for (const path of paths) {
    all.linear(4 * inner, inner, `${path}.net.0.proj`);
    all.linear(inner, 4 * inner, `${path}.net.2`);
  }
}

/** FLUX.2 klein. */
export function kleinShapes({ head, heads, double, single, text }: KleinSize = fullSizes.klein): Shapes {
  const inner = heads * head;
  const forward = 3 * inner;
  const all = new Layers();
  all.matrix(inner, 128, 'x_embedder');
  all.matrix(inner, text, 'context_embedder');
  all.matrix(inner, 256, 'time_guidance_embed.timestep_embedder.linear_1');
  all.matrix(inner, inner, 'time_guidance_embed.timestep_embedder.linear_2');
  all.matrix(6 * inner, inner, 'double_stream_modulation_img.linear', 'double_stream_modulation_txt.linear');
  all.matrix(3 * inner, inner, 'single_stream_modulation.linear');
  all.matrix(2 * inner, inner, 'norm_out.linear');
  all.matrix(128, inner, 'proj_out');
  for (let i = 0; i < double; i++) {
    const path = `transformer_blocks.${i}`;
    all.matrix(inner, inner, ...at(`${path}.attn`, [...ofPicture, ...ofText]));
    all.norms(head, `${path}.attn`, 'q', 'k', 'added_q', 'added_k');
    for (const name of ['ff', 'ff_context']) {
      all.matrix(2 * forward, inner, `${path}.${name}.linear_in`);
      all.matrix(inner, forward, `${path}.${name}.linear_out`);
    }
  }
  for (let i = 0; i < single; i++) {
    const path = `single_transformer_blocks.${i}.attn`;
    all.matrix(3 * inner + 2 * forward, inner, `${path}.to_qkv_mlp_proj`);
    all.matrix(inner, inner + forward, `${path}.to_out`);
    all.norms(head, path, 'q', 'k');
  }
  return all.shapes;
}

/** Z-Image. */
export function zImageShapes({ head, heads, layers, refiners, text }: ZImageSize = fullSizes.zImage): Shapes {
  const inner = heads * head;
  const [forward, time] = [(inner / 3) * 8, Math.min(256, inner)];
  const all = new Layers();
  all.linear(inner, 64, 'all_x_embedder.2-1');
  all.vector(text, 'cap_embedder.0.weight');
  all.linear(inner, text, 'cap_embedder.1');
  all.shapes.push(['x_pad_token', 1, inner], ['cap_pad_token', 1, inner]);
  all.linear(1024, 256, 't_embedder.mlp.0');
  all.linear(time, 1024, 't_embedder.mlp.2');
  all.linear(inner, time, 'all_final_layer.2-1.adaLN_modulation.1');
  all.linear(64, inner, 'all_final_layer.2-1.linear');
  const kinds = { layers, noise_refiner: refiners, context_refiner: refiners };
  for (const [name, count] of Object.entries(kinds)) {
    for (let i = 0; i < count; i++) {
      const path = `${name}.${i}`;
      all.matrix(inner, inner, ...at(`${path}.attention`, ofPicture));
      all.norms(head, `${path}.attention`, 'q', 'k');
      all.matrix(forward, inner, ...at(`${path}.feed_forward`, ['w1', 'w3']));
      all.matrix(inner, forward, `${path}.feed_forward.w2`);
      const norms = ['attention_norm1', 'attention_norm2', 'ffn_norm1', 'ffn_norm2'];
      all.vector(inner, ...norms.map((norm) => `${path}.${norm}.weight`));
      if (name !== 'context_refiner') all.linear(4 * inner, time, `${path}.adaLN_modulation.0`);
    }
  }
  return all.shapes;
}

/** Qwen3, without its output layer. */
export function qwen3Shapes(size: Qwen3Size = fullSizes.qwen3): Shapes {
  const { head, heads, keyHeads, inner, forward, layers, words } = size;
  const all = new Layers();
  all.matrix(words, inner, 'model.embed_tokens');
  all.vector(inner, 'model.norm.weight');
  for (let i = 0; i < layers; i++) {
    const path = `model.layers.${i}`;
    all.matrix(heads * head, inner, `${path}.self_attn.q_proj`);
    all.matrix(keyHeads * head, inner, `${path}.self_attn.k_proj`, `${path}.self_attn.v_proj`);
    all.matrix(inner, heads * head, `${path}.self_attn.o_proj`);
    all.vector(head, `${path}.self_attn.q_norm.weight`, `${path}.self_attn.k_norm.weight`);
    all.matrix(forward, inner, `${path}.mlp.gate_proj`, `${path}.mlp.up_proj`);
    all.matrix(inner, forward, `${path}.mlp.down_proj`);
    all.vector(inner, `${path}.input_layernorm.weight`, `${path}.post_attention_layernorm.weight`);
  }
  return all.shapes;
}

/** Numbers of all weights. */
export function countAll(shapes: Shapes): number {
  return shapes.reduce((sum, [, ...shape]) => sum + count(shape), 0);
}
