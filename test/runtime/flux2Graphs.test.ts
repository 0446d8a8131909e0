import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { flux2Positions, packTokens } from '../../runtime/families/flux2.ts';
import { flux2LoraAliases, flux2TransformerTensors, isFlux2Transformer } from '../../runtime/families/flux2Keys.ts';
import { autoencoderTensors } from '../../runtime/families/ldmLayout.ts';
import { rotaryTables } from '../../runtime/families/rotary.ts';
import { readStoredTensors, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { type AutoencoderKLConfig, writeVaeDecoder, writeVaeEncoder } from '../../runtime/graphs/autoencoderKL.ts';
import { type AdaptedForm, GraphError } from '../../runtime/graphs/builder.ts';
import { type Flux2Config, writeFlux2Transformer } from '../../runtime/graphs/flux2Transformer.ts';
import { type Qwen3Config, writeQwen3 } from '../../runtime/graphs/qwen3.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { floats, type Tensor } from '../../runtime/tensors/tensor.ts';
import { modelsFolder, relativeError } from '../helpers/goldens.ts';
import { expectClose, openWritten, type Part, readPart, recorded, tolerance } from '../helpers/graphs.ts';
import {
  type Flux2Goldens,
  type Flux2Model,
  folderOf,
  loraFeeds,
  readTransformerGoldens,
  rowFeeds,
  turnedRows,
  writeTransformerFile,
} from '../helpers/transformerGoldens.ts';

const distilled = readTransformerGoldens('tiny-flux2-klein');
const STATES = [9, 18, 27];

/** float16 against the float32 reference; measured: 4e-4. */
const half = 5e-3;

const forms: [name: string, form: AdaptedForm, within: number][] = [
  ['fused attention', { linear: 'fused' }, tolerance],
  ['plain attention', { attention: 'plain' }, tolerance],
  ['float16', { precision: 'float16', border: 'float32' }, half],
];

let transformer: Part<Flux2Config>;
let folder: string;

beforeAll(async () => {
  transformer = await readPart(folderOf('tiny-flux2-klein', 'transformer'));
  folder = await mkdtemp(join(tmpdir(), 'flux2-'));
});
afterAll(() => rm(folder, { recursive: true }));

function rotaryFeeds(config: Flux2Config, positions: number[][]): Record<string, Tensor> {
  const { cos, sin } = rotaryTables(positions, config.axes_dims_rope!, config.rope_theta!);
  const table = (data: Float32Array) => floats(data, [positions.length, data.length / positions.length]);
  return { rotary_cos: table(cos), rotary_sin: table(sin) };
}

/** What the transformer is fed with for its recorded call. */
function feedsOf(config: Flux2Config, call: Flux2Goldens['transformer']): Record<string, Tensor> {
  const { latentHeight: rows, latentWidth: columns } = call;
  return {
    sample: floats(turnedRows(call.tokens, rows * columns), [1, 128, rows, columns]),
    timestep: floats(Float32Array.of(call.timestep), [1]),
    encoder_hidden_states: recorded(call.text),
    ...rotaryFeeds(config, flux2Positions(call.text.shape[1]!, { rows, columns }, [])),
  };
}

const outputOf = (call: Flux2Goldens['transformer'], output = call.output) => ({
  shape: [1, 128, call.latentHeight, call.latentWidth],
  data: [...turnedRows(output, call.latentHeight * call.latentWidth)],
});

async function expectCall(tensors: StoredTensors, form: AdaptedForm, within: number, goldens = distilled) {
  const graph = await openWritten(writeFlux2Transformer(transformer.config, tensors, form));
  const { out_sample: out } = await graph.run(feedsOf(transformer.config, goldens.transformer));
  expectClose(out, outputOf(goldens.transformer), within);
  await graph.close();
}

describe.each(forms)('FLUX.2 klein with %s gives what PyTorch gave', (_name, form, within) => {
  test('for one call of the transformer, distilled and base', async () => {
    await expectCall(transformer.tensors, form, within);
    const base = await readPart<Flux2Config>(folderOf('tiny-flux2-klein-base', 'transformer'));
    await expectCall(base.tensors, form, within, readTransformerGoldens('tiny-flux2-klein-base'));
  });
});

const encoders = new Map<Flux2Model, Promise<Graph>>();

/** The text encoder of a model; that of the base model has plain attention, so that both forms are held to their masks. */
function encoderOf(model: Flux2Model): Promise<Graph> {
  const opened = encoders.get(model) ?? open();
  encoders.set(model, opened);
  return opened;
  async function open(): Promise<Graph> {
    const { config, tensors } = await readPart<Qwen3Config>(folderOf(model, 'text_encoder'), 'model');
    const attention = model === 'tiny-flux2-klein' ? 'fused' : 'plain';
    return openWritten(writeQwen3(config, tensors, { attention, states: STATES, attentionMask: true }));
  }
}
afterAll(async () => {
  for (const graph of encoders.values()) await (await graph).close();
});

async function statesOf(model: Flux2Model, { tokenizer }: Flux2Goldens, index = 0): Promise<Tensor> {
  const feeds = rowFeeds(tokenizer.cases[index]!.ids, tokenizer.maxLength, tokenizer.padId);
  return (await (await encoderOf(model)).run(feeds)).hidden_states!;
}

test.each(['tiny-flux2-klein', 'tiny-flux2-klein-base'] as const)(
  'the text states of %s are those of PyTorch, filled rows included',
  async (model) => {
    const goldens = readTransformerGoldens(model);
    const given = await statesOf(model, goldens);
    const { embeddings, last4Rows } = goldens.textEncoder;
    const width = embeddings.shape[1]!;
    expect(given.dims).toEqual([1, 512, width]);
    const data = given.data as Float32Array;
    expect(relativeError(data.subarray(0, embeddings.data.length), embeddings.data)).toBeLessThan(tolerance);
    expect(relativeError(data.subarray(508 * width), last4Rows.data)).toBeLessThan(tolerance);
  },
);

test.each(['tiny-flux2-klein', 'tiny-flux2-klein-base'] as const)(
  'the first step of %s with a reference picture leads where it leads with PyTorch',
  async (model) => {
    const goldens = readTransformerGoldens(model);
    const { config, tensors } = await readPart<Flux2Config>(folderOf(model, 'transformer'));
    const graph = await openWritten(writeFlux2Transformer(config, tensors, { references: true }));
    const { textToImage, withReference } = goldens;
    const [sigma, next] = textToImage.sigmas as [number, number];
    const [rows, columns] = textToImage.initialNoise.shape.slice(2) as [number, number];
    const reference = withReference.referenceIds.at(-1)!;
    const grid = { rows: reference[1]! + 1, columns: reference[2]! + 1 };
    const call = async (text: Tensor) => {
      const positions = flux2Positions(512, { rows, columns }, [grid]);
      expect(positions.slice(-withReference.referenceIds.length)).toEqual(withReference.referenceIds);
      const { out_sample: out } = await graph.run({
        sample: recorded(textToImage.initialNoise),
        timestep: floats(Float32Array.of(sigma), [1]),
        encoder_hidden_states: text,
        reference: recorded(withReference.referenceTokens),
        ...rotaryFeeds(config, positions),
      });
      return out!.data as Float32Array;
    };
    const empty = goldens.tokenizer.cases.findIndex(({ prompt }) => prompt === '');
    const positive = await call(await statesOf(model, goldens));
    const scale = withReference.guidanceScale;
    const negative = scale > 1 ? await call(await statesOf(model, goldens, empty)) : positive;
    const latents = textToImage.initialNoise.data.map(
      (noise, at) => noise + (next - sigma) * (negative[at]! + scale * (positive[at]! - negative[at]!)),
    );
    const expected = turnedRows(withReference.latents[0]!, rows * columns);
    expect(relativeError(latents, expected)).toBeLessThan(tolerance);
    await graph.close();
  },
);

test('tokens of pictures lie one behind the other, with their channels together', () => {
  const first = Float32Array.of(1, 2, 3, 10, 20, 30);
  expect([...packTokens([first, Float32Array.of(4, 40)], 2)]).toEqual([1, 10, 2, 20, 3, 30, 4, 40]);
});

test('the autoencoder gives and takes normalized patches, from the folder and from a file in the original layout', async () => {
  const { config, tensors } = await readPart<AutoencoderKLConfig>(folderOf('tiny-flux2-klein', 'vae'));
  const file = join(folder, 'vae.safetensors');
  await writeTransformerFile('tiny-flux2-klein/vae/flux2-vae', file);
  const { image, latentMean, latentLogvar, patchifiedNormalized, patchified, decoded } = distilled.vae;
  for (const stored of [tensors, autoencoderTensors(await readStoredTensors(file))]) {
    const encoding = await openWritten(writeVaeEncoder(config, stored));
    const { latent_parameters: moments } = await encoding.run({ sample: recorded(image) });
    expect(moments?.dims).toEqual([1, 256, 2, 3]);
    const [mean, logarithm] = [0, 1].map((index) => {
      const count = patchifiedNormalized.data.length;
      return (moments!.data as Float32Array).subarray(index * count, (index + 1) * count);
    }) as [Float32Array, Float32Array];
    expect(relativeError(mean, patchifiedNormalized.data)).toBeLessThan(tolerance);
    // Normalizing divides a latent's deviation by what it divides the distance of two latents by.
    const [x, y] = [0, 1];
    const distance = latentMean.data[2 * y]! - latentMean.data[2 * x]!;
    const deviation = (mean[y]! - mean[x]!) / distance;
    expect(Math.exp(logarithm[0]! / 2)).toBeCloseTo(Math.exp(latentLogvar.data[0]! / 2) * deviation, 3);

    const decoding = await openWritten(writeVaeDecoder(config, stored));
    const { sample } = await decoding.run({ latent_sample: recorded(patchified) });
    expectClose(sample, decoded);
    await encoding.close();
    await decoding.close();
  }
});

test('a transformer in the original layout is the same, its final scale and shift exchanged', async () => {
  const file = join(folder, 'transformer.safetensors');
  await writeTransformerFile('tiny-flux2-klein/diffusion_models/flux-2-klein', file);
  const stored = await readStoredTensors(file);
  expect(isFlux2Transformer(stored)).toBe(true);
  const renamed = flux2TransformerTensors(stored);
  expect(new Set(renamed.keys())).toEqual(new Set(transformer.tensors.keys()));
  for (const [name, { shape }] of transformer.tensors) expect(renamed.get(name)?.shape, name).toEqual(shape);
  await expectCall(renamed, {}, tolerance);
  expect(flux2TransformerTensors(transformer.tensors)).toEqual(transformer.tensors);
  expect(isFlux2Transformer(transformer.tensors)).toBe(true);
});

test.each([
  ['peft', 'outputOfTransformerCase'],
  ['diffusion-model', 'outputOfTransformerCase'],
  ['kohya', 'kohyaOutputOfTransformerCase'],
] as const)('a LoRA with the names of %s changes every layer that it names', async (kind, expected) => {
  const written = writeFlux2Transformer(transformer.config, transformer.tensors, { adapters: 'linear' });
  const graph = await openWritten(written);
  const file = join(modelsFolder, `tiny-flux2-klein-lora-${kind}.safetensors`);
  const width = transformer.tensors.get('x_embedder.weight')!.shape[0]!;
  const { feeds, left } = await loraFeeds(graph, file, distilled.lora.weight, (path) => flux2LoraAliases(path, width));
  expect(left).toEqual([]);
  const { out_sample: out } = await graph.run({ ...feedsOf(transformer.config, distilled.transformer), ...feeds });
  expectClose(out, outputOf(distilled.transformer, distilled.lora[expected]));
  await graph.close();
});

test('weights that do not fit are refused', () => {
  const patches = () => writeFlux2Transformer({ ...transformer.config, patch_size: 2 }, transformer.tensors);
  expect(patches).toThrow(GraphError);
});
