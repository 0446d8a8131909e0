import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCheckpoint } from '../../runtime/checkpoints/checkpoint.ts';
import { describeModel } from '../../runtime/checkpoints/describe.ts';

/**
 * Files of the published proportions, whose weights are holes in the file: they take no room, and describing a model
 * reads none of them. Shapes are those of the original implementations (ldm and sgm, `UNetModel`, `AutoencoderKL`).
 */
type Shapes = Map<string, number[]>;

let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'latentwire-proportions-'));
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

/** Writes the header and makes the file as long as it says. */
async function writeHollow(name: string, shapes: Shapes): Promise<string> {
  const folder = join(scratch, name);
  await mkdir(folder);
  const header: Record<string, object> = {};
  let at = 0;
  for (const [tensor, shape] of shapes) {
    const length = shape.reduce((product, size) => product * size, 2);
    header[tensor] = { dtype: 'F16', shape, data_offsets: [at, at + length] };
    at += length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  const file = join(folder, `${name}.safetensors`);
  const handle = await open(file, 'w');
  await handle.write(Buffer.concat([prefix, text]));
  await handle.truncate(8 + text.length + at);
  await handle.close();
  return file;
}

function layer(shapes: Shapes, path: string, weight: number[]): void {
  shapes.set(`${path}.weight`, weight);
  shapes.set(`${path}.bias`, [weight[0]!]);
}

interface Proportions {
  model: number;
  multiples: number[];
  /** Transformer blocks on each level. */
  depths: number[];
  text: number;
  linear: boolean;
  /** Channels of sizes and pooled text. */
  sized?: number;
  channels?: number;
}

function unet(shapes: Shapes, { model, multiples, depths, text, linear, sized, channels = 4 }: Proportions): void {
  const root = 'model.diffusion_model';
  const time = 4 * model;
  const resnet = (path: string, from: number, to: number) => {
    layer(shapes, `${path}.in_layers.0`, [from]);
    layer(shapes, `${path}.in_layers.2`, [to, from, 3, 3]);
    layer(shapes, `${path}.emb_layers.1`, [to, time]);
    layer(shapes, `${path}.out_layers.0`, [to]);
    layer(shapes, `${path}.out_layers.3`, [to, to, 3, 3]);
    if (from !== to) layer(shapes, `${path}.skip_connection`, [to, from, 1, 1]);
  };
  const transformer = (path: string, width: number, depth: number) => {
    layer(shapes, `${path}.norm`, [width]);
    for (const side of ['proj_in', 'proj_out'])
      layer(shapes, `${path}.${side}`, linear ? [width, width] : [width, width, 1, 1]);
    for (let block = 0; block < depth; block++) {
      const inside = `${path}.transformer_blocks.${block}`;
      for (const norm of [1, 2, 3]) layer(shapes, `${inside}.norm${norm}`, [width]);
      for (const [attention, from] of [
        ['attn1', width],
        ['attn2', text],
      ] as const) {
        shapes.set(`${inside}.${attention}.to_q.weight`, [width, width]);
        shapes.set(`${inside}.${attention}.to_k.weight`, [width, from]);
        shapes.set(`${inside}.${attention}.to_v.weight`, [width, from]);
        layer(shapes, `${inside}.${attention}.to_out.0`, [width, width]);
      }
      layer(shapes, `${inside}.ff.net.0.proj`, [8 * width, width]);
      layer(shapes, `${inside}.ff.net.2`, [width, 4 * width]);
    }
  };

  layer(shapes, `${root}.time_embed.0`, [time, model]);
  layer(shapes, `${root}.time_embed.2`, [time, time]);
  if (sized !== undefined) {
    layer(shapes, `${root}.label_emb.0.0`, [time, sized]);
    layer(shapes, `${root}.label_emb.0.2`, [time, time]);
  }
  layer(shapes, `${root}.input_blocks.0.0`, [model, channels, 3, 3]);
  const skips = [model];
  let width = model;
  let block = 1;
  for (const [level, multiple] of multiples.entries()) {
    for (let i = 0; i < 2; i++, block++) {
      resnet(`${root}.input_blocks.${block}.0`, width, multiple * model);
      width = multiple * model;
      if (depths[level]) transformer(`${root}.input_blocks.${block}.1`, width, depths[level]);
      skips.push(width);
    }
    if (level === multiples.length - 1) break;
    layer(shapes, `${root}.input_blocks.${block++}.0.op`, [width, width, 3, 3]);
    skips.push(width);
  }
  resnet(`${root}.middle_block.0`, width, width);
  transformer(`${root}.middle_block.1`, width, depths.at(-1) || depths.at(-2)!);
  resnet(`${root}.middle_block.2`, width, width);
  block = 0;
  for (let level = multiples.length - 1; level >= 0; level--) {
    for (let i = 0; i < 3; i++, block++) {
      const path = `${root}.output_blocks.${block}`;
      resnet(`${path}.0`, width + skips.pop()!, multiples[level]! * model);
      width = multiples[level]! * model;
      const depth = depths[level]!;
      if (depth) transformer(`${path}.1`, width, depth);
      if (level > 0 && i === 2) layer(shapes, `${path}.${depth ? 2 : 1}.conv`, [width, width, 3, 3]);
    }
  }
  layer(shapes, `${root}.out.0`, [model]);
  layer(shapes, `${root}.out.2`, [4, model, 3, 3]);
}

function autoencoder(shapes: Shapes): void {
  const root = 'first_stage_model';
  const resnet = (path: string, from: number, to: number) => {
    layer(shapes, `${path}.norm1`, [from]);
    layer(shapes, `${path}.conv1`, [to, from, 3, 3]);
    layer(shapes, `${path}.norm2`, [to]);
    layer(shapes, `${path}.conv2`, [to, to, 3, 3]);
    if (from !== to) layer(shapes, `${path}.nin_shortcut`, [to, from, 1, 1]);
  };
  const middle = (path: string) => {
    for (const block of [1, 2]) resnet(`${path}.mid.block_${block}`, 512, 512);
    layer(shapes, `${path}.mid.attn_1.norm`, [512]);
    for (const name of ['q', 'k', 'v', 'proj_out']) layer(shapes, `${path}.mid.attn_1.${name}`, [512, 512, 1, 1]);
  };
  const widths = [128, 256, 512, 512];
  layer(shapes, `${root}.encoder.conv_in`, [128, 3, 3, 3]);
  let width = 128;
  for (const [level, to] of widths.entries()) {
    for (const i of [0, 1]) {
      resnet(`${root}.encoder.down.${level}.block.${i}`, width, to);
      width = to;
    }
    if (level < 3) layer(shapes, `${root}.encoder.down.${level}.downsample.conv`, [to, to, 3, 3]);
  }
  middle(`${root}.encoder`);
  layer(shapes, `${root}.encoder.norm_out`, [512]);
  layer(shapes, `${root}.encoder.conv_out`, [8, 512, 3, 3]);
  layer(shapes, `${root}.quant_conv`, [8, 8, 1, 1]);
  layer(shapes, `${root}.post_quant_conv`, [4, 4, 1, 1]);
  layer(shapes, `${root}.decoder.conv_in`, [512, 4, 3, 3]);
  middle(`${root}.decoder`);
  for (const level of [3, 2, 1, 0]) {
    for (const i of [0, 1, 2]) {
      resnet(`${root}.decoder.up.${level}.block.${i}`, width, widths[level]!);
      width = widths[level]!;
    }
    if (level > 0) layer(shapes, `${root}.decoder.up.${level}.upsample.conv`, [width, width, 3, 3]);
  }
  layer(shapes, `${root}.decoder.norm_out`, [128]);
  layer(shapes, `${root}.decoder.conv_out`, [3, 128, 3, 3]);
}

function clip(shapes: Shapes, root: string): void {
  shapes.set(`${root}.embeddings.position_ids`, [1, 77]);
  shapes.set(`${root}.embeddings.token_embedding.weight`, [49408, 768]);
  shapes.set(`${root}.embeddings.position_embedding.weight`, [77, 768]);
  for (let i = 0; i < 12; i++) {
    const path = `${root}.encoder.layers.${i}`;
    for (const name of ['q', 'k', 'v', 'out']) layer(shapes, `${path}.self_attn.${name}_proj`, [768, 768]);
    layer(shapes, `${path}.layer_norm1`, [768]);
    layer(shapes, `${path}.layer_norm2`, [768]);
    layer(shapes, `${path}.mlp.fc1`, [3072, 768]);
    layer(shapes, `${path}.mlp.fc2`, [768, 3072]);
  }
  layer(shapes, `${root}.final_layer_norm`, [768]);
}

function openClip(shapes: Shapes, root: string, width: number, layers: number): void {
  shapes.set(`${root}.positional_embedding`, [77, width]);
  shapes.set(`${root}.text_projection`, [width, width]);
  shapes.set(`${root}.logit_scale`, []);
  shapes.set(`${root}.token_embedding.weight`, [49408, width]);
  for (let i = 0; i < layers; i++) {
    const path = `${root}.transformer.resblocks.${i}`;
    shapes.set(`${path}.attn.in_proj_weight`, [3 * width, width]);
    shapes.set(`${path}.attn.in_proj_bias`, [3 * width]);
    layer(shapes, `${path}.attn.out_proj`, [width, width]);
    layer(shapes, `${path}.ln_1`, [width]);
    layer(shapes, `${path}.ln_2`, [width]);
    layer(shapes, `${path}.mlp.c_fc`, [4 * width, width]);
    layer(shapes, `${path}.mlp.c_proj`, [width, 4 * width]);
  }
  layer(shapes, `${root}.ln_final`, [width]);
}

test('Stable Diffusion 1.5 is recognised, its EMA weights and all', async () => {
  const shapes: Shapes = new Map();
  unet(shapes, { model: 320, multiples: [1, 2, 4, 4], depths: [1, 1, 1, 0], text: 768, linear: false });
  autoencoder(shapes);
  clip(shapes, 'cond_stage_model.transformer.text_model');
  for (const name of ['alphas_cumprod', 'betas']) shapes.set(name, [1000]);
  shapes.set('model_ema.diffusion_modelinput_blocks00weight', [320, 4, 3, 3]);
  const file = await writeHollow('sd15', shapes);
  const description = await describeModel(file);
  expect(description.reason).toBeUndefined();
  expect(description).toMatchObject({
    available: true,
    architecture: 'sd1x',
    family: 'sd',
    precision: 'float16',
    defaultWidth: 512,
    sizeMultiple: 8,
  });
  const { denoiser: config, text_encoder: textEncoder, vae, scheduler } = (await openCheckpoint(file)).configs;
  expect(config).toMatchObject({
    block_out_channels: [320, 640, 1280, 1280],
    attention_head_dim: 8,
    norm_num_groups: 32,
    cross_attention_dim: 768,
    use_linear_projection: false,
  });
  expect(textEncoder).toMatchObject({ num_attention_heads: 12, num_hidden_layers: 12, hidden_act: 'quick_gelu' });
  expect(vae).toMatchObject({ block_out_channels: [128, 256, 512, 512], layers_per_block: 2, latent_channels: 4 });
  expect(scheduler).toMatchObject({ _class_name: 'PNDMScheduler', skip_prk_steps: true, set_alpha_to_one: false });
});

// Stability's files have 24 layers; those made from diffusers folders lack the one that nothing reads.
test.each([24, 23])('Stable Diffusion 2.1 is recognised, with %i layers in its text encoder', async (layers) => {
  const shapes: Shapes = new Map();
  unet(shapes, { model: 320, multiples: [1, 2, 4, 4], depths: [1, 1, 1, 0], text: 1024, linear: true });
  autoencoder(shapes);
  openClip(shapes, 'cond_stage_model.model', 1024, layers);
  const file = await writeHollow(`sd21-${layers}`, shapes);
  const description = await describeModel(file);
  expect(description.reason).toBeUndefined();
  expect(description).toMatchObject({ available: true, architecture: 'sd2x', family: 'sd' });
  const { configs, tokenizer } = await openCheckpoint(file);
  const { denoiser: config, text_encoder: textEncoder } = configs;
  expect(config).toMatchObject({ attention_head_dim: [5, 10, 20, 20], use_linear_projection: true });
  expect(textEncoder).toMatchObject({ num_attention_heads: 16, num_hidden_layers: 23, hidden_act: 'gelu' });
  expect(await tokenizer('tokenizer')).toEqual({ folder: undefined, padToken: '!' });
});

test('Stable Diffusion XL is recognised, which has more than four gigabytes', async () => {
  const shapes: Shapes = new Map();
  unet(shapes, { model: 320, multiples: [1, 2, 4], depths: [0, 2, 10], text: 2048, linear: true, sized: 2816 });
  autoencoder(shapes);
  clip(shapes, 'conditioner.embedders.0.transformer.text_model');
  openClip(shapes, 'conditioner.embedders.1.model', 1280, 32);
  const file = await writeHollow('sdxl', shapes);
  const description = await describeModel(file);
  expect(description.reason).toBeUndefined();
  expect(description).toMatchObject({ available: true, architecture: 'sdxl', family: 'sdxl', defaultWidth: 1024 });
  expect(description.sizeBytes).toBeGreaterThan(6e9);
  const { denoiser: config, text_encoder_2: textEncoder2, scheduler } = (await openCheckpoint(file)).configs;
  expect(config).toMatchObject({
    attention_head_dim: [5, 10, 20],
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    transformer_layers_per_block: [1, 2, 10],
    addition_time_embed_dim: 256,
    projection_class_embeddings_input_dim: 2816,
  });
  expect(textEncoder2).toMatchObject({ num_attention_heads: 20, num_hidden_layers: 32, projection_dim: 1280 });
  expect(scheduler).toMatchObject({ _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'leading' });
});

test('the refiner of Stable Diffusion XL is recognised', async () => {
  const shapes: Shapes = new Map();
  unet(shapes, { model: 384, multiples: [1, 2, 4, 4], depths: [0, 4, 4, 0], text: 1280, linear: true, sized: 2560 });
  autoencoder(shapes);
  openClip(shapes, 'conditioner.embedders.0.model', 1280, 32);
  const file = await writeHollow('refiner', shapes);
  const description = await describeModel(file);
  expect(description.reason).toBeUndefined();
  expect(description).toMatchObject({ available: true, refiner: true, architecture: 'sdxl' });
  const { denoiser: config } = (await openCheckpoint(file)).configs;
  expect(config).toMatchObject({ attention_head_dim: [6, 12, 24, 24], addition_time_embed_dim: 256 });
});
