import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adapterFeeds, adaptersNeeded, type Lora, LoraError, modulesOf, readLora } from '../../runtime/addons/lora.ts';
import { unetPaths } from '../../runtime/families/ldmLayout.ts';
import { type ClipTextConfig, writeClipText } from '../../runtime/graphs/clipText.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { toFloat16 } from '../../runtime/tensors/float16.ts';
import { int64s } from '../../runtime/tensors/tensor.ts';
import { modelsFolder, readGoldens, relativeError, type TinyModel, tinyModels } from '../helpers/goldens.ts';
import { expectClose, openWritten, readPart } from '../helpers/graphs.ts';
import { type NewTensor, readOwn, writeSafetensors } from '../helpers/safetensors.ts';
import { errorOf, flat, layerOf, merge, Tiny, unetNames, values } from '../helpers/tinyLora.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-lora-'));
});

afterAll(async () => {
  await Tiny.closeAll();
  await rm(folder, { recursive: true });
});

const fileOf = (model: TinyModel) => join(modelsFolder, `${model}-lora.safetensors`);

describe.each(tinyModels)('the UNet of %s', (model) => {
  let tiny: Tiny;

  beforeAll(async () => {
    tiny = await Tiny.load(model);
  });

  test.each([
    ['linear', false],
    ['all', false],
    ['all', true],
  ] as const)(
    'is the plain one, bit for bit, with adapters for its %s layers (with vectors: %s) but no LoRA',
    async (adapters, vectors) => {
      expect(await tiny.adapted([], adapters, vectors)).toEqual(await tiny.plain());
    },
  );

  test('with its LoRA gives what PyTorch gave, as inputs of the graph and merged', async () => {
    const goldens = readGoldens(model);
    if (!goldens.lora) return expect(model).toBe('tiny-sd21-v');
    const { weight, unetOutput } = goldens.lora;
    const { layers } = await tiny.read(fileOf(model));
    expect(adaptersNeeded(layers.denoiser)).toEqual({ adapters: 'linear', vectors: false });
    const active = [{ layers: layers.denoiser, weight }];
    expectClose(await tiny.adapted(active), unetOutput, 1e-5);
    expectClose(await tiny.adapted(active, 'all'), unetOutput, 1e-5);
    expectClose(await tiny.merged(active), unetOutput, 1e-5);
    expect(relativeError(goldens.unet.output.data, unetOutput.data)).toBeGreaterThan(0.01);
  });
});

describe('LoRAs at work', () => {
  let tiny: Tiny;
  let first: Lora;
  let second: Lora;
  /** Every module of the UNet that is no normalization: linear layers, convolutions, projections of time. */
  let whole: Lora;

  beforeAll(async () => {
    tiny = await Tiny.load('tiny-sd15');
    first = await tiny.read(fileOf('tiny-sd15'));
    const some: Record<string, NewTensor> = {};
    const every: Record<string, NewTensor> = {};
    let seed = 1;
    for (const [path, { shape }] of modulesOf(tiny.unet.tensors)) {
      if (shape.length < 2) continue;
      Object.assign(every, layerOf(`lora_unet_${flat(path)}`, shape, 3, seed++));
      if (/attn2|ff\.net|proj_in/.test(path)) Object.assign(some, layerOf(`lora_unet_${flat(path)}`, shape, 5, seed++));
    }
    await writeSafetensors(join(folder, 'second.safetensors'), some);
    await writeSafetensors(join(folder, 'whole.safetensors'), every);
    second = await tiny.read(join(folder, 'second.safetensors'));
    whole = await tiny.read(join(folder, 'whole.safetensors'));
  });

  test('add up, each with its weight, also a negative one', async () => {
    const active = [
      { layers: first.layers.denoiser, weight: 0.5 },
      { layers: second.layers.denoiser, weight: -0.8 },
    ];
    const expected = await tiny.merged(active);
    expect(errorOf(await tiny.adapted(active), expected)).toBeLessThan(1e-4);
    // Neither of them vanishes.
    for (const alone of active) expect(errorOf(await tiny.adapted([alone]), expected)).toBeGreaterThan(0.01);
    const [only] = active;
    const opposite = { ...only!, weight: -only!.weight };
    expect(errorOf(await tiny.adapted([only!, opposite]), await tiny.plain())).toBeLessThan(1e-4);
  });

  test('change every convolution, linear layer and projection of time, in a graph that takes them all', async () => {
    expect(adaptersNeeded(whole.layers.denoiser)).toEqual({ adapters: 'all', vectors: false });
    expect(whole.layers.denoiser.size).toBe(281);
    const active = [{ layers: whole.layers.denoiser, weight: 0.1 }];
    const expected = await tiny.merged(active);
    expect(errorOf(await tiny.adapted(active, 'all'), expected)).toBeLessThan(1e-4);
    expect(errorOf(await tiny.plain(), expected)).toBeGreaterThan(0.01);
    // And with one that changes only some of them.
    const both = [...active, { layers: first.layers.denoiser, weight: 0.75 }];
    expect(errorOf(await tiny.adapted(both, 'all'), await tiny.merged(both))).toBeLessThan(1e-4);
  });

  test('of convolutions are refused by a graph that only takes those of linear layers', async () => {
    const active = [{ layers: whole.layers.denoiser, weight: 1, path: whole.path }];
    await expect(tiny.adapted(active)).rejects.toThrow(LoraError);
    await expect(tiny.adapted(active)).rejects.toThrow(
      /^whole\.safetensors cannot be used: it changes ".*", which takes no adapter here\.$/,
    );
  });

  test('cost nothing where their weight is 0', async () => {
    const graph = await tiny.graph('linear');
    const none = adapterFeeds(graph.inputs, [{ layers: first.layers.denoiser, weight: 0 }]);
    expect(none).toEqual(adapterFeeds(graph.inputs, []));
    expect(Object.values(none).every(({ dims }) => dims.includes(1))).toBe(true);
  });
});

describe('a LoRA of text encoders', () => {
  const ids = readGoldens('tiny-sdxl').textEncoder.ids[0]!;

  test('changes both of them, as merged weights do', async () => {
    const tiny = await Tiny.load('tiny-sdxl');
    const tensors: Record<string, NewTensor> = {};
    const parts = {
      text_encoder: tiny.text,
      text_encoder_2: await readPart<ClipTextConfig>(join(tiny.folder, 'text_encoder_2'), 'model'),
    };
    const prefixes = { text_encoder: 'lora_te1_', text_encoder_2: 'lora_te2_' };
    for (const [component, part] of Object.entries(parts)) {
      let seed = 7;
      for (const [path, { shape }] of modulesOf(part.tensors)) {
        if (shape.length !== 2 || path.includes('embedding')) continue;
        Object.assign(tensors, layerOf(prefixes[component as keyof typeof parts] + flat(path), shape, 2, seed++));
      }
    }
    const file = join(folder, 'text.safetensors');
    await writeSafetensors(file, tensors);
    const { layers } = await tiny.read(file);
    expect(layers.denoiser.size).toBe(0);
    for (const [component, part] of Object.entries(parts)) {
      const active = [{ layers: layers[component as keyof typeof parts], weight: 0.7 }];
      expect(adaptersNeeded(active[0]!.layers)).toEqual({ adapters: 'linear', vectors: false });
      const bytes = readOwn([...part.tensors.values()][0]!.file);
      merge(part, bytes, active);
      const [plain, adapted, merged] = [
        await openWritten(writeClipText(part.config, part.tensors)),
        await openWritten(writeClipText(part.config, part.tensors, { adapters: 'linear' })),
        await openWritten(writeClipText(part.config, part.tensors), bytes),
      ];
      const input = { input_ids: int64s(ids, [1, ids.length]) };
      const expected = await merged.run(input);
      const given = await adapted.run({ ...input, ...adapterFeeds(adapted.inputs, active) });
      const unchanged = await plain.run(input);
      expect(await adapted.run({ ...input, ...adapterFeeds(adapted.inputs, []) })).toEqual(unchanged);
      for (const name of ['last_hidden_state', component === 'text_encoder' ? 'pooler_output' : 'text_embeds']) {
        expect(errorOf(given[name]!, expected[name]!), name).toBeLessThan(1e-4);
        expect(errorOf(unchanged[name]!, expected[name]!), name).toBeGreaterThan(0.01);
      }
      await Promise.all([plain, adapted, merged].map((graph: Graph) => graph.close()));
    }
  });
});

describe('names of layers', () => {
  let tiny: Tiny;
  const attention = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1';
  const clip = 'text_model.encoder.layers.0.self_attn.q_proj';

  beforeAll(async () => {
    tiny = await Tiny.load('tiny-sd15');
  });

  /** Reads a file with one layer, whose module has a weight of 16 × 16 (or, for the text encoder, 32 × 32). */
  async function readOne(
    down: string,
    up: string,
    more: Record<string, NewTensor> = {},
    metadata?: Record<string, string>,
    size = 16,
  ): Promise<Lora> {
    const file = join(folder, 'one.safetensors');
    const shapes = { [down]: [4, size], [up]: [size, 4] };
    const tensors = Object.entries(shapes).map(
      ([name, shape], i) => [name, { shape, data: values(4 * size, i) }] as const,
    );
    await writeSafetensors(file, { ...Object.fromEntries(tensors), ...more }, metadata);
    return tiny.read(file);
  }

  test.each<readonly [what: string, layer: string, down: string, up: string, end: string]>([
    ['kohya', `lora_unet_${flat(attention)}_to_q`, 'lora_down', 'lora_up', 'to_q'],
    [
      'kohya, original',
      'lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_out_0',
      'lora_down',
      'lora_up',
      'to_out.0',
    ],
    ['ComfyUI', 'diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_k', 'lora_A', 'lora_B', 'to_k'],
    ['diffusers with PEFT', `unet.${attention}.to_v`, 'lora_A', 'lora_B', 'to_v'],
    ['diffusers', `unet.${attention}.to_out.0`, 'lora.down', 'lora.up', 'to_out.0'],
    ['diffusers, attention processors', `unet.${attention}.processor.to_q_lora`, 'down', 'up', 'to_q'],
    ['diffusers, attention processors alone', `${attention}.processor.to_out_lora`, 'down', 'up', 'to_out.0'],
    ['PEFT', `base_model.model.${attention}.to_q`, 'lora_A', 'lora_B', 'to_q'],
    ...['default', 'default_0', 'my-style'].map(
      (adapter) =>
        [
          `PEFT with an adapter called ${adapter}`,
          `base_model.model.${attention}.to_q`,
          `lora_A.${adapter}`,
          `lora_B.${adapter}`,
          'to_q',
        ] as const,
    ),
    ['PEFT on several devices', `module.base_model.model.${attention}.to_q`, 'lora_A', 'lora_B', 'to_q'],
    ['kohya with dots', `unet.${attention}.to_q`, 'lora_down', 'lora_up', 'to_q'],
    ['LyCORIS', `lycoris_${flat(attention)}_to_q`, 'lora_down', 'lora_up', 'to_q'],
  ])('of the UNet: %s', async (_, layer, down, up, end) => {
    const { layers } = await readOne(`${layer}.${down}.weight`, `${layer}.${up}.weight`);
    expect([...layers.denoiser.keys()]).toEqual([`${attention}.${end}`]);
    expect(layers.denoiser.get(`${attention}.${end}`)).toMatchObject({ rank: 4, scale: 1 });
  });

  test.each([
    ['kohya', `lora_te_${flat(clip)}`, 'lora_down', 'lora_up'],
    ['kohya for XL', `lora_te1_${flat(clip)}`, 'lora_down', 'lora_up'],
    ['PEFT', `text_encoder.${clip}`, 'lora_A', 'lora_B'],
    ['PEFT around the encoder', `base_model.model.${clip}`, 'lora_A', 'lora_B'],
    ['diffusers', `text_encoder.${clip}.lora_linear_layer`, 'down', 'up'],
    ['diffusers, older', `text_encoder.${clip.replace('q_proj', 'to_q_lora')}`, 'down', 'up'],
    ['LyCORIS', `lycoris_text_encoder_${flat(clip)}`, 'lora_down', 'lora_up'],
    ['ComfyUI', `text_encoders.clip_l.transformer.${clip}`, 'lora_down', 'lora_up'],
    ['without the outer prefix', 'text_encoder.encoder.layers.0.self_attn.q_proj', 'lora_A', 'lora_B'],
  ])('of the text encoder: %s', async (_, layer, down, up) => {
    const { layers } = await readOne(`${layer}.${down}.weight`, `${layer}.${up}.weight`, {}, undefined, 32);
    expect([...layers.text_encoder.keys()]).toEqual([clip]);
    expect(layers.denoiser.size).toBe(0);
  });

  test('cover every layer of the UNet in the original layout', async () => {
    const tensors: Record<string, NewTensor> = {};
    const renames = [...unetPaths(tiny.unet.config)];
    for (const [path, { shape }] of modulesOf(tiny.unet.tensors)) {
      if (shape.length < 2) continue;
      const [original, diffusers] = renames.find(([, ours]) => path === ours || path.startsWith(`${ours}.`))!;
      const name = `lora_unet_${flat(original + path.slice(diffusers.length))}`;
      Object.assign(tensors, layerOf(name, shape, 1, 1));
    }
    const file = join(folder, 'original.safetensors');
    await writeSafetensors(file, tensors);
    const { layers } = await tiny.read(file);
    const expected = [...modulesOf(tiny.unet.tensors)]
      .filter(([, { shape }]) => shape.length > 1)
      .map(([path]) => path);
    expect([...layers.denoiser.keys()].sort()).toEqual(expected.sort());
  });

  const layer = `unet.${attention}.to_q`;
  const [down, up] = [`${layer}.lora_A.weight`, `${layer}.lora_B.weight`];
  const scaleOf = ({ layers }: Lora) => layers.denoiser.get(`${attention}.to_q`)?.scale;

  test.each<[string, Record<string, NewTensor>, Record<string, unknown> | undefined, number]>([
    ['the alpha of the layer', { [`${layer}.alpha`]: { shape: [], data: Float32Array.of(2) } }, undefined, 0.5],
    [
      'the alpha beside an old name',
      { [`${layer}.lora.alpha`]: { shape: [1], data: Float32Array.of(8) } },
      undefined,
      2,
    ],
    [
      'an alpha that is a whole number',
      { [`${layer}.alpha`]: { shape: [], data: BigInt64Array.of(6n), dtype: 'I64' } },
      undefined,
      1.5,
    ],
    ['the metadata of diffusers', {}, { 'unet.lora_alpha': 12 }, 3],
    [
      'that of the layer before that of all',
      {},
      { 'unet.lora_alpha': 12, 'unet.alpha_pattern': { 'attn1.to_q': 1 } },
      0.25,
    ],
    ['the root of the rank where the metadata say so', {}, { 'unet.lora_alpha': 12, 'unet.use_rslora': true }, 6],
    ['one where the metadata are of another network', {}, { 'text_encoder.lora_alpha': 12 }, 1],
  ])('are scaled by %s', async (_, more, settings, scale) => {
    const metadata = settings && { lora_adapter_metadata: JSON.stringify(settings) };
    expect(scaleOf(await readOne(down, up, more, metadata))).toBe(scale);
  });

  test('are scaled by adapter_config.json beside the file, where PEFT wrote it', async () => {
    await writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ r: 4, lora_alpha: 6 }));
    const peft = (name: string) => name.replace('unet.', 'base_model.model.');
    expect(scaleOf(await readOne(peft(down), peft(up)))).toBe(1.5);
    expect(scaleOf(await readOne(down, up))).toBe(1);
  });

  test.each(['F16', 'BF16'] as const)('hold values of %s', async (dtype) => {
    const data = values(64, 3);
    const stored =
      dtype === 'F16' ? toFloat16(data) : Uint16Array.from(new Uint32Array(data.buffer), (bits) => bits >>> 16);
    const file = join(folder, 'half.safetensors');
    await writeSafetensors(file, {
      [down]: { shape: [4, 16], data: stored, dtype },
      [up]: { shape: [16, 4], data: stored, dtype },
    });
    const read = (await tiny.read(file)).layers.denoiser.get(`${attention}.to_q`)!;
    expect(relativeError(read.down, data)).toBeLessThan(dtype === 'F16' ? 1e-3 : 1e-2);
    expect(read.up).toEqual(read.down);
  });
});

describe('a file that is no LoRA for the model', () => {
  let tiny: Tiny;
  const name = 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q';
  const matrices = (down: readonly number[], up: readonly number[]): Record<string, NewTensor> => ({
    [`${name}.lora_down.weight`]: {
      shape: down,
      data: values(
        down.reduce((a, b) => a * b, 1),
        1,
      ),
    },
    [`${name}.lora_up.weight`]: {
      shape: up,
      data: values(
        up.reduce((a, b) => a * b, 1),
        2,
      ),
    },
  });
  const fitting = matrices([4, 16], [16, 4]);
  const matrix = (...shape: number[]): NewTensor => ({ shape, data: values(shape[0]! * shape[1]!, 1) });
  const one = (key: string): Record<string, NewTensor> => ({ [key]: { shape: [1], data: Float32Array.of(1) } });

  beforeAll(async () => {
    tiny = await Tiny.load('tiny-sd15');
  });

  test.each<[string, Record<string, NewTensor>, string]>([
    [
      'none of its layers is one of the model',
      layerOf('lora_unet_joint_blocks_0_x', [16, 16], 4, 1),
      'is for another model: none of its 1 layers (such as "lora_unet_joint_blocks_0_x") is one of this model\'s.',
    ],
    [
      'a layer has another size',
      matrices([4, 20], [16, 4]),
      `is for another model: at "${name}" its matrices have the shapes [4, 20] and [16, 4], and this model's weight is [16, 16].`,
    ],
    [
      'a layer has another window',
      matrices([4, 16, 3, 3], [16, 4, 1, 1]),
      `is for another model: at "${name}" its matrices have the shapes [4, 16, 3, 3] and [16, 4, 1, 1], and this model's weight is [16, 16].`,
    ],
    [
      'the ranks differ',
      matrices([4, 16], [16, 5]),
      `cannot be used: "${name}" is not of low rank, as its matrices have the shapes [4, 16] and [16, 5].`,
    ],
    ['a matrix is a vector', matrices([16], [16, 4]), `cannot be used: "${name}" is not of low rank`],
    [
      'one matrix is missing',
      { [`${name}.lora_up.weight`]: fitting[`${name}.lora_up.weight`]! },
      `cannot be used: "${name}" has only one of its two matrices.`,
    ],
    ['it holds something else', one('model.weight'), 'contains no LoRA: no tensor has a name like'],
    [
      'an alpha is no number',
      { ...fitting, [`${name}.alpha`]: { shape: [], data: Float32Array.of(Number.NaN) } },
      `the alpha of "${name}" is not a number.`,
    ],
    [
      'a DoRA has too few magnitudes',
      { ...fitting, ...one(`${name}.dora_scale`) },
      `cannot be used: "${name}" has 1 magnitudes for 16 rows and 16 columns.`,
    ],
    ['a LoHa lacks a matrix', one(`${name}.hada_w1_a`), 'lacks one of its matrices (hada_w1_a, hada_w1_b).'],
    ['a LoKr lacks a factor', { [`${name}.lokr_w1`]: matrix(2, 2) }, 'lacks one of its factors (lokr_w2, or'],
    [
      'the core of a convolution does not fit',
      { ...fitting, ...one(`${name}.lora_mid.weight`) },
      `"${name}" has matrices that do not fit each other: [4, 16], [16, 4] and [1].`,
    ],
    ['a layer is of two kinds', { ...fitting, [`${name}.diff`]: matrix(16, 16) }, 'has adapters of several kinds.'],
    ['it is an OFT', one(`${name}.oft_blocks`), 'it is an OFT (oft_blocks); supported are LoRA, LoCon, LoHa'],
    [
      'it changes embeddings',
      { ...matrices([4, 16], [16, 4]), 'lora_te_text_model_embeddings_token_embedding.diff': matrix(9, 9) },
      'changes the embeddings of tokens, which is not supported.',
    ],
    [
      'a matrix is of whole numbers',
      { ...fitting, [`${name}.lora_up.weight`]: { shape: [16, 4], data: new BigInt64Array(64), dtype: 'I64' } },
      'is stored as I64 (up, [16, 4]); supported are F32, F16, BF16 and F64.',
    ],
    [
      'a value is no number',
      { ...fitting, [`${name}.lora_up.weight`]: { shape: [16, 4], data: new Float32Array(64).fill(Number.NaN) } },
      'has NaN or infinite values.',
    ],
    [
      'it holds two adapters',
      { ...fitting, [`${name}.lora_A.second.weight`]: matrix(4, 16) },
      `it contains several adapters ("${name}.lora_A.second.weight" is a second one).`,
    ],
  ])('is refused in a sentence: %s', async (_, tensors, reason) => {
    const file = join(folder, 'wrong.safetensors');
    await writeSafetensors(file, tensors);
    await expect(tiny.read(file)).rejects.toThrow(LoraError);
    await expect(tiny.read(file)).rejects.toThrow(`wrong.safetensors `);
    await expect(tiny.read(file)).rejects.toThrow(reason);
  });

  test('is refused when it is fed, where the shapes of the model were not known before', async () => {
    const paths = [...modulesOf(tiny.unet.tensors)].map(([path]) => path);
    const file = join(folder, 'wide.safetensors');
    await writeSafetensors(file, matrices([4, 20], [16, 4]));
    const modules = { denoiser: paths, text_encoder: [], text_encoder_2: [], text_encoder_3: [] };
    const { layers, path } = await readLora(file, modules, unetNames(tiny.unet.config));
    const reason =
      'wide.safetensors is for another model: at "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q" its matrices have the shapes [4, 20] and [16, 4], and this model takes [16, rank] and [rank, 16].';
    await expect(tiny.adapted([{ layers: layers.denoiser, weight: 1, path }])).rejects.toThrow(reason);
  });
});
