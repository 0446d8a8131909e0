import { cp, mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../runtime/checkpoints/checkpoint.ts';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { inspectOnnxFile } from '../../runtime/files/onnxFile.ts';
import { readSafetensorsHeader, readStoredTensors } from '../../runtime/files/safetensors.ts';
import { floats, type Tensor } from '../../runtime/tensors/tensor.ts';
import { modelFolder, modelsFolder, readGoldens, relativeError, tinyModels } from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';
import { type OnnxFolderOptions, writeOnnxFolder } from '../helpers/onnxFolder.ts';
import { openComponent } from '../helpers/openComponent.ts';

let scratch: string;
let made = 0;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'latentwire-checkpoints-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

const newPath = () => join(scratch, String(made++));

async function copyOfModel(): Promise<string> {
  const folder = newPath();
  await cp(modelFolder('tiny-sd15'), folder, { recursive: true });
  return folder;
}

describe('the header of a safetensors file', () => {
  const fileOf = async (header: unknown, data = 16, length?: bigint): Promise<string> => {
    const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(length ?? BigInt(text.length));
    const file = `${newPath()}.safetensors`;
    await writeFile(file, Buffer.concat([prefix, text, Buffer.alloc(data)]));
    return file;
  };
  const tensor = (from: number, to: number, shape = [(to - from) / 4], dtype = 'F32') => ({
    dtype,
    shape,
    data_offsets: [from, to],
  });

  test('gives each tensor its place in the file, and the metadata', async () => {
    const file = await fileOf({ __metadata__: { format: 'pt' }, a: tensor(0, 8), b: tensor(8, 16, [1, 2]) });
    const { tensors, metadata } = await readSafetensorsHeader(file);
    const start = (await readFile(file)).length - 16;
    expect(metadata).toEqual({ format: 'pt' });
    expect(tensors.get('b')).toMatchObject({ dtype: 'F32', shape: [1, 2], file, offset: start + 8, length: 8 });
  });

  test.each<[string, () => Promise<string>, RegExp]>([
    ['a length beyond the file', () => fileOf('{}', 16, 2n ** 60n), /claims 1152921504606846976 bytes/],
    ['a length with the highest bit set', () => fileOf('{}', 16, 2n ** 64n - 1n), /claims 18446744073709551615 bytes/],
    ['a length of nothing', () => fileOf('{}', 16, 0n), /claims 0 bytes/],
    ['no JSON', () => fileOf('{"a":'), /header is not JSON/],
    ['a list', () => fileOf([1]), /not a JSON object/],
    ['null', () => fileOf('null'), /not a JSON object/],
    ['a tensor that is no object', () => fileOf({ a: 3 }), /"a" is not described by an object/],
    ['an unknown dtype', () => fileOf({ a: tensor(0, 4, [1], 'F7') }), /unknown dtype "F7"/],
    ['a dtype named like a method', () => fileOf({ a: tensor(0, 4, [1], 'toString') }), /unknown dtype "toString"/],
    ['a shape with a fraction', () => fileOf({ a: tensor(0, 4, [1.5]) }), /shape that is not a list of whole numbers/],
    ['a negative shape', () => fileOf({ a: tensor(0, 4, [-1]) }), /shape that is not a list of whole numbers/],
    ['no offsets', () => fileOf({ a: { dtype: 'F32', shape: [1] } }), /no pair of data offsets/],
    ['offsets the wrong way round', () => fileOf({ a: tensor(8, 4, [1]) }), /ends before it begins/],
    ['offsets beyond the file', () => fileOf({ a: tensor(0, 64) }), /may be truncated/],
    ['a shape larger than its data', () => fileOf({ a: tensor(0, 8, [3]) }), /shape \[3\] of F32 but 8 bytes/],
    ['a shape whose product overflows', () => fileOf({ a: tensor(0, 8, [2 ** 40, 2 ** 40]) }), /but 8 bytes/],
    ['overlapping tensors', () => fileOf({ a: tensor(0, 8), b: tensor(4, 12) }), /"a" and "b" overlap/],
  ])('is refused when it holds %s', async (_what, make, reason) => {
    await expect(readSafetensorsHeader(await make())).rejects.toThrow(reason);
  });

  test('is refused when the file is empty or missing', async () => {
    const file = newPath();
    await expect(readSafetensorsHeader(file)).rejects.toThrow(/there is no such file/);
    await writeFile(file, '');
    await expect(readSafetensorsHeader(file)).rejects.toThrow(/is empty/);
  });

  test('is read from every shard that an index names, and from nowhere else', async () => {
    const shard = await fileOf({ a: tensor(0, 8) });
    const name = shard.slice(scratch.length + 1);
    const index = `${newPath()}.safetensors.index.json`;
    await writeFile(index, JSON.stringify({ weight_map: { a: name } }));
    expect((await readStoredTensors(index)).get('a')?.file).toBe(shard);
    await writeFile(index, JSON.stringify({ weight_map: { a: `../${name}` } }));
    await expect(readStoredTensors(index)).rejects.toThrow(/not a safetensors file beside it/);
    await writeFile(index, JSON.stringify({ weight_map: { b: name } }));
    await expect(readStoredTensors(index)).rejects.toThrow(/says that "b" is in/);
  });
});

describe('a model folder', () => {
  test.each(tinyModels)('is described: %s', async (model) => {
    const description = await describeModel(modelFolder(model));
    expect(description).toMatchObject({
      name: model,
      available: true,
      className: model === 'tiny-sdxl' ? 'StableDiffusionXLPipeline' : 'StableDiffusionPipeline',
      family: model === 'tiny-sdxl' ? 'sdxl' : 'sd',
      layout: 'safetensors',
      precision: model === 'tiny-sd21-v' ? 'float16' : 'float32',
      sizeMultiple: 8,
      defaultWidth: 64,
      defaultHeight: 64,
      defaultScheduler: model === 'tiny-sdxl' ? 'EulerDiscreteScheduler' : 'DDIMScheduler',
    });
    expect(description.reason).toBeUndefined();
    expect(description.sizeBytes).toBeGreaterThan(1_000_000);
  });

  test('may say more about itself in latentwire.json', async () => {
    const folder = await copyOfModel();
    const settings = { name: 'Tiny', description: 'Noise.', tags: ['test'], defaultWidth: 128, defaultSteps: 3 };
    await writeFile(join(folder, 'latentwire.json'), JSON.stringify(settings));
    expect(await describeModel(folder)).toMatchObject({ ...settings, defaultHeight: 64, available: true });
    expect((await openCheckpoint(folder)).settings).toEqual(settings);
  });

  test('may hold half-precision variants and shards', async () => {
    const folder = await copyOfModel();
    const unet = join(folder, 'unet', 'diffusion_pytorch_model.safetensors');
    await cp(unet, join(folder, 'unet', 'diffusion_pytorch_model.fp16.safetensors'));
    const tensors = await readStoredTensors(unet);
    const names = Object.fromEntries([...tensors.keys()].map((name) => [name, 'part-00001-of-00001.safetensors']));
    await cp(unet, join(folder, 'unet', 'part-00001-of-00001.safetensors'));
    await rm(unet);
    expect(await describeModel(folder)).toMatchObject({ available: true });
    await writeFile(`${unet}.index.json`, JSON.stringify({ weight_map: names }));
    expect(await describeModel(folder)).toMatchObject({ available: true });
    await rm(join(folder, 'unet', 'part-00001-of-00001.safetensors'));
    const broken = await describeModel(folder);
    expect(broken.reason).toMatch(/^The unet cannot be used: part-00001-of-00001.safetensors cannot be opened/);
  });

  const unetWeights = 'unet/diffusion_pytorch_model.safetensors';
  const rewriteJson = async (file: string, change: Record<string, unknown>) =>
    writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...change }));

  test.each<[string, (folder: string) => Promise<unknown>, RegExp]>([
    ['no folder', (f) => rm(f, { recursive: true }), /^There is no folder/],
    ['no model_index.json', (f) => rm(join(f, 'model_index.json')), /no model_index\.json/],
    [
      'half a model_index.json',
      (f) => truncate(join(f, 'model_index.json'), 40),
      /model_index\.json is not a JSON object/,
    ],
    [
      'a pipeline nobody has heard of',
      (f) => rewriteJson(join(f, 'model_index.json'), { _class_name: 'MagicPipeline' }),
      /asks for a MagicPipeline, which is not supported\. Supported: StableDiffusionPipeline, .*StableDiffusionXLPipeline/,
    ],
    [
      'a pipeline named like a method',
      (f) => rewriteJson(join(f, 'model_index.json'), { _class_name: 'toString' }),
      /not supported/,
    ],
    ['no UNet', (f) => rm(join(f, 'unet'), { recursive: true }), /^The unet is missing/],
    [
      'no weights of the text encoder',
      (f) => rm(join(f, 'text_encoder/model.safetensors')),
      /^The text_encoder is missing/,
    ],
    [
      'no weights of its autoencoder',
      (f) => rm(join(f, 'vae', 'diffusion_pytorch_model.safetensors')),
      /^The vae_encoder is missing/,
    ],
    ['no tokenizer', (f) => rm(join(f, 'tokenizer'), { recursive: true }), /^The tokenizer is missing/],
    ['no scheduler', (f) => rm(join(f, 'scheduler'), { recursive: true }), /^The scheduler is missing/],
    [
      'no config of the UNet',
      (f) => rm(join(f, 'unet/config.json')),
      /^The unet cannot be used: there is no unet\/config\.json/,
    ],
    [
      'half a config of the UNet',
      (f) => truncate(join(f, 'unet/config.json'), 99),
      /^The unet cannot be used: unet\/config\.json is not a JSON object/,
    ],
    [
      'truncated weights',
      (f) => truncate(join(f, unetWeights), 900_000),
      /^The unet cannot be used: .*may be truncated/,
    ],
    [
      'a truncated header',
      (f) => truncate(join(f, unetWeights), 5_000),
      /^The unet cannot be used: .*may be truncated/,
    ],
    ['empty weights', (f) => truncate(join(f, unetWeights), 0), /^The unet cannot be used: .*it is empty/],
    [
      'weights that are text',
      (f) => writeFile(join(f, unetWeights), 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'),
      /^The unet cannot be used: .*it is a Git LFS pointer/,
    ],
    [
      'only pickled weights',
      async (f) => {
        await rm(join(f, unetWeights));
        await writeFile(join(f, 'unet/diffusion_pytorch_model.bin'), 'x');
      },
      /^The unet has only unet\/diffusion_pytorch_model\.bin: pickled weights are refused/,
    ],
    [
      'weights of another network',
      (f) => cp(join(f, 'vae/diffusion_pytorch_model.safetensors'), join(f, unetWeights)),
      /^The unet cannot be used: The weights have no tensor "conv_in\.weight"/,
    ],
    [
      'a UNet of another kind',
      (f) => rewriteJson(join(f, 'unet/config.json'), { _class_name: 'UNet3DConditionModel' }),
      /^The unet cannot be used: its config says UNet3DConditionModel.*Supported: UNet2DConditionModel/,
    ],
    [
      'a setting that is not understood',
      (f) => rewriteJson(join(f, 'unet/config.json'), { class_embed_type: 'timestep' }),
      /^The unet cannot be used: The UNet's config says class_embed_type: "timestep"; supported: null/,
    ],
    [
      'a UNet for inpainting',
      (f) => rewriteJson(join(f, 'vae/config.json'), { latent_channels: 16 }),
      /The unet takes 4 channels, but the autoencoder has 16/,
    ],
    [
      'a graph that is text',
      (f) => writeFile(join(f, 'unet/model.onnx'), 'Entry not found'),
      /^The unet cannot be used: model\.onnx is not a usable ONNX model/,
    ],
    [
      'an empty graph',
      (f) => writeFile(join(f, 'unet/model.onnx'), ''),
      /^The unet cannot be used: model\.onnx .*it is empty/,
    ],
    [
      'zeros for a graph',
      (f) => writeFile(join(f, 'unet/model.onnx'), Buffer.alloc(4096)),
      /^The unet cannot be used: model\.onnx is not a usable ONNX model/,
    ],
  ])('with %s is described as unavailable, with the reason', async (_what, breakIt, reason) => {
    const folder = await copyOfModel();
    await breakIt(folder);
    const description = await describeModel(folder);
    expect(description).toMatchObject({ folder, available: false });
    expect(description.reason).toMatch(reason);
    expect(description.reason).toMatch(/\.$/);
  });

  test('whose graph is cut off anywhere is unavailable, never a crash', async () => {
    const whole = newPath();
    await writeOnnxFolder(modelFolder('tiny-sd15'), whole, { components: ['vae_decoder'] });
    const bytes = await readFile(join(whole, 'vae_decoder/model.onnx'));
    const folder = await copyOfModel();
    await cp(join(whole, 'vae_decoder'), join(folder, 'vae_decoder'), { recursive: true });
    expect(await describeModel(folder)).toMatchObject({ available: true, layout: 'mixed' });
    for (let part = 1; part < 20; part++) {
      await writeFile(
        join(folder, 'vae_decoder/model.onnx'),
        bytes.subarray(0, Math.floor((bytes.length * part) / 20)),
      );
      const description = await describeModel(folder);
      expect(description.reason).toMatch(/^The vae_decoder cannot be used: model\.onnx/);
      await expect(openComponent(folder, 'vae_decoder', cpu)).rejects.toThrow(/^The vae_decoder cannot be used/);
    }
  });

  test('may bring a tiny decoder for its previews, which is checked with it', async () => {
    const folder = await copyOfModel();
    const { sizeBytes } = await describeModel(folder);
    await cp(join(modelsFolder, 'tiny-taesd'), join(folder, 'tiny_decoder'), { recursive: true });
    const description = await describeModel(folder);
    expect(description).toMatchObject({ available: true, ownTinyDecoder: join(folder, 'tiny_decoder') });
    expect(description.sizeBytes).toBeGreaterThan(sizeBytes);
    await truncate(join(folder, 'tiny_decoder', 'diffusion_pytorch_model.safetensors'), 1000);
    expect(await describeModel(folder)).toMatchObject({
      available: false,
      reason: expect.stringContaining('diffusion_pytorch_model.safetensors'),
    });
  });
});

describe('a folder of exported graphs', () => {
  const goldens = readGoldens('tiny-sd15');

  async function unetError(folder: string, encoderTolerance: number): Promise<number> {
    const text = await openComponent(folder, 'text_encoder', cpu);
    const unet = await openComponent(folder, 'denoiser', cpu);
    const ids: Tensor = {
      dtype: 'int64',
      dims: [1, 77],
      data: BigInt64Array.from(goldens.textEncoder.ids[0]!, BigInt),
    };
    const { last_hidden_state: state } = await text.run({ input_ids: ids }, ['last_hidden_state']);
    const expectedState = goldens.textEncoder.lastHiddenStateOfFirstPrompt.data;
    expect(relativeError(state!.data as Float32Array, expectedState)).toBeLessThan(encoderTolerance);
    const { out_sample: out } = await unet.run({
      sample: floats(Float32Array.from(goldens.unet.sample.data), goldens.unet.sample.shape),
      timestep: floats(Float32Array.of(goldens.unet.timestep), [1]),
      encoder_hidden_states: state!,
    });
    await text.close();
    await unet.close();
    expect(out!.dtype).toBe('float32');
    return relativeError(out!.data as Float32Array, goldens.unet.output.data);
  }

  const forms: OnnxFolderOptions[] = [
    { timestep: 'int64', rank: 1 },
    { timestep: 'int64', rank: 0 },
    { timestep: 'float32', rank: 1 },
    { timestep: 'float32', rank: 0, hiddenStates: false },
    { precision: 'float16', timestep: 'int64', rank: 1 },
  ];
  test.each(forms)('gives the same pictures: %o', async (options) => {
    const folder = newPath();
    await writeOnnxFolder(modelFolder('tiny-sd15'), folder, options);
    const half = options.precision === 'float16';
    expect(await describeModel(folder)).toMatchObject({
      available: true,
      layout: 'onnx',
      precision: half ? 'float16' : 'float32',
    });
    expect(await unetError(folder, half ? 2e-2 : 1e-3)).toBeLessThan(half ? 2e-2 : 1e-3);
  });

  test('decodes in half precision', async () => {
    const folder = newPath();
    await writeOnnxFolder(modelFolder('tiny-sd15'), folder, { precision: 'float16' });
    const decoder = await openComponent(folder, 'vae_decoder', cpu);
    expect(decoder.inputs[0]?.dtype).toBe('float16');
    const { shape, data } = goldens.vae.latents;
    const { sample } = await decoder.run({ latent_sample: floats(Float32Array.from(data), shape) });
    expect(relativeError(sample!.data as Float32Array, goldens.vae.decoded.data)).toBeLessThan(2e-2);
    await decoder.close();
  });

  test('refuses different timesteps where the graph takes one for all', async () => {
    const folder = newPath();
    await writeOnnxFolder(modelFolder('tiny-sd15'), folder, { rank: 0, components: ['denoiser'] });
    const unet = await openComponent(folder, 'denoiser', cpu);
    const feeds = (a: number, b: number) => ({
      sample: floats(new Float32Array(2 * 4 * 64), [2, 4, 8, 8]),
      timestep: floats(Float32Array.of(a, b), [2]),
      encoder_hidden_states: floats(new Float32Array(2 * 77 * 32), [2, 77, 32]),
    });
    expect((await unet.run(feeds(7, 7))).out_sample?.dims).toEqual([2, 4, 8, 8]);
    await expect(unet.run(feeds(7, 8))).rejects.toThrow('unet/model.onnx takes one timestep for the whole batch');
    await unet.close();
  });

  test('needs its external data, whole and beside it', async () => {
    const folder = newPath();
    await writeOnnxFolder(modelFolder('tiny-sd15'), folder);
    const data = join(folder, 'unet/model.onnx_data');
    await truncate(data, 1000);
    expect((await describeModel(folder)).reason).toMatch(/^The unet cannot be used: .*may be truncated/);
    await rm(data);
    expect((await describeModel(folder)).reason).toMatch(
      /model\.onnx needs model\.onnx_data beside it, which is missing/,
    );
  });

  test('takes the scaling factor of its configs, wherever they lie, or assumes that of the family and says so', async () => {
    const folder = newPath();
    await writeOnnxFolder(modelFolder('tiny-sd15'), folder);
    expect((await openCheckpoint(folder)).scalingFactor).toBe(0.18215);
    await mkdir(join(folder, 'vae'));
    await writeFile(join(folder, 'vae/config.json'), JSON.stringify({ scaling_factor: 0.5 }));
    await rm(join(folder, 'vae_decoder/config.json'));
    await rm(join(folder, 'vae_encoder/config.json'));
    expect((await openCheckpoint(folder)).scalingFactor).toBe(0.5);
    await rm(join(folder, 'vae'), { recursive: true });
    expect((await openCheckpoint(folder)).scalingFactor).toBe(0.18215);
    expect(await describeModel(folder)).toMatchObject({
      available: true,
      reason: expect.stringContaining('is used: '),
    });
  });

  test('may hold weights inside the graph file, of any length', async () => {
    const big = new BinaryWriter();
    big.tag(1, WireType.Varint).int64(1_500_000).tag(2, WireType.Varint).int32(10);
    big.tag(8, WireType.LengthDelimited).string('w').tag(9, WireType.LengthDelimited).bytes(new Uint8Array(3_000_000));
    const node = new BinaryWriter().tag(2, WireType.LengthDelimited).string('y');
    const value = (name: string) => new BinaryWriter().tag(1, WireType.LengthDelimited).string(name).finish();
    const graph = new BinaryWriter();
    graph.tag(1, WireType.LengthDelimited).bytes(node.finish()).tag(5, WireType.LengthDelimited).bytes(big.finish());
    graph.tag(11, WireType.LengthDelimited).bytes(value('x')).tag(12, WireType.LengthDelimited).bytes(value('y'));
    const model = new BinaryWriter().tag(7, WireType.LengthDelimited).bytes(graph.finish()).finish();
    const file = newPath();
    await writeFile(file, model);
    const found = await inspectOnnxFile(file);
    expect([...found.weightBytes.keys()]).toEqual([10]);
    expect(found.inputs.map(({ name }) => name)).toEqual(['x']);
    const handle = await open(file, 'r+');
    await handle.truncate(model.length - 1_000_000);
    await handle.close();
    await expect(inspectOnnxFile(file)).rejects.toThrow(/exceeds its size .*truncated/);
  });
});
