import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import type { Conditioning, InputContext } from '../../runtime/families/family.ts';
import { flux, fluxPositions } from '../../runtime/families/flux.ts';
import { encoderIn } from '../../runtime/families/inferConfigs.ts';
import { checkConfig } from '../../runtime/families/ranges.ts';
import { rotaryTables } from '../../runtime/families/rotary.ts';
import { zImagePositions } from '../../runtime/families/zImage.ts';
import { readStoredTensors, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { type AutoencoderKLConfig, writeVaeDecoder } from '../../runtime/graphs/autoencoderKL.ts';
import { writeClipText } from '../../runtime/graphs/clipText.ts';
import { type SD3TransformerConfig, writeSD3Transformer } from '../../runtime/graphs/sd3Transformer.ts';
import { type SiglipVisionConfig, writeSiglipVision } from '../../runtime/graphs/siglipVision.ts';
import { type T5Config, writeT5Encoder } from '../../runtime/graphs/t5Encoder.ts';
import { checkTransformerShapes } from '../../runtime/graphs/transformerShapes.ts';
import { writeZImageTransformer, type ZImageConfig } from '../../runtime/graphs/zImageTransformer.ts';
import type { GenerateRequest } from '../../runtime/messages.ts';
import { contextOf } from '../../runtime/pipelines/generate.ts';
import type { Run } from '../../runtime/run.ts';
import { createScheduler } from '../../runtime/schedulers/index.ts';
import { floats, int64s } from '../../runtime/tensors/tensor.ts';
import { readFluxGoldens } from '../helpers/fluxGoldens.ts';
import { modelsFolder, type Recorded, relativeError } from '../helpers/goldens.ts';
import { expectClose, openWritten, readPart, recorded } from '../helpers/graphs.ts';
import { readSD3Goldens } from '../helpers/sd3Goldens.ts';
import { type Content, readContents, writeSafetensors } from '../helpers/singleFile.ts';
import { drawn, drive, openModels } from '../helpers/trajectories.ts';
import { readJsonArchive, readTransformerGoldens, writeTransformerFile } from '../helpers/transformerGoldens.ts';

/** What PyTorch computed with weights of the tiny models under configs that published models do not have. */
const goldens = readJsonArchive<{
  /** `tiny-flux-dev`'s T5 with `relu` for its gates, the first 10 buckets times 4, and distances up to 20. */
  t5: { ids: number[]; states: Recorded };
  /** Of `tiny-flux-redux` with `quick_gelu`, for pixels sin(0.37 · i). */
  siglip: { states: Recorded };
  /** The recorded call of `tiny-z-image` with another `norm_eps`. */
  zImage: { normEps: number; output: Recorded };
}>('other-configs');

const modelCache = openModels();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'other-configs-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A copy of a tiny model with changes to the configs of its parts. */
async function copyOf(name: string, configs: Record<string, object> = {}): Promise<string> {
  const copy = await mkdtemp(join(folder, 'model-'));
  await cp(join(modelsFolder, name), copy, { recursive: true });
  for (const [file, changes] of Object.entries(configs)) {
    const path = join(copy, file);
    await writeFile(path, JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), ...changes }));
  }
  return copy;
}

async function changeWeights(file: string, change: (contents: Map<string, Content>) => void): Promise<void> {
  const contents = await readContents(file);
  change(contents);
  await writeSafetensors(file, contents);
}

/** What the prompts of a request became, with an unconditional branch. */
async function conditioned(request: GenerateRequest): Promise<Conditioning> {
  const opened = await modelCache.model(request.model);
  let conditioning: Conditioning | undefined;
  async function* run(): Run {
    conditioning = yield* opened.configs.family.condition(
      contextOf(modelCache, opened, request, true, { key: '', loras: [] }),
    );
    return { width: 0, height: 0, data: new Uint8Array() };
  }
  await drive(run());
  return conditioning!;
}

describe.each([
  ['FLUX.1', 'tiny-flux-dev', 8],
  ['FLUX.2', 'tiny-flux2-klein', 8],
  ['Z-Image', 'tiny-z-image', 8],
  ['Stable Diffusion 3', 'tiny-sd3', 8],
] as const)('%s with an autoencoder that halves pictures twice', (_name, model, sizeMultiple) => {
  let copy: string;

  beforeAll(async () => {
    const types = (type: string) => Array.from({ length: 3 }, () => type);
    copy = await copyOf(model, {
      'vae/config.json': {
        block_out_channels: [8, 16, 16],
        down_block_types: types('DownEncoderBlock2D'),
        up_block_types: types('UpDecoderBlock2D'),
      },
    });
    await changeWeights(join(copy, 'vae', 'diffusion_pytorch_model.safetensors'), (contents) => {
      const moved = [...contents].filter(([name]) => name.startsWith('decoder.up_blocks.3.'));
      for (const name of [...contents.keys()]) {
        if (/^encoder\.down_blocks\.(3|2\.downsamplers)\.|^decoder\.up_blocks\.[23]\./.test(name))
          contents.delete(name);
      }
      for (const [name, content] of moved) contents.set(name.replace('up_blocks.3', 'up_blocks.2'), content);
    });
  });

  test('takes sizes in smaller steps, and draws pictures of the size that was asked for', async () => {
    expect(await describeModel(copy)).toMatchObject({ available: true, sizeMultiple });
    const size = { width: 40, height: 24 };
    const request = { ...size, model: copy, prompt: 'a red fox', seed: 1n, steps: 1, guidanceScale: 0 };
    expect(await drawn(modelCache, request)).toMatchObject(size);
  });
});

test('FLUX.1 counts tokens of the size that its autoencoder gives them, for its shift and for what Fill is shown', async () => {
  const vae = { block_out_channels: [8, 16, 16] };
  const { configs } = await modelCache.model(join(modelsFolder, 'tiny-flux-dev'));
  const { base_image_seq_len: least, max_image_seq_len: most } = configs.configs.scheduler as Record<string, number>;
  const request = { width: 64, height: 48 } as GenerateRequest;
  const flow = flux.sigmas!({ ...configs, sizeMultiple: 8, configs: { ...configs.configs, vae } }, request);
  expect(flow.mu).toBeCloseTo(0.5 + (0.65 * (8 * 6 - least!)) / (most! - least!), 6);
  // Latents, those of the masked picture, and a mask of 8 × 8 pixels.
  const denoiser = { in_channels: 64 + 64 + 64, out_channels: 64 };
  expect(flux.input({ configs: { ...configs.configs, denoiser, vae } })).toBe('inpaint');
  expect(() => flux.input({ configs: { ...configs.configs, denoiser } })).toThrow(
    'The transformer takes tokens of 192 features; supported are 64, 128 (Control) and 384 (Fill).',
  );
  const few = { in_channels: 32, out_channels: null };
  expect(flux.input({ configs: { ...configs.configs, denoiser: few } })).toBe('latents');
  expect(flux.latents.shape!({ ...configs.configs, denoiser: few }).channels).toBe(8);
});

describe('the shift of a schedule depends on the size of the picture where the scheduler says so, and only there', () => {
  // Computed with NumPy by the published set_timesteps.
  const line = { base_image_seq_len: 100, max_image_seq_len: 1000, base_shift: 0.4, max_shift: 1.3 };
  test.each([
    ['tiny-sd3', { use_dynamic_shifting: true, ...line }, [64, 48], [1, 0.7323636, 0.4065735, 0.0013657]],
    ['tiny-z-image', { use_dynamic_shifting: true }, [96, 64], [1, 0.8262588, 0.6131871, 0.3457252]],
    ['tiny-flux2-klein', { use_dynamic_shifting: false, shift: 3 }, [96, 64], [1, 0.9, 0.75, 0.5]],
  ] as const)('%s', async (model, scheduler, [width, height], expected) => {
    const copy = await copyOf(model, { 'scheduler/scheduler_config.json': scheduler });
    const { configs } = await modelCache.model(copy);
    const request = { width, height, steps: 4 } as GenerateRequest;
    const flow = configs.family.sigmas!(configs, request);
    const { timesteps } = createScheduler(configs.configs.scheduler, undefined, 4, flow);
    for (const [step, sigma] of expected.entries()) expect(timesteps[step]! / 1000).toBeCloseTo(sigma, 6);
  });
});

test('Stable Diffusion 3 with patches of one position gives what it gives with larger ones of fewer channels', async () => {
  const { config, tensors } = await readPart<SD3TransformerConfig>(join(modelsFolder, 'tiny-sd3', 'transformer'));
  const call = readSD3Goldens().transformer;
  const { promptEmbeds, pooled } = readSD3Goldens().conditioning;
  const name = 'pos_embed.proj.weight';
  const projection = tensors.get(name)!;
  const [inner] = projection.shape as [number];
  const joined: StoredTensors = new Map([...tensors, [name, { ...projection, shape: [inner, 64, 1, 1] }]]);
  checkTransformerShapes('sd3', joined);
  const graph = await openWritten(writeSD3Transformer(config, joined));
  const [, channels, height, width] = call.hiddenStates.shape as [number, number, number, number];
  const [rows, columns] = [height / 2, width / 2];
  /** Each place of a patch as channels of its own. */
  const apart = ({ data }: Recorded, index: (channel: number, dy: number, dx: number) => number) => {
    const result = new Float32Array(data.length);
    for (let at = 0; at < data.length; at++) {
      const [x, y, channel] = [at % width, Math.floor(at / width) % height, Math.floor(at / width / height)];
      const to = index(channel, y % 2, x % 2) * rows * columns + Math.floor(y / 2) * columns + Math.floor(x / 2);
      result[to] = data[at]!;
    }
    return result;
  };
  const sample = apart(call.hiddenStates, (channel, dy, dx) => channel * 4 + dy * 2 + dx);
  const { out_sample: out } = await graph.run({
    sample: floats(sample, [1, 64, rows, columns]),
    timestep: floats(Float32Array.of(call.timestep), [1]),
    encoder_hidden_states: recorded(promptEmbeds),
    pooled_projections: recorded(pooled),
  });
  const expected = apart(call.output, (channel, dy, dx) => (dy * 2 + dx) * channels + channel);
  expect(out!.dims).toEqual([1, 64, rows, columns]);
  expect(relativeError(out!.data as Float32Array, [...expected])).toBeLessThan(1e-3);
  await graph.close();
});

test('a scheduler whose config has a number that JSON lacks, as Python writes it, is read', async () => {
  const copy = await copyOf('tiny-sd15', {
    'scheduler/scheduler_config.json': { _class_name: 'DPMSolverMultistepScheduler', lambda_min_clipped: null },
  });
  const size = { width: 64, height: 64, steps: 3, guidanceScale: 1 };
  const request = { ...size, prompt: 'a red fox', seed: 1n };
  const expected = await drawn(modelCache, { ...request, model: copy });
  const unbounded = await copyOf('tiny-sd15');
  const file = join('scheduler', 'scheduler_config.json');
  const text = await readFile(join(copy, file), 'utf8');
  await writeFile(join(unbounded, file), text.replace('"lambda_min_clipped":null', '"lambda_min_clipped": -Infinity'));
  expect(await describeModel(unbounded)).toMatchObject({ available: true });
  expect(await drawn(modelCache, { ...request, model: unbounded })).toEqual(expected);
});

test('Stable Diffusion 3.5 Large, whose blocks all look once, is not refused for its empty list', () => {
  expect(() => checkConfig('denoiser', { dual_attention_layers: [] })).not.toThrow();
});

test('states of CLIP that are wider than those of T5 are cut, also where there is no T5', async () => {
  const copy = await copyOf('tiny-sd3', {
    'transformer/config.json': { joint_attention_dim: 40 },
    'model_index.json': { text_encoder_3: [null, null], tokenizer_3: [null, null] },
  });
  const { prompt, promptEmbeds } = readSD3Goldens().conditioning;
  const size = { width: 64, height: 48, steps: 1, guidanceScale: 1, maxSequenceLength: 16 };
  const request: GenerateRequest = { ...size, model: copy, prompt, seed: 0n };
  const { data, length, width } = (await conditioned(request)).positive.embeddings;
  expect([length, width]).toEqual([77 + 16, 40]);
  const expected = Array.from({ length: 77 }, (_, row) => promptEmbeds.data.slice(row * 64, row * 64 + 40)).flat();
  expect(relativeError(data.subarray(0, 77 * 40), expected)).toBeLessThan(1e-3);
  expect(data.subarray(77 * 40).every((value) => value === 0)).toBe(true);
});

test('Z-Image normalizes queries and keys as trained, whatever its config says of other norms', async () => {
  const { config, tensors } = await readPart<ZImageConfig>(join(modelsFolder, 'tiny-z-image', 'transformer'));
  const { latents, t, captionFeatures } = readTransformerGoldens('tiny-z-image').transformer;
  const [channels, , height, width] = latents.shape as [number, number, number, number];
  const positions = zImagePositions(height / 2, width / 2, captionFeatures.shape[0]!);
  const { cos, sin } = rotaryTables(positions, config.axes_dims!, config.rope_theta!);
  const table = (data: Float32Array) => floats(data, [positions.length, data.length / positions.length]);
  const { normEps, output } = goldens.zImage;
  const graph = await openWritten(writeZImageTransformer({ ...config, norm_eps: normEps }, tensors));
  const { out_sample: out } = await graph.run({
    sample: floats(Float32Array.from(latents.data), [1, channels, height, width]),
    timestep: floats(Float32Array.of(t), [1]),
    encoder_hidden_states: recorded({ ...captionFeatures, shape: [1, ...captionFeatures.shape] }),
    rotary_cos: table(cos),
    rotary_sin: table(sin),
  });
  expectClose(out, output);
  await graph.close();
});

test('the first T5, without gates and with other buckets, gives what transformers gave', async () => {
  const { ids, states } = goldens.t5;
  const copy = await copyOf('tiny-flux-dev', {
    'text_encoder_2/config.json': { feed_forward_proj: 'relu', relative_attention_max_distance: 20 },
  });
  const encoder = join(copy, 'text_encoder_2');
  await changeWeights(join(encoder, 'model.safetensors'), (contents) => {
    const table = 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight';
    const { bytes, ...rest } = contents.get(table)!;
    const values = new Float32Array(Uint8Array.from(bytes).buffer, 0, 10 * 4).map((value) => 4 * value);
    contents.set(table, { ...rest, shape: [10, 4], bytes: new Uint8Array(values.buffer) });
    for (const [name, content] of [...contents]) {
      if (!/wi_[01]/.test(name)) continue;
      contents.delete(name);
      if (name.includes('wi_0')) contents.set(name.replace('wi_0', 'wi'), content);
    }
  });
  expect(await describeModel(copy)).toMatchObject({ available: true });
  const first = await readPart<T5Config>(encoder, 'model');
  const graph = await openWritten(writeT5Encoder(first.config, first.tensors));
  const { last_hidden_state: state } = await graph.run({ input_ids: int64s(ids, [1, ids.length]) });
  expectClose(state, states);
  await graph.close();
  expect(() => writeT5Encoder({ ...first.config, feed_forward_proj: 'gated-silu' }, first.tensors)).toThrow(
    'The text encoder has feed-forward layers of "gated-silu"; supported are gated-gelu (T5 v1.1) and relu (T5).',
  );
});

test('SigLIP as transformers 5 writes it, without a prefix before its names, makes words of pictures', async () => {
  const copy = await copyOf('tiny-flux-redux');
  await changeWeights(join(copy, 'image_encoder', 'model.safetensors'), (contents) => {
    for (const [name, content] of [...contents]) {
      contents.delete(name);
      contents.set(name.replace('vision_model.', ''), content);
    }
  });
  expect(await describeModel(copy)).toMatchObject({ available: true });
  const size = { width: 32, height: 32, steps: 1, guidanceScale: 1, maxSequenceLength: 16 };
  const request = { ...size, model: join(modelsFolder, 'tiny-flux-dev'), prompt: 'a fox', seed: 1n };
  const pixels = { width: 34, height: 34, data: Uint8Array.from({ length: 34 * 34 * 3 }, (_, at) => at % 256) };
  const draw = (model: string) =>
    drawn(modelCache, { ...request, imagePrompts: [{ model, pictures: [pixels], weight: 1 }] });
  expect(await draw(copy)).toEqual(await draw(join(modelsFolder, 'tiny-flux-redux')));
});

test('SigLIP has the activation that its config names', async () => {
  const encoder = join(modelsFolder, 'tiny-flux-redux', 'image_encoder');
  const { config, tensors } = await readPart<SiglipVisionConfig>(encoder, 'model');
  const graph = await openWritten(writeSiglipVision({ ...config, hidden_act: 'quick_gelu' }, tensors));
  const pixels = Float32Array.from({ length: 3 * 34 * 34 }, (_, at) => Math.sin(Math.fround(at * Math.fround(0.37))));
  const { last_hidden_state: states } = await graph.run({ pixel_values: floats(pixels, [1, 3, 34, 34]) });
  expectClose(states, goldens.siglip.states);
  await graph.close();
  expect(() => writeSiglipVision({ ...config, hidden_act: 'mish' }, tensors)).toThrow(
    'The picture encoder uses the activation "mish"; supported are quick_gelu, gelu, gelu_new, gelu_pytorch_tanh.',
  );
});

describe('axes of FLUX.1', () => {
  test('that do not make up a head are refused', async () => {
    const copy = await copyOf('tiny-flux-dev', { 'transformer/config.json': { axes_dims_rope: [4, 6, 8] } });
    expect((await describeModel(copy)).reason).toBe(
      'The transformer cannot be used: its config says axes_dims_rope: 4, 6, 8; they must be even and make up a head of 16 channels.',
    );
  });

  test('of more coordinates than positions have are refused', async () => {
    const copy = await copyOf('tiny-flux-dev', { 'transformer/config.json': { axes_dims_rope: [4, 4, 4, 4] } });
    expect((await describeModel(copy)).reason).toBe(
      'The transformer cannot be used: its config says axes_dims_rope: 4, 4, 4, 4; positions have 3 coordinates only.',
    );
  });

  test('are asked for where a file cannot tell them', async () => {
    const file = join(folder, 'untold.safetensors');
    await writeTransformerFile('tiny-flux-dev/comfy', file);
    await writeFile(`${file}.json`, JSON.stringify({ vae: { norm_num_groups: 4 } }));
    expect((await describeModel(file)).reason).toBe(
      'The transformer cannot be used: its heads have 16 channels, and the file cannot say which axis takes how many: give its axes_dims_rope under "transformer" in untold.safetensors.json.',
    );
  });

  test('are those of its ControlNet for the ControlNet', async () => {
    const { configs } = await modelCache.model(join(modelsFolder, 'tiny-flux-dev'));
    const shape = { channels: 16, height: 4, width: 6 };
    const branch = { embeddings: { data: new Float32Array(0), length: 5, width: 32 }, extras: {} };
    const context: InputContext = {
      configs,
      request: { guidanceScale: 1 } as GenerateRequest,
      shape,
      branch,
      references: [],
    };
    const { rotary_cos: cos } = flux.controls!.inputs(context, undefined, { axes_dims_rope: [8, 4, 4] });
    expect(cos!.data).toEqual(rotaryTables(fluxPositions(5, [{ rows: 2, columns: 3 }]), [8, 4, 4], 10_000).cos);
  });
});

test('FLUX.1 reads the pooled state of CLIP as it is, though the file holds a projection', async () => {
  const copy = await copyOf('tiny-flux-dev');
  const weights = join(copy, 'text_encoder', 'model.safetensors');
  await changeWeights(weights, (contents) => {
    const { bytes, ...rest } = contents.get('text_model.encoder.layers.0.self_attn.q_proj.weight')!;
    contents.set('text_projection.weight', { ...rest, bytes });
  });
  const { clipTokens, pooled } = readFluxGoldens();
  const graph = await (await modelCache.model(copy)).network('text_encoder').graph();
  expect(graph.gives('text_embeds')).toBe(false);
  const { ids } = clipTokens[0]!;
  const extra = graph.takes('extra_embeddings') ? { extra_embeddings: floats(new Float32Array(32), [1, 32]) } : {};
  const mask = {
    attention_mask: { dtype: 'int32' as const, dims: [1, ids.length], data: new Int32Array(ids.length).fill(1) },
  };
  const { pooler_output: given } = await graph.run({ input_ids: int64s(ids, [1, ids.length]), ...extra, ...mask });
  expect(relativeError(given!.data as Float32Array, pooled.data.slice(0, 32))).toBeLessThan(1e-3);
});

test('the end of a text is found in a file whose vocabulary has rows for more words than there are', async () => {
  const file = join(folder, 'clip.safetensors');
  await cp(join(modelsFolder, 'tiny-flux-dev', 'text_encoder', 'model.safetensors'), file);
  await changeWeights(file, (contents) => {
    const name = 'text_model.embeddings.token_embedding.weight';
    const { bytes, shape, ...rest } = contents.get(name)!;
    const [rows, width] = shape as [number, number];
    const more = new Uint8Array(8 * width * 4);
    contents.set(name, { ...rest, shape: [rows + 8, width], bytes: Buffer.concat([bytes, more]) });
  });
  const corrections = { own: { num_attention_heads: 4 }, where: '' };
  const { config, tensors } = encoderIn(
    { tensors: await readStoredTensors(file), activation: 'quick_gelu' },
    corrections,
  );
  const graph = await openWritten(writeClipText(config, tensors));
  const { clipTokens, pooled } = readFluxGoldens();
  const { ids } = clipTokens[0]!;
  const { pooler_output: given } = await graph.run({ input_ids: int64s(ids, [1, ids.length]) });
  expect(relativeError(given!.data as Float32Array, pooled.data.slice(0, 32))).toBeLessThan(1e-3);
  await graph.close();
});

test('an autoencoder of FLUX.2 with other patches is refused', async () => {
  const { config, tensors } = await readPart<AutoencoderKLConfig>(join(modelsFolder, 'tiny-flux2-klein', 'vae'));
  expect(() => writeVaeDecoder({ ...config, patch_size: [4, 4] }, tensors)).toThrow(
    'The autoencoder has patches of 4 × 4; only 2 × 2 are supported.',
  );
});

test.each(['tiny-sd15', 'tiny-sdxl', 'tiny-sd3'])(
  'the negative prompt of %s skips no layers, as in diffusers',
  async (name) => {
    // The first encoder of the tiny Stable Diffusion 3 has too few layers to skip one.
    const copy = await copyOf(
      name,
      name === 'tiny-sd3' ? { 'text_encoder/config.json': { num_hidden_layers: 3 } } : {},
    );
    if (name === 'tiny-sd3') {
      await changeWeights(join(copy, 'text_encoder', 'model.safetensors'), (contents) => {
        for (const [tensor, content] of [...contents]) contents.set(tensor.replace('layers.1.', 'layers.2.'), content);
      });
    }
    const texts = { prompt: 'a red fox', negativePrompt: 'blurry' };
    const request = { ...texts, model: copy, seed: 0n, width: 64, height: 64, steps: 1, guidanceScale: 5 };
    const [whole, skipped] = [await conditioned(request), await conditioned({ ...request, clipSkip: 1 })];
    expect(skipped.negative!.embeddings.data).toEqual(whole.negative!.embeddings.data);
    expect(skipped.positive.embeddings.data).not.toEqual(whole.positive.embeddings.data);
  },
);
