/**
 * Writes a model of random weights in the shape of Stable Diffusion 1.5, for benchmarks and tests of loading: as large and
 * as slow as the real one, and nobody has to download anything.
 *
 *     node dist/bench/randomModel.js FOLDER [--dtype F32|F16|BF16] [--width 320] [--parts unet,vae,text_encoder]
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { toFloat16 } from '../runtime/tensors/float16.ts';

export type RandomDtype = 'F32' | 'F16' | 'BF16';
export type RandomPart = 'unet' | 'vae' | 'text_encoder';

export interface RandomModel {
  /** Default F32. */
  dtype?: RandomDtype | undefined;
  /** Channels of the UNet's first block, a multiple of 40; default 320, as Stable Diffusion 1.5. The rest in proportion. */
  width?: number | undefined;
  /** Default all three. */
  parts?: readonly RandomPart[] | undefined;
}

/** Name, shape and spread of one tensor. */
export interface Planned {
  name: string;
  shape: readonly number[];
  /** `one` for scales of normalizations; otherwise the standard deviation. */
  spread: number | 'one';
}

/** Writes a folder in the diffusers layout, 4.3 GB for the default shape in F32. Returns the bytes of all weights. */
export async function writeRandomModel(folder: string, model: RandomModel = {}): Promise<number> {
  const { dtype = 'F32', width = 320, parts = ['unet', 'vae', 'text_encoder'] } = model;
  if (width % 40 !== 0) throw new RangeError(`The width must be a multiple of 40, not ${width}.`);
  const text = (width * 12) / 5;
  const unet = { width, text, heads: 8, groups: groupsOf(width) };
  const vae = { width: (width * 2) / 5, groups: groupsOf((width * 2) / 5) };
  const clip = { hidden: text, layers: width === 320 ? 12 : 2, heads: 12 };
  const configs: Record<string, object> = {
    'model_index.json': { _class_name: 'StableDiffusionPipeline' },
    'scheduler/scheduler_config.json': {
      _class_name: 'PNDMScheduler',
      beta_start: 0.00085,
      beta_end: 0.012,
      beta_schedule: 'scaled_linear',
      skip_prk_steps: true,
      steps_offset: 1,
    },
    'unet/config.json': {
      _class_name: 'UNet2DConditionModel',
      in_channels: 4,
      out_channels: 4,
      sample_size: 64,
      attention_head_dim: unet.heads,
      block_out_channels: [1, 2, 4, 4].map((factor) => factor * width),
      cross_attention_dim: text,
      layers_per_block: 2,
      norm_num_groups: unet.groups,
    },
    'vae/config.json': {
      _class_name: 'AutoencoderKL',
      latent_channels: 4,
      block_out_channels: [1, 2, 4, 4].map((factor) => factor * vae.width),
      norm_num_groups: vae.groups,
      scaling_factor: 0.18215,
    },
    'text_encoder/config.json': {
      architectures: ['CLIPTextModel'],
      hidden_size: clip.hidden,
      num_hidden_layers: clip.layers,
      num_attention_heads: clip.heads,
      max_position_embeddings: 77,
      hidden_act: 'quick_gelu',
      layer_norm_eps: 1e-5,
      vocab_size: vocabularySize,
    },
  };
  for (const [name, config] of Object.entries(configs)) await writeJson(join(folder, name), config);
  await writeTokenizer(join(folder, 'tokenizer'));
  const files: Record<RandomPart, [file: string, plan: () => Planned[]]> = {
    unet: ['unet/diffusion_pytorch_model.safetensors', () => planUNet(unetShape(unet))],
    vae: ['vae/diffusion_pytorch_model.safetensors', () => planVae(vae)],
    text_encoder: ['text_encoder/model.safetensors', () => planClip(clip)],
  };
  let bytes = 0;
  for (const part of parts) {
    const [file, plan] = files[part];
    bytes += await writeWeights(join(folder, file), plan(), dtype);
  }
  return bytes;
}

export const vocabularySize = 49408;

/** Random matrices whose rows keep the size of what they are given; the way back into a residual sum is weaker. */
class Plan {
  readonly tensors: Planned[] = [];

  linear(path: string, out: number, into: number, options: { bias?: boolean; gain?: number } = {}): void {
    this.tensors.push({ name: `${path}.weight`, shape: [out, into], spread: (options.gain ?? 1) / Math.sqrt(into) });
    if (options.bias ?? true) this.tensors.push({ name: `${path}.bias`, shape: [out], spread: 0.05 });
  }

  conv(path: string, out: number, into: number, size: 1 | 3, gain = 1): void {
    const spread = gain / Math.sqrt(into * size * size);
    this.tensors.push({ name: `${path}.weight`, shape: [out, into, size, size], spread });
    this.tensors.push({ name: `${path}.bias`, shape: [out], spread: 0.05 });
  }

  norm(path: string, channels: number): void {
    this.tensors.push({ name: `${path}.weight`, shape: [channels], spread: 'one' });
    this.tensors.push({ name: `${path}.bias`, shape: [channels], spread: 0.05 });
  }

  resnet(path: string, into: number, out: number, time?: number): void {
    this.norm(`${path}.norm1`, into);
    this.conv(`${path}.conv1`, out, into, 3);
    if (time !== undefined) this.linear(`${path}.time_emb_proj`, out, time);
    this.norm(`${path}.norm2`, out);
    this.conv(`${path}.conv2`, out, out, 3, 0.5);
    if (into !== out) this.conv(`${path}.conv_shortcut`, out, into, 1);
  }

  transformer(path: string, channels: number, text: number, depth: number): void {
    this.norm(`${path}.norm`, channels);
    this.conv(`${path}.proj_in`, channels, channels, 1);
    for (let layer = 0; layer < depth; layer++) {
      const block = `${path}.transformer_blocks.${layer}`;
      for (const [index, width] of [channels, text].entries()) {
        const attention = `${block}.attn${index + 1}`;
        this.linear(`${attention}.to_q`, channels, channels, { bias: false });
        this.linear(`${attention}.to_k`, channels, width, { bias: false });
        this.linear(`${attention}.to_v`, channels, width, { bias: false });
        this.linear(`${attention}.to_out.0`, channels, channels, { gain: 0.5 });
      }
      this.linear(`${block}.ff.net.0.proj`, 8 * channels, channels);
      this.linear(`${block}.ff.net.2`, channels, 4 * channels, { gain: 0.5 });
      for (const index of [1, 2, 3]) this.norm(`${block}.norm${index}`, channels);
    }
    this.conv(`${path}.proj_out`, channels, channels, 1, 0.5);
  }
}

export interface UNetShape {
  /** Of each block on the way down. */
  channels: readonly number[];
  /** Transformer layers of each block on the way down, 0 for none; the middle has those of the last block, at least one. */
  depths: readonly number[];
  /** Channels of the text states. */
  text: number;
  /** Of the pooled text and the sizes of the picture together, for XL. */
  added?: number | undefined;
}

/** Stable Diffusion 1.5 at some width. */
function unetShape({ width, text }: { width: number; text: number }): UNetShape {
  return { channels: [1, 2, 4, 4].map((factor) => factor * width), depths: [1, 1, 1, 0], text };
}

export function planUNet({ channels, depths, text, added }: UNetShape): Planned[] {
  const plan = new Plan();
  const [width, last] = [channels[0]!, channels.length - 1];
  const time = 4 * width;
  plan.conv('conv_in', width, 4, 3);
  plan.linear('time_embedding.linear_1', time, width);
  plan.linear('time_embedding.linear_2', time, time);
  if (added !== undefined) {
    plan.linear('add_embedding.linear_1', time, added);
    plan.linear('add_embedding.linear_2', time, time);
  }
  const skips = [width];
  let from = width;
  for (const [block, to] of channels.entries()) {
    for (const layer of [0, 1]) {
      plan.resnet(`down_blocks.${block}.resnets.${layer}`, from, to, time);
      if (depths[block]! > 0) plan.transformer(`down_blocks.${block}.attentions.${layer}`, to, text, depths[block]!);
      from = to;
      skips.push(to);
    }
    if (block < last) {
      plan.conv(`down_blocks.${block}.downsamplers.0.conv`, to, to, 3);
      skips.push(to);
    }
  }
  for (const layer of [0, 1]) plan.resnet(`mid_block.resnets.${layer}`, from, from, time);
  plan.transformer('mid_block.attentions.0', from, text, Math.max(1, depths[last]!));
  for (const [block, to] of channels.toReversed().entries()) {
    for (const layer of [0, 1, 2]) {
      plan.resnet(`up_blocks.${block}.resnets.${layer}`, from + skips.pop()!, to, time);
      const depth = depths[last - block]!;
      if (depth > 0) plan.transformer(`up_blocks.${block}.attentions.${layer}`, to, text, depth);
      from = to;
    }
    if (block < last) plan.conv(`up_blocks.${block}.upsamplers.0.conv`, to, to, 3);
  }
  plan.norm('conv_norm_out', width);
  plan.conv('conv_out', 4, width, 3);
  return plan.tensors;
}

export function planVae({ width, latents = 4 }: { width: number; latents?: number }): Planned[] {
  const plan = new Plan();
  const channels = [1, 2, 4, 4].map((factor) => factor * width);
  const widest = channels.at(-1)!;
  for (const side of ['encoder', 'decoder'] as const) {
    const [blocks, layers] = side === 'encoder' ? [channels, [0, 1]] : [channels.toReversed(), [0, 1, 2]];
    let from = blocks[0]!;
    plan.conv(`${side}.conv_in`, from, side === 'encoder' ? 3 : latents, 3);
    for (const [block, to] of blocks.entries()) {
      const path = `${side}.${side === 'encoder' ? 'down' : 'up'}_blocks.${block}`;
      for (const layer of layers) {
        plan.resnet(`${path}.resnets.${layer}`, from, to);
        from = to;
      }
      const sampler = side === 'encoder' ? 'downsamplers' : 'upsamplers';
      if (block < 3) plan.conv(`${path}.${sampler}.0.conv`, to, to, 3);
    }
    for (const layer of [0, 1]) plan.resnet(`${side}.mid_block.resnets.${layer}`, widest, widest);
    const attention = `${side}.mid_block.attentions.0`;
    plan.norm(`${attention}.group_norm`, widest);
    for (const name of ['to_q', 'to_k', 'to_v']) plan.linear(`${attention}.${name}`, widest, widest);
    plan.linear(`${attention}.to_out.0`, widest, widest, { gain: 0.5 });
    plan.norm(`${side}.conv_norm_out`, from);
    plan.conv(`${side}.conv_out`, side === 'encoder' ? 2 * latents : 3, from, 3);
  }
  plan.conv('quant_conv', 2 * latents, 2 * latents, 1);
  plan.conv('post_quant_conv', latents, latents, 1);
  return plan.tensors;
}

export function planClip({ hidden, layers }: { hidden: number; layers: number }): Planned[] {
  const plan = new Plan();
  const root = 'text_model';
  for (const [name, rows] of Object.entries({ token: vocabularySize, position: 77 })) {
    plan.tensors.push({ name: `${root}.embeddings.${name}_embedding.weight`, shape: [rows, hidden], spread: 0.5 });
  }
  for (let layer = 0; layer < layers; layer++) {
    const path = `${root}.encoder.layers.${layer}`;
    for (const name of ['q_proj', 'k_proj', 'v_proj']) plan.linear(`${path}.self_attn.${name}`, hidden, hidden);
    plan.linear(`${path}.self_attn.out_proj`, hidden, hidden, { gain: 0.5 });
    plan.linear(`${path}.mlp.fc1`, 4 * hidden, hidden);
    plan.linear(`${path}.mlp.fc2`, hidden, 4 * hidden, { gain: 0.5 });
    plan.norm(`${path}.layer_norm1`, hidden);
    plan.norm(`${path}.layer_norm2`, hidden);
  }
  plan.norm(`${root}.final_layer_norm`, hidden);
  return plan.tensors;
}

/**
 * Streams a safetensors file. Numbers come from one pool of random ones, read over and over from where the last tensor
 * stopped: drawing a thousand million of them would take longer than everything that is measured.
 */
/** Writes a safetensors file. Returns its bytes. */
export async function writeWeights(file: string, plan: readonly Planned[], dtype: RandomDtype): Promise<number> {
  const size = dtype === 'F32' ? 4 : 2;
  const header: Record<string, object> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const { name, shape } of plan) {
    const begin = end;
    end += size * count(shape);
    header[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  let json = JSON.stringify(header);
  json += ' '.repeat((8 - (json.length % 8)) % 8);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));

  const out = createWriteStream(file, { highWaterMark: 2 ** 24 });
  const put = async (bytes: Uint8Array) => {
    if (!out.write(bytes)) await once(out, 'drain');
  };
  await put(prefix);
  await put(Buffer.from(json, 'latin1'));
  let at = 0;
  for (const { shape, spread } of plan) {
    for (let left = count(shape); left > 0; ) {
      if (at === pool.length) at = 0;
      const taken = pool.subarray(at, at + Math.min(left, 2 ** 21));
      const values = spread === 'one' ? taken.map((v) => 1 + 0.1 * v) : taken.map((v) => v * spread);
      await put(encode(values, dtype));
      at += taken.length;
      left -= taken.length;
    }
  }
  out.end();
  await finished(out);
  return 8 + json.length + end;
}

/** Uniform numbers of mean 0 and deviation 1. A prime length keeps rows of one matrix from repeating each other. */
export const pool = (() => {
  const numbers = new Float32Array(4_194_301);
  let state = 1;
  for (let i = 0; i < numbers.length; i++) {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    numbers[i] = ((state >>> 0) / 2 ** 32 - 0.5) * Math.sqrt(12);
  }
  return numbers;
})();

function encode(values: Float32Array, dtype: RandomDtype): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer);
  if (dtype === 'F16') return new Uint8Array(toFloat16(values).buffer);
  // bfloat16 is the upper half of float32; cut rather than rounded, which random numbers do not mind.
  const bits = new Uint32Array(values.buffer);
  return new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer);
}

/** A vocabulary of the published size: bytes, bytes that end a word, pairs, and the two marks. */
async function writeTokenizer(folder: string): Promise<void> {
  const printable = Array.from({ length: 256 }, (_, i) =>
    String.fromCodePoint((i >= 33 && i <= 126) || (i >= 161 && i !== 173) ? i : 256 + i),
  );
  const merges: string[] = [];
  const tokens = [...printable, ...printable.map((c) => `${c}</w>`)];
  for (const first of printable) {
    for (const second of printable) {
      if (tokens.length === vocabularySize - 2) break;
      merges.push(`${first} ${second}</w>`);
      tokens.push(`${first}${second}</w>`);
    }
  }
  tokens.push('<|startoftext|>', '<|endoftext|>');
  await writeJson(join(folder, 'vocab.json'), Object.fromEntries(tokens.map((token, id) => [token, id])));
  await writeFile(join(folder, 'merges.txt'), `#version: 0.2\n${merges.join('\n')}\n`);
}

async function writeJson(file: string, value: object): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, JSON.stringify(value, null, 2));
}

export function count(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { dtype: { type: 'string' }, width: { type: 'string' }, parts: { type: 'string' } },
  });
  const [folder] = positionals;
  if (folder === undefined) throw new Error('Say which folder to write.');
  const bytes = await writeRandomModel(folder, {
    dtype: values.dtype as RandomDtype | undefined,
    width: values.width === undefined ? undefined : Number(values.width),
    parts: values.parts?.split(',') as RandomPart[] | undefined,
  });
  console.log(`${folder}: ${bytes} bytes of weights`);
}

/** As many as Stable Diffusion has, or the most powers of two that divide the channels. */
function groupsOf(channels: number): number {
  let groups = 32;
  while (channels % groups !== 0) groups /= 2;
  return groups;
}
