import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { autoencoderTensors } from '../../runtime/families/ldmLayout.ts';
import { rotaryTables } from '../../runtime/families/rotary.ts';
import { zImagePositions } from '../../runtime/families/zImage.ts';
import { isZImageTransformer, zImageLoraAliases, zImageTransformerTensors } from '../../runtime/families/zImageKeys.ts';
import { readStoredTensors, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { type AutoencoderKLConfig, writeVaeDecoder, writeVaeEncoder } from '../../runtime/graphs/autoencoderKL.ts';
import type { AdaptedForm } from '../../runtime/graphs/builder.ts';
import { type Qwen3Config, writeQwen3 } from '../../runtime/graphs/qwen3.ts';
import { writeZImageTransformer, type ZImageConfig } from '../../runtime/graphs/zImageTransformer.ts';
import { floats, int64s, join as joinTensors, type Tensor } from '../../runtime/tensors/tensor.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { expectClose, openWritten, type Part, readPart, recorded, tolerance } from '../helpers/graphs.ts';
import { folderOf, loraFeeds, readTransformerGoldens, writeTransformerFile } from '../helpers/transformerGoldens.ts';

const goldens = readTransformerGoldens('tiny-z-image');

/** float16 against the float32 reference; measured: 6e-4 for the transformer, 1.5e-3 for the last text state. */
const half = 5e-3;

const forms: [name: string, form: AdaptedForm, within: number][] = [
  ['fused attention', { linear: 'fused' }, tolerance],
  ['plain attention', { attention: 'plain' }, tolerance],
  ['float16', { precision: 'float16', border: 'float32' }, half],
  ['float16 and plain attention', { precision: 'float16', border: 'float32', attention: 'plain' }, half],
];

let encoder: Part<Qwen3Config>;
let transformer: Part<ZImageConfig>;
let folder: string;

beforeAll(async () => {
  encoder = await readPart(folderOf('tiny-z-image', 'text_encoder'), 'model');
  transformer = await readPart(folderOf('tiny-z-image', 'transformer'));
  folder = await mkdtemp(join(tmpdir(), 'z-image-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** What the transformer is fed with for a recorded call. */
function feedsOf({ latents, t, captionFeatures }: typeof goldens.transformerWithoutPadding): Record<string, Tensor> {
  const [channels, , height, width] = latents.shape as [number, number, number, number];
  const [length, features] = captionFeatures.shape as [number, number];
  const positions = zImagePositions(height / 2, width / 2, length);
  const { axes_dims: axes, rope_theta: base } = transformer.config;
  const { cos, sin } = rotaryTables(positions, axes!, base!);
  const table = (data: Float32Array) => floats(data, [positions.length, data.length / positions.length]);
  return {
    sample: floats(Float32Array.from(latents.data), [1, channels, height, width]),
    timestep: floats(Float32Array.of(t), [1]),
    encoder_hidden_states: floats(Float32Array.from(captionFeatures.data), [1, length, features]),
    rotary_cos: table(cos),
    rotary_sin: table(sin),
  };
}

/** A recorded output with the batch where the graph has it: [channels, 1, height, width] → [1, channels, …]. */
const batched = ({ shape: [channels, , height, width], data }: typeof goldens.transformer.output) => ({
  shape: [1, channels!, height!, width!],
  data,
});

async function expectCall(tensors: StoredTensors, form: AdaptedForm = {}, within = tolerance): Promise<void> {
  const graph = await openWritten(writeZImageTransformer(transformer.config, tensors, form));
  const { out_sample: out } = await graph.run(feedsOf(goldens.transformer));
  expectClose(out, batched(goldens.transformer.output), within);
  await graph.close();
}

describe.each(forms)('Z-Image with %s gives what PyTorch gave', (_name, form, within) => {
  test('for the text states, whichever are asked for', async () => {
    const { ids } = goldens.tokenizer.cases[0]!;
    const feeds = { input_ids: int64s(ids, [1, ids.length]) };
    const { takenHiddenState, embeddings, afterLastLayerAndNorm } = goldens.textEncoder;
    for (const [states, expected] of [
      [[-2], [takenHiddenState]],
      [
        [0, 3],
        [embeddings, afterLastLayerAndNorm],
      ],
    ] as const) {
      const graph = await openWritten(writeQwen3(encoder.config, encoder.tensors, { ...form, states }));
      const width = takenHiddenState.shape[1]!;
      const rows = ids.flatMap((_id, row) =>
        expected.flatMap(({ data }) => data.slice(row * width, (row + 1) * width)),
      );
      const { hidden_states: given } = await graph.run(feeds);
      expectClose(given, { shape: [1, ids.length, expected.length * width], data: rows }, within);
      await graph.close();
    }
  });

  test('for one call of the transformer, with and without filled rows, and for two in one call', async () => {
    const graph = await openWritten(writeZImageTransformer(transformer.config, transformer.tensors, form));
    for (const call of [goldens.transformer, goldens.transformerWithoutPadding]) {
      const { out_sample: out } = await graph.run(feedsOf(call));
      expectClose(out, batched(call.output), within);
    }
    const feeds = feedsOf(goldens.transformer);
    const twice = Object.entries(feeds).map(([name, tensor]) => [name, joinTensors([tensor, tensor])] as const);
    const { out_sample: both } = await graph.run(Object.fromEntries(twice));
    const { shape, data } = batched(goldens.transformer.output);
    expectClose(both, { shape: [2, ...shape.slice(1)], data: [...data, ...data] }, within);
    await graph.close();
  });
});

test('layers that no wanted state needs are not in the text encoder', () => {
  const layersOf = (states: number[]) => {
    const { bytes } = writeQwen3(encoder.config, encoder.tensors, { states });
    return new Set(
      Buffer.from(bytes)
        .toString('latin1')
        .match(/layers\.\d+/g),
    ).size;
  };
  expect([layersOf([-1]), layersOf([-2]), layersOf([1]), layersOf([0])]).toEqual([3, 2, 1, 0]);
  expect(() => layersOf([9])).toThrow('The text encoder has 3 layers, so no hidden state 9.');
});

test('positions are those of diffusers', () => {
  const { imagePositions, captionPositions, imagePadding, captionFeatures } = goldens.transformer as never as {
    imagePositions: number[][];
    captionPositions: number[][];
    imagePadding: number;
    captionFeatures: { shape: number[] };
  };
  const positions = zImagePositions(4, 6, captionFeatures.shape[0]!);
  expect(positions.slice(0, 24 + imagePadding)).toEqual(imagePositions);
  // The recorded list goes on to the length of the joint sequence before it was cut.
  expect(positions.slice(24 + imagePadding)).toEqual(captionPositions.slice(0, 32));
});

describe("Z-Image's autoencoder gives what PyTorch gave", () => {
  test('from the folder and from a file in the original layout, both ways', async () => {
    const { config, tensors } = await readPart<AutoencoderKLConfig>(folderOf('tiny-z-image', 'vae'));
    const file = join(folder, 'ae.safetensors');
    await writeTransformerFile('tiny-z-image/vae/ae', file);
    for (const stored of [tensors, autoencoderTensors(await readStoredTensors(file))]) {
      const encoding = await openWritten(writeVaeEncoder(config, stored));
      const { latent_parameters: moments } = await encoding.run({ sample: recorded(goldens.vae.image) });
      const { latentMean, latentLogvar } = goldens.vae;
      const [batch, channels, ...size] = latentMean.shape as [number, number, number, number];
      expectClose(moments, { shape: [batch, 2 * channels, ...size], data: [...latentMean.data, ...latentLogvar.data] });
      const decoding = await openWritten(writeVaeDecoder(config, stored));
      const { sample } = await decoding.run({ latent_sample: recorded(goldens.vae.latents) });
      expectClose(sample, goldens.vae.decoded);
      await encoding.close();
      await decoding.close();
    }
  });
});

describe('files of Z-Image in the original layout', () => {
  test.each(['diffusion_models/z_image_bf16', 'z_image_all_in_one'])('%s has the same transformer', async (name) => {
    const file = join(folder, 'model.safetensors');
    await writeTransformerFile(`tiny-z-image/${name}`, file);
    const stored = await readStoredTensors(file);
    expect(isZImageTransformer(stored)).toBe(true);
    const renamed = zImageTransformerTensors(stored);
    for (const [name, { shape }] of transformer.tensors) expect(renamed.get(name)?.shape, name).toEqual(shape);
    expect(isZImageTransformer(renamed)).toBe(true);
    await expectCall(renamed);
  });

  test('a folder in the diffusers layout keeps its names', () => {
    expect(zImageTransformerTensors(transformer.tensors)).toEqual(transformer.tensors);
    expect(isZImageTransformer(encoder.tensors)).toBe(false);
  });
});

test.each([
  ['peft', 'outputOfTransformerCase'],
  ['fused-qkv', 'outputOfTransformerCase'],
  ['kohya', 'kohyaOutputOfTransformerCase'],
] as const)('a LoRA with the names of %s changes every layer that it names', async (kind, expected) => {
  const graph = await openWritten(
    writeZImageTransformer(transformer.config, transformer.tensors, { adapters: 'linear' }),
  );
  const file = join(modelsFolder, `tiny-z-image-lora-${kind}.safetensors`);
  const width = transformer.tensors.get('layers.0.attention.to_q.weight')!.shape[0]!;
  const { feeds, left } = await loraFeeds(graph, file, goldens.lora.weight, (path) => zImageLoraAliases(path, width));
  expect(left).toEqual([]);
  const { out_sample: out } = await graph.run({ ...feedsOf(goldens.transformer), ...feeds });
  expectClose(out, batched(goldens.lora[expected]));
  await graph.close();
});
