/** Random weights in the full shape of models that are too large to be kept here, in the block formats that people have. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlockDtype, blockFormats } from '../runtime/files/blocks.ts';
import type { StoredTensor, StoredTensors } from '../runtime/files/safetensors.ts';
import { toFloat16 } from '../runtime/tensors/float16.ts';
import { count, type Planned, planVae, pool } from './randomModel.ts';

export type Shapes = [name: string, ...shape: number[]][];

const HEAD = 128;

/** FLUX.2 klein 4B: 5 double and 20 single blocks of 24 heads; the text has 3 · 2560 channels. */
export function kleinShapes(): Shapes {
  const [inner, text, forward] = [3072, 7680, 9216];
  const shapes: Shapes = [
    ['x_embedder.weight', inner, 128],
    ['context_embedder.weight', inner, text],
    ['time_guidance_embed.timestep_embedder.linear_1.weight', inner, 256],
    ['time_guidance_embed.timestep_embedder.linear_2.weight', inner, inner],
    ['double_stream_modulation_img.linear.weight', 6 * inner, inner],
    ['double_stream_modulation_txt.linear.weight', 6 * inner, inner],
    ['single_stream_modulation.linear.weight', 3 * inner, inner],
    ['norm_out.linear.weight', 2 * inner, inner],
    ['proj_out.weight', 128, inner],
  ];
  for (let i = 0; i < 5; i++) {
    const path = `transformer_blocks.${i}`;
    for (const name of ['to_q', 'to_k', 'to_v', 'to_out.0', 'add_q_proj', 'add_k_proj', 'add_v_proj', 'to_add_out']) {
      shapes.push([`${path}.attn.${name}.weight`, inner, inner]);
    }
    for (const name of ['q', 'k', 'added_q', 'added_k']) shapes.push([`${path}.attn.norm_${name}.weight`, HEAD]);
    for (const name of ['ff', 'ff_context']) {
      shapes.push([`${path}.${name}.linear_in.weight`, 2 * forward, inner]);
      shapes.push([`${path}.${name}.linear_out.weight`, inner, forward]);
    }
  }
  for (let i = 0; i < 20; i++) {
    const path = `single_transformer_blocks.${i}.attn`;
    shapes.push([`${path}.to_qkv_mlp_proj.weight`, 3 * inner + 2 * forward, inner]);
    shapes.push([`${path}.to_out.weight`, inner, inner + forward]);
    for (const name of ['q', 'k']) shapes.push([`${path}.norm_${name}.weight`, HEAD]);
  }
  return shapes;
}

/** Z-Image: 30 layers of 30 heads, 2 + 2 before them; the text has 2560 channels. */
export function zImageShapes(): Shapes {
  const [inner, text, forward, time] = [3840, 2560, 10_240, 256];
  const shapes: Shapes = [
    ['all_x_embedder.2-1.weight', inner, 64],
    ['all_x_embedder.2-1.bias', inner],
    ['cap_embedder.0.weight', text],
    ['cap_embedder.1.weight', inner, text],
    ['cap_embedder.1.bias', inner],
    ['x_pad_token', 1, inner],
    ['cap_pad_token', 1, inner],
    ['t_embedder.mlp.0.weight', 1024, 256],
    ['t_embedder.mlp.0.bias', 1024],
    ['t_embedder.mlp.2.weight', time, 1024],
    ['t_embedder.mlp.2.bias', time],
    ['all_final_layer.2-1.adaLN_modulation.1.weight', inner, time],
    ['all_final_layer.2-1.adaLN_modulation.1.bias', inner],
    ['all_final_layer.2-1.linear.weight', 64, inner],
    ['all_final_layer.2-1.linear.bias', 64],
  ];
  for (const [name, layers] of [
    ['layers', 30],
    ['noise_refiner', 2],
    ['context_refiner', 2],
  ] as const) {
    for (let i = 0; i < layers; i++) {
      const path = `${name}.${i}`;
      for (const part of ['to_q', 'to_k', 'to_v', 'to_out.0'])
        shapes.push([`${path}.attention.${part}.weight`, inner, inner]);
      for (const part of ['q', 'k']) shapes.push([`${path}.attention.norm_${part}.weight`, HEAD]);
      for (const part of ['w1', 'w3']) shapes.push([`${path}.feed_forward.${part}.weight`, forward, inner]);
      shapes.push([`${path}.feed_forward.w2.weight`, inner, forward]);
      for (const part of ['attention_norm1', 'attention_norm2', 'ffn_norm1', 'ffn_norm2'])
        shapes.push([`${path}.${part}.weight`, inner]);
      if (name === 'context_refiner') continue;
      shapes.push([`${path}.adaLN_modulation.0.weight`, 4 * inner, time]);
      shapes.push([`${path}.adaLN_modulation.0.bias`, 4 * inner]);
    }
  }
  return shapes;
}

/** Qwen3 4B: 36 layers of 32 heads for queries and 8 for keys and values. */
export function qwen3Shapes(): Shapes {
  const [inner, forward, heads, keyHeads] = [2560, 9728, 32, 8];
  const shapes: Shapes = [
    ['model.embed_tokens.weight', 151_936, inner],
    ['model.norm.weight', inner],
  ];
  for (let i = 0; i < 36; i++) {
    const path = `model.layers.${i}`;
    shapes.push([`${path}.self_attn.q_proj.weight`, heads * HEAD, inner]);
    for (const part of ['k', 'v']) shapes.push([`${path}.self_attn.${part}_proj.weight`, keyHeads * HEAD, inner]);
    shapes.push([`${path}.self_attn.o_proj.weight`, inner, heads * HEAD]);
    for (const part of ['q', 'k']) shapes.push([`${path}.self_attn.${part}_norm.weight`, HEAD]);
    for (const part of ['gate', 'up']) shapes.push([`${path}.mlp.${part}_proj.weight`, forward, inner]);
    shapes.push([`${path}.mlp.down_proj.weight`, inner, forward]);
    for (const part of ['input', 'post_attention']) shapes.push([`${path}.${part}_layernorm.weight`, inner]);
  }
  return shapes;
}

/** The decoder of FLUX.1's autoencoder, which is Z-Image's too; that of FLUX.2 has twice the latents and the same arithmetic. */
export function decoderShapes(): Shapes {
  return shapesOf(planVae({ width: 128, latents: 16 }).filter(({ name }) => name.startsWith('decoder.')));
}

export function shapesOf(plan: readonly Planned[]): Shapes {
  return plan.map(({ name, shape }) => [name, ...shape]);
}

/** Floats lie as these, which GGUF files have beside blocks: vectors, and a table of words. */
const VECTORS = 'F32';
const TABLES = 'F16';

/**
 * Writes one file of random numbers and gives the tensors of a model as ranges of it, which overlap: what is repacked from
 * it is as large as the real one, while this takes no more than its largest tensors.
 *
 * @param dtype - of matrices, or of everything where it is F16
 */
export async function randomTensors(folder: string, shapes: Shapes, dtype: BlockDtype | 'F16'): Promise<StoredTensors> {
  const { values, bytes } = dtype === 'F16' ? { values: 1, bytes: 2 } : blockFormats[dtype];
  const isTable = (name: string) => name.includes('embed_tokens');
  const isMatrix = ([name, ...shape]: Shapes[number]) =>
    !isTable(name) && shape.length >= 2 && shape[0]! > 1 && shape.at(-1)! % values === 0;
  const largest = Math.max(...shapes.filter(isMatrix).map(([, ...shape]) => count(shape))) / values;
  const blocks = dtype === 'F16' ? randomHalves(largest * 1.2) : randomBlocks(dtype, Math.ceil(largest * 1.2));
  const tables = Math.max(0, ...shapes.filter(([name]) => isTable(name)).map(([, ...shape]) => count(shape)));
  const file = join(folder, `${dtype}-${largest}-${tables}.bin`);
  const into = await open(file, 'w');
  const vectors = pool.subarray(0, 2 ** 17).map((value) => 1 + 0.1 * value);
  const vectorsAt = Math.ceil(blocks.length / 64) * 64;
  const tablesAt = vectorsAt + vectors.byteLength;
  await into.write(blocks, 0, blocks.length, 0);
  await into.write(new Uint8Array(vectors.buffer), 0, vectors.byteLength, vectorsAt);
  const words = new Uint8Array(toFloat16(pool).buffer);
  for (let at = 0; at < tables * 2; at += words.length) {
    await into.write(words, 0, Math.min(words.length, tables * 2 - at), tablesAt + at);
  }
  await into.close();
  const tensors = new Map<string, StoredTensor>();
  const free = Math.floor(blocks.length / bytes - largest);
  for (const [index, named] of shapes.entries()) {
    const [name, ...shape] = named;
    if (isTable(name)) tensors.set(name, { dtype: TABLES, shape, file, offset: tablesAt, length: count(shape) * 2 });
    else if (isMatrix(named)) {
      const offset = ((index * 7919) % free) * bytes;
      tensors.set(name, { dtype, shape, file, offset, length: (count(shape) / values) * bytes });
    } else tensors.set(name, { dtype: VECTORS, shape, file, offset: vectorsAt, length: count(shape) * 4 });
  }
  return tensors;
}

/** ggml's numbers of the types that are written here. */
const ggmlTypes = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 8 } as const;

/** Writes random numbers as a GGUF file, which takes as much of the disk as the real one. */
export async function writeGguf(file: string, shapes: Shapes, dtype: 'Q4_0' | 'Q8_0'): Promise<void> {
  const { values, bytes } = blockFormats[dtype];
  const blocks = randomBlocks(dtype, 2 ** 24 / values);
  const vectors = new Uint8Array(pool.subarray(0, 2 ** 17).map((value) => 1 + 0.1 * value).buffer);
  const words = new Uint8Array(toFloat16(pool).buffer);
  const sourceOf = ([name, ...shape]: Shapes[number]) => {
    if (name.includes('embed_tokens')) return { type: ggmlTypes.F16, from: words, length: count(shape) * 2 };
    const isMatrix = shape.length >= 2 && shape[0]! > 1 && shape.at(-1)! % values === 0;
    if (isMatrix) return { type: ggmlTypes[dtype], from: blocks, length: (count(shape) / values) * bytes };
    return { type: ggmlTypes.F32, from: vectors, length: count(shape) * 4 };
  };
  const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
  const u64 = (value: number) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
  const text = (value: string) => Buffer.concat([u64(value.length), Buffer.from(value)]);
  const header = [Buffer.from('GGUF'), u32(3), u64(shapes.length), u64(0)];
  let end = 0;
  for (const named of shapes) {
    const [name, ...shape] = named;
    const { type, length } = sourceOf(named);
    header.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(type), u64(end));
    end += Math.ceil(length / 32) * 32;
  }
  const into = await open(file, 'w');
  try {
    const joined = Buffer.concat(header);
    await into.write(Buffer.concat([joined, Buffer.alloc((32 - (joined.length % 32)) % 32)]));
    for (const named of shapes) {
      const { from, length } = sourceOf(named);
      const filled = Math.ceil(length / 32) * 32;
      for (let left = filled; left > 0; left -= from.length) await into.write(from, 0, Math.min(from.length, left));
    }
  } finally {
    await into.close();
  }
}

/** Of a spread that keeps the size of what 2000 channels give. */
function randomHalves(length: number): Uint8Array {
  const some = toFloat16(pool.map((value) => 0.02 * value));
  const halves = new Uint16Array(Math.ceil(length));
  for (let at = 0; at < halves.length; at += some.length) halves.set(some.subarray(0, halves.length - at), at);
  return new Uint8Array(halves.buffer);
}

/** Random codes; scales such that a row of 3072 keeps the size of what it is given. */
function randomBlocks(dtype: BlockDtype, blocks: number): Uint8Array {
  const { bytes, bits } = blockFormats[dtype];
  const random = new Uint8Array(blocks * bytes);
  let state = 7;
  const words = new Uint32Array(random.buffer, 0, random.length >> 2);
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  if (dtype !== 'Q4_0' && dtype !== 'Q8_0') throw new Error(`${dtype} is not written here; Q4_0 and Q8_0 are.`);
  const spread = bits === 4 ? 4.6 : 74;
  const [scale] = toFloat16(Float32Array.of(1 / spread / Math.sqrt(3072)));
  for (let at = 0; at < random.length; at += bytes) {
    random[at] = scale! & 255;
    random[at + 1] = scale! >> 8;
  }
  return random;
}
