import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adapterFeeds, adaptersNeeded, type LoraLayers, modulesOf } from '../../runtime/addons/lora.ts';
import { collectLayers } from '../../runtime/addons/loraLayers.ts';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { type ClipTextConfig, writeClipText } from '../../runtime/graphs/clipText.ts';
import { int64s } from '../../runtime/tensors/tensor.ts';
import { readGoldens } from '../helpers/goldens.ts';
import { openWritten } from '../helpers/graphs.ts';
import { float32View, type NewTensor, readOwn, writeSafetensors } from '../helpers/safetensors.ts';
import { errorOf, flat, Tiny, values } from '../helpers/tinyLora.ts';

/**
 * The reference of each kind: its definition, value by value in double precision, put into the weights of a copy of the
 * network. What the runtime does instead (low-rank inputs, changes of rows and channels) is not used here.
 */

let folder: string;
let tiny: Tiny;
let made = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-lora-kinds-'));
  tiny = await Tiny.load('tiny-sd15');
});

afterAll(async () => {
  await Tiny.closeAll();
  await rm(folder, { recursive: true });
});

/** A layer as a trainer would store it, and its ΔW by [row, channel, place in the window]. */
interface Sample {
  tensors: Record<string, NewTensor>;
  delta(row: number, channel: number, place: number): number;
}

interface Weight {
  out: number;
  inner: number;
  window: readonly number[];
  seed: number;
}

type Maker = (name: string, weight: Weight) => Sample;

const count = (sizes: readonly number[]) => sizes.reduce((product, size) => product * size, 1);

/** Tensors under names that begin with a layer's, with values that differ. */
function tensorsOf(name: string, seed: number, shapes: Record<string, readonly number[]>, size = 0.3) {
  const tensors: Record<string, NewTensor> = {};
  const data: Record<string, Float32Array> = {};
  for (const [index, [part, shape]] of Object.entries(shapes).entries()) {
    data[part] = values(count(shape), seed * 16 + index, size);
    tensors[`${name}.${part}`] = { shape, data: data[part] };
  }
  return { tensors, data };
}

const alphaOf = (name: string, alpha: number): Record<string, NewTensor> => ({
  [`${name}.alpha`]: { shape: [], data: Float32Array.of(alpha) },
});

const sum = (length: number, term: (i: number) => number) => {
  let total = 0;
  for (let i = 0; i < length; i++) total += term(i);
  return total;
};

/** [out, rank] · [rank, in · window], alpha / rank = 0.5. */
const lora: Maker = (name, { out, inner, window, seed }) => {
  const rank = 3;
  const places = count(window);
  const { tensors, data } = tensorsOf(name, seed, {
    'lora_down.weight': [rank, inner, ...window],
    'lora_up.weight': [out, rank, ...window.map(() => 1)],
  });
  const [down, up] = [data['lora_down.weight']!, data['lora_up.weight']!];
  return {
    tensors: { ...tensors, ...alphaOf(name, rank / 2) },
    delta: (o, c, k) => 0.5 * sum(rank, (r) => up[o * rank + r]! * down[(r * inner + c) * places + k]!),
  };
};

/** LoCon with a core: einsum('i j k l, j r, i p -> p r k l'). */
const tucker: Maker = (name, { out, inner, window, seed }) => {
  if (window.length === 0) return lora(name, { out, inner, window, seed });
  const rank = 4;
  const places = count(window);
  const { tensors, data } = tensorsOf(name, seed, {
    'lora_down.weight': [rank, inner, 1, 1],
    'lora_mid.weight': [rank, rank, ...window],
    'lora_up.weight': [out, rank, 1, 1],
  });
  const [down, mid, up] = [data['lora_down.weight']!, data['lora_mid.weight']!, data['lora_up.weight']!];
  return {
    tensors: { ...tensors, ...alphaOf(name, 8) },
    delta: (o, c, k) =>
      2 *
      sum(rank, (i) => sum(rank, (j) => up[o * rank + i]! * mid[(i * rank + j) * places + k]! * down[j * inner + c]!)),
  };
};

const loha =
  (rank: number, cored: boolean): Maker =>
  (name, { out, inner, window, seed }) => {
    const places = count(window);
    const scaled = alphaOf(name, rank * 2);
    if (!cored || window.length === 0) {
      const { tensors, data } = tensorsOf(
        name,
        seed,
        Object.fromEntries(
          [1, 2].flatMap((side) => [
            [`hada_w${side}_a`, [out, rank]],
            [`hada_w${side}_b`, [rank, inner * places]],
          ]),
        ),
        0.6,
      );
      const factor = (side: number, o: number, at: number) =>
        sum(rank, (r) => data[`hada_w${side}_a`]![o * rank + r]! * data[`hada_w${side}_b`]![r * inner * places + at]!);
      return {
        tensors: { ...tensors, ...scaled },
        delta: (o, c, k) => 2 * factor(1, o, c * places + k) * factor(2, o, c * places + k),
      };
    }
    const { tensors, data } = tensorsOf(
      name,
      seed,
      Object.fromEntries(
        [1, 2].flatMap((side) => [
          [`hada_t${side}`, [rank, rank, ...window]],
          [`hada_w${side}_a`, [rank, out]],
          [`hada_w${side}_b`, [rank, inner]],
        ]),
      ),
      0.6,
    );
    const factor = (side: number, o: number, c: number, k: number) =>
      sum(rank, (i) =>
        sum(
          rank,
          (j) =>
            data[`hada_t${side}`]![(i * rank + j) * places + k]! *
            data[`hada_w${side}_b`]![j * inner + c]! *
            data[`hada_w${side}_a`]![i * out + o]!,
        ),
      );
    return { tensors: { ...tensors, ...scaled }, delta: (o, c, k) => 2 * factor(1, o, c, k) * factor(2, o, c, k) };
  };

/** kron(w1, w2): rows and channels are split in 4 parts and the rest. */
const lokr =
  (first: 'whole' | 'product', second: 'whole' | 'product' | 'core'): Maker =>
  (name, { out, inner, window, seed }) => {
    const parts = 4;
    // The network takes and gives four channels of latents.
    const [a, b] = [out % parts === 0 ? parts : 1, inner % parts === 0 ? parts : 1];
    const [c, d, rank, places] = [out / a, inner / b, 2, count(window)];
    const cored = second === 'core' && window.length > 0;
    const shapes: Record<string, readonly number[]> = {
      ...(first === 'whole' ? { lokr_w1: [a, b] } : { lokr_w1_a: [a, rank], lokr_w1_b: [rank, b] }),
      ...(second === 'whole'
        ? { lokr_w2: [c, d, ...window] }
        : cored
          ? { lokr_t2: [rank, rank, ...window], lokr_w2_a: [rank, c], lokr_w2_b: [rank, d] }
          : { lokr_w2_a: [c, rank], lokr_w2_b: [rank, d * places] }),
    };
    const { tensors, data } = tensorsOf(name, seed, shapes, 0.5);
    const one = (i: number, j: number) =>
      data.lokr_w1
        ? data.lokr_w1[i * b + j]!
        : sum(rank, (r) => data.lokr_w1_a![i * rank + r]! * data.lokr_w1_b![r * b + j]!);
    const two = (p: number, q: number, k: number) => {
      if (data.lokr_w2) return data.lokr_w2[(p * d + q) * places + k]!;
      if (!cored) {
        return sum(rank, (r) => data.lokr_w2_a![p * rank + r]! * data.lokr_w2_b![r * d * places + q * places + k]!);
      }
      return sum(rank, (i) =>
        sum(
          rank,
          (j) =>
            data.lokr_t2![(i * rank + j) * places + k]! * data.lokr_w2_a![i * c + p]! * data.lokr_w2_b![j * d + q]!,
        ),
      );
    };
    // What is whole is stored as it is meant, and its alpha means nothing.
    const scale = first === 'whole' && second === 'whole' ? 1 : 3 / rank;
    return {
      tensors: { ...tensors, ...alphaOf(name, 3) },
      delta: (o, i, k) => scale * one(Math.floor(o / c), Math.floor(i / d)) * two(o % c, i % d, k),
    };
  };

const difference: Maker = (name, { out, inner, window, seed }) => {
  const places = count(window);
  const { tensors, data } = tensorsOf(name, seed, { diff: [out, inner, ...window] }, 0.1);
  return { tensors, delta: (o, c, k) => data.diff![(o * inner + c) * places + k]! };
};

interface Layer extends Weight {
  path: string;
  places: number;
  sample: Sample;
  /** Of a DoRA. */
  magnitudes?: Float32Array;
  byChannel?: boolean;
}

const weightsOf = () =>
  [...modulesOf(tiny.unet.tensors)]
    .filter(([, { shape }]) => shape.length > 1)
    .map(([path, { shape }], index) => {
      const [out = 0, inner = 0, ...window] = shape;
      return { path, out, inner, window, places: count(window), seed: index + 1 };
    });

/** Writes a file with a layer for every weight of the UNet that fits. */
async function write(
  make: Maker,
  options: { only?: RegExp; dora?: 'rows' | 'channels' | 'peft' } = {},
): Promise<{ file: string; layers: Layer[] }> {
  const tensors: Record<string, NewTensor> = {};
  const layers: Layer[] = [];
  for (const weight of weightsOf()) {
    if (options.only && !options.only.test(weight.path)) continue;
    const name = options.dora === 'peft' ? `base_model.model.${weight.path}` : `lora_unet_${flat(weight.path)}`;
    const sample = make(name, weight);
    const layer: Layer = { ...weight, sample };
    for (const [key, tensor] of Object.entries(sample.tensors)) {
      const peft = key.replace('.lora_down.', '.lora_A.default_0.').replace('.lora_up.', '.lora_B.default_0.');
      tensors[options.dora === 'peft' ? peft : key] = tensor;
    }
    if (options.dora) {
      layer.byChannel = options.dora === 'channels';
      const size = layer.byChannel ? weight.inner : weight.out;
      layer.magnitudes = values(size, weight.seed + 500).map((value) => 1 + value);
      const ones = weight.window.map(() => 1);
      const shape = {
        rows: [size, 1, ...ones],
        channels: [1, size, ...ones],
        peft: ones.length > 0 ? [1, size, ...ones] : [size],
      }[options.dora];
      const ending = options.dora === 'peft' ? 'lora_magnitude_vector.default_0' : 'dora_scale';
      tensors[`${name}.${ending}`] = { shape, data: layer.magnitudes };
    }
    layers.push(layer);
  }
  const file = join(folder, `${made++}.safetensors`);
  await writeSafetensors(file, tensors);
  return { file, layers };
}

/** W + weight · (W' - W), where W' is what the definition says. */
function mergeInto(
  bytes: Uint8Array,
  { path, out, inner, places, sample, magnitudes, byChannel }: Layer,
  weight: number,
) {
  const stored = float32View(tiny.unet.tensors, `${path}.weight`, bytes);
  const each = (use: (o: number, c: number, k: number, at: number) => void) => {
    for (let at = 0; at < out * inner * places; at++) {
      use(Math.floor(at / (inner * places)), Math.floor(at / places) % inner, at % places, at);
    }
  };
  const changed = new Float64Array(stored.length);
  each((o, c, k, at) => {
    changed[at] = stored[at]! + sample.delta(o, c, k);
  });
  if (magnitudes) {
    const squares = new Float64Array(byChannel ? inner : out);
    each((o, c, _, at) => {
      squares[byChannel ? c : o]! += changed[at]! ** 2;
    });
    each((o, c, _, at) => {
      const i = byChannel ? c : o;
      changed[at] = (changed[at]! * magnitudes[i]!) / Math.sqrt(squares[i]!);
    });
  }
  each((_o, _c, _k, at) => {
    stored[at] = stored[at]! + weight * (changed[at]! - stored[at]!);
  });
}

async function expectSame(file: string, layers: readonly Layer[], weight: number): Promise<LoraLayers> {
  const expected = await tiny.changed((bytes) => {
    for (const layer of layers) mergeInto(bytes, layer, weight);
  });
  const { denoiser: unet } = (await tiny.read(file)).layers;
  expect([...unet.keys()].sort()).toEqual(layers.map(({ path }) => path).sort());
  const { adapters, vectors } = adaptersNeeded(unet);
  expect(errorOf(await tiny.adapted([{ layers: unet, weight }], adapters, vectors), expected)).toBeLessThan(1e-4);
  // It does something.
  expect(errorOf(await tiny.plain(), expected)).toBeGreaterThan(1e-3);
  return unet;
}

const kinds: [string, Maker][] = [
  ['a LoRA', lora],
  ['a LoCon with cores', tucker],
  ['a LoHa of low rank', loha(2, false)],
  ['a LoHa of a rank that only whole matrices have', loha(5, false)],
  ['a LoHa with cores', loha(2, true)],
  ['a LoKr of whole factors', lokr('whole', 'whole')],
  ['a LoKr of a whole factor and a product', lokr('whole', 'product')],
  ['a LoKr of two products', lokr('product', 'product')],
  ['a LoKr of a product and a whole factor', lokr('product', 'whole')],
  ['a LoKr with cores', lokr('whole', 'core')],
  ['whole differences', difference],
];

describe.each(kinds)('%s', (_, make) => {
  test.each([-0.3])('on every layer of a UNet changes it as its definition says, at a weight of %d', async (weight) => {
    const { file, layers } = await write(make);
    expect(layers).toHaveLength(281);
    expect(await describeModel(file)).toMatchObject({ kind: 'lora', available: true });
    await expectSame(file, layers, weight);
  });
});

describe.each([
  ['rows', 'for each row, as kohya stores it'],
  ['channels', 'for each channel that is read, as LyCORIS stores it'],
  ['peft', 'for each row, as PEFT stores it'],
] as const)('a DoRA with magnitudes (%s)', (dora, _) => {
  test.each([
    ['of a LoRA', lora, 1],
    ['of a LoRA, in part', lora, 0.6],
    ...(dora === 'peft'
      ? []
      : ([
          ['of a LoCon with cores', tucker, 1],
          ['of a LoHa', loha(2, false), 1],
          ['of a LoHa of a rank that only whole matrices have', loha(5, false), 0.7],
          ['of a LoKr', lokr('whole', 'whole'), 1],
        ] as const)),
  ] as const)('%s changes every layer as its definition says', async (_what, make, weight) => {
    const { file, layers } = await write(make, { dora });
    expect(await describeModel(file)).toMatchObject({ kind: 'lora', available: true });
    const read = await expectSame(file, layers, weight);
    for (const layer of read.values()) expect(layer.outputChange !== undefined).toBe(dora !== 'channels');
  });
});

test('several kinds add up, each with its weight', async () => {
  const some = [
    { ...(await write(lora, { dora: 'rows', only: /attn2/ })), weight: 0.5 },
    { ...(await write(lokr('whole', 'product'), { only: /attn2|conv1/ })), weight: -0.4 },
    { ...(await write(lora, { dora: 'rows', only: /attn[12]\.to_q/ })), weight: 0.8 },
    { ...(await write(difference, { only: /ff\.net/ })), weight: 0.3 },
  ];
  // Each is a change of the weights as they were, so they do not build on each other.
  const original = readOwn([...tiny.unet.tensors.values()][0]!.file);
  const expected = await tiny.changed((bytes) => {
    const result = float32View(tiny.unet.tensors, 'conv_in.weight', bytes);
    expect(result.length).toBeGreaterThan(0);
    for (const { layers, weight } of some) {
      for (const layer of layers) {
        const alone = new Uint8Array(original);
        mergeInto(alone, layer, weight);
        const [before, after, into] = [original, alone, bytes].map((file) =>
          float32View(tiny.unet.tensors, `${layer.path}.weight`, file),
        ) as [Float32Array, Float32Array, Float32Array];
        for (let i = 0; i < into.length; i++) into[i]! += after[i]! - before[i]!;
      }
    }
  });
  const active = await Promise.all(
    some.map(async ({ file, weight }) => ({ layers: (await tiny.read(file)).layers.denoiser, weight })),
  );
  expect(errorOf(await tiny.adapted(active, 'all', true), expected)).toBeLessThan(1e-4);
});

test('DoRAs of rows and of channels are not used on one layer at once', async () => {
  const active = await Promise.all(
    (['rows', 'channels'] as const).map(async (dora) => {
      const { file } = await write(lora, { dora, only: /attn2\.to_k/ });
      return { layers: (await tiny.read(file)).layers.denoiser, weight: 1, path: file };
    }),
  );
  await expect(tiny.adapted(active, 'linear', true)).rejects.toThrow(
    /one DoRA has magnitudes of rows and another has magnitudes of channels/,
  );
});

test('changes of biases and normalizations are what they say', async () => {
  const tensors: Record<string, NewTensor> = {};
  const changes: { name: string; data: Float32Array }[] = [];
  let seed = 1;
  for (const [name, { shape }] of tiny.unet.tensors) {
    const [path = '', kind] = [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)];
    const isNorm = tiny.unet.tensors.get(`${path}.weight`)!.shape.length === 1;
    if (kind === 'weight' && !isNorm) continue;
    const data = values(count(shape), seed++, 0.2);
    const ending = isNorm ? (kind === 'weight' ? 'w_norm' : 'b_norm') : 'diff_b';
    tensors[`lora_unet_${flat(path)}.${ending}`] = { shape, data };
    changes.push({ name, data });
  }
  const file = join(folder, `${made++}.safetensors`);
  await writeSafetensors(file, tensors);
  expect(await describeModel(file)).toMatchObject({ kind: 'lora', available: true });
  const expected = await tiny.changed((bytes) => {
    for (const { name, data } of changes) {
      float32View(tiny.unet.tensors, name, bytes).forEach((value, i, all) => {
        all[i] = value + 0.5 * data[i]!;
      });
    }
  });
  const { denoiser: unet } = (await tiny.read(file)).layers;
  expect(adaptersNeeded(unet)).toEqual({ adapters: 'all', vectors: true });
  expect(errorOf(await tiny.adapted([{ layers: unet, weight: 0.5 }], 'all', true), expected)).toBeLessThan(1e-4);
});

test('changes of whole matrices are refused where they would take more memory than the largest models', () => {
  const tensor = { dtype: 'F16', shape: [12_000, 12_000], file: 'x', offset: 0, length: 288_000_000 } as const;
  const differences = (layers: number) =>
    new Map(Array.from({ length: layers }, (_, i) => [`lora_unet_mid_block_attentions_${i}_proj_in.diff`, tensor]));
  expect(collectLayers(differences(3), 'few.safetensors').layers.size).toBe(3);
  expect(() => collectLayers(differences(4), 'many.safetensors')).toThrow(
    'many.safetensors cannot be used: its changes are not of low rank and would take 4.3 GiB of memory; allowed are 4 GiB.',
  );
});

test('the bias of a second matrix is scaled like the matrix', async () => {
  const [{ path, out, inner, window, seed }] = weightsOf().filter((each) => each.path.endsWith('attn1.to_out.0')) as [
    ReturnType<typeof weightsOf>[number],
  ];
  const name = `base_model.model.${path}`;
  const sample = lora(name, { out, inner, window, seed });
  const bias = values(out, 9);
  const file = join(folder, `${made++}.safetensors`);
  await writeSafetensors(file, { ...sample.tensors, [`${name}.lora_B.bias`]: { shape: [out], data: bias } });
  const layer = (await tiny.read(file)).layers.denoiser.get(path)!;
  expect(layer.bias).toEqual(bias.map((value) => value * 0.5));
});

test("changes a text encoder's layers, biases and normalizations too", async () => {
  const { text } = tiny;
  const bytes = readOwn([...text.tensors.values()][0]!.file);
  const tensors: Record<string, NewTensor> = {};
  let seed = 1;
  for (const [tensor, { shape }] of text.tensors) {
    if (/embedding/.test(tensor)) continue;
    const path = tensor.replace(/\.(weight|bias)$/, '');
    const data = values(count(shape), seed++, 0.05);
    tensors[`lora_te_${flat(path)}.${tensor.endsWith('.bias') ? 'diff_b' : 'diff'}`] = { shape, data };
    float32View(text.tensors, tensor, bytes).forEach((value, i, all) => {
      all[i] = value + data[i]!;
    });
  }
  const file = join(folder, `${made++}.safetensors`);
  await writeSafetensors(file, tensors);
  const layers = (await tiny.read(file)).layers.text_encoder;
  const form = adaptersNeeded(layers);
  const config = text.config as ClipTextConfig;
  const [adapted, merged] = [
    await openWritten(writeClipText(config, text.tensors, form)),
    await openWritten(writeClipText(config, text.tensors), bytes),
  ];
  const ids = readGoldens('tiny-sd15').textEncoder.ids[0]!;
  const input = { input_ids: int64s(ids, [1, ids.length]) };
  const expected = await merged.run(input);
  const given = await adapted.run({ ...input, ...adapterFeeds(adapted.inputs, [{ layers, weight: 1 }]) });
  expect(errorOf(given.last_hidden_state!, expected.last_hidden_state!)).toBeLessThan(1e-4);
  await Promise.all([adapted.close(), merged.close()]);
});
