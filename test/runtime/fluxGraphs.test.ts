import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fluxPositions, packPatches } from '../../runtime/families/flux.ts';
import { fluxLoraAliases, fluxTransformerTensors, isFluxTransformer } from '../../runtime/families/fluxKeys.ts';
import { autoencoderTensors } from '../../runtime/families/ldmLayout.ts';
import { rotaryTables } from '../../runtime/families/rotary.ts';
import { t5Tensors } from '../../runtime/families/t5Keys.ts';
import { readStoredTensors, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { readWeights } from '../../runtime/files/weights.ts';
import { type AutoencoderKLConfig, writeVaeDecoder, writeVaeEncoder } from '../../runtime/graphs/autoencoderKL.ts';
import type { AdaptedForm } from '../../runtime/graphs/builder.ts';
import { writeFluxControlNet } from '../../runtime/graphs/fluxControlNet.ts';
import { writeFluxRedux } from '../../runtime/graphs/fluxRedux.ts';
import { writeFluxTransformer } from '../../runtime/graphs/fluxTransformer.ts';
import { type SiglipVisionConfig, writeSiglipVision } from '../../runtime/graphs/siglipVision.ts';
import { type T5Config, writeT5Encoder } from '../../runtime/graphs/t5Encoder.ts';
import { openWritten as openWrittenFiles } from '../../runtime/onnx/openWritten.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';
import {
  latentsOfTokens,
  readFluxControlNetGoldens,
  readFluxGoldens,
  readFluxLoraGoldens,
  readFluxReduxGoldens,
  readKontextGoldens,
  readSchnellGoldens,
} from '../helpers/fluxGoldens.ts';
import { modelsFolder, type Recorded, relativeError } from '../helpers/goldens.ts';
import { cpu, expectClose, openWritten, type Part, readPart, recorded, tolerance } from '../helpers/graphs.ts';
import { folderOf, loraFeeds, readJsonArchive, writeTransformerFile } from '../helpers/transformerGoldens.ts';

const goldens = readFluxGoldens();

/** float16 against the float32 reference. */
const half = 5e-3;

const forms: [name: string, form: AdaptedForm, within: number][] = [
  ['fused attention', { linear: 'fused' }, tolerance],
  ['plain attention', { attention: 'plain' }, tolerance],
  ['float16', { precision: 'float16', border: 'float32' }, half],
];

/** Tokens of the recorded calls: latents of 6 × 8. */
const grid = { rows: 3, columns: 4 };

let transformer: Part<{ axes_dims_rope: number[] }>;
let folder: string;

beforeAll(async () => {
  transformer = await readPart(folderOf('tiny-flux-dev', 'transformer'));
  folder = await mkdtemp(join(tmpdir(), 'flux-'));
});
afterAll(() => rm(folder, { recursive: true }));

function rotaryFeeds(positions: readonly (readonly number[])[]): Record<string, Tensor> {
  const { cos, sin } = rotaryTables(positions, transformer.config.axes_dims_rope, 10000);
  const table = (data: Float32Array) => floats(data, [positions.length, data.length / positions.length]);
  return { rotary_cos: table(cos), rotary_sin: table(sin) };
}

/** One row of a recorded matrix. */
function rowOf({ shape, data }: Recorded, row: number): Tensor {
  const width = shape[1]!;
  return floats(Float32Array.from(data.slice(row * width, (row + 1) * width)), [1, width]);
}

function feedsOf(tokens: Recorded, sigma: number, guidance?: number): Record<string, Tensor> {
  const text = goldens.t5Output.ofPrompt0;
  return {
    sample: recorded(latentsOfTokens(tokens, grid.rows, grid.columns)),
    timestep: floats(Float32Array.of(sigma), [1]),
    encoder_hidden_states: recorded({ ...text, shape: [1, ...text.shape] }),
    pooled_projections: rowOf(goldens.pooled, 0),
    ...rotaryFeeds(fluxPositions(text.shape[0]!, [grid])),
    ...(guidance !== undefined && { guidance: floats(Float32Array.of(guidance), [1]) }),
  };
}

/** A call of a ControlNet, and what the transformer makes of its residuals. */
describe.each([
  ['ControlNet', 'plain', 'tiny-flux-controlnet'],
  ['union', 'union', 'tiny-flux-controlnet-union'],
] as const)('a %s of FLUX.1', (_name, which, part) => {
  test('gives the residuals that PyTorch gave, and the transformer adds them', async () => {
    const { [which]: call } = readFluxControlNetGoldens();
    const { tensors } = await readPart(join(modelsFolder, part));
    const guiding = await openWritten(writeFluxControlNet(tensors));
    const feeds = feedsOf(call.hiddenStates, call.sigma, call.guidance);
    const isUnion = call.controlMode !== null;
    const samples = call.blockSamples.length + call.singleBlockSamples.length;
    const length = goldens.t5Output.ofPrompt0.shape[0]!;
    const residuals = await guiding.run({
      ...feeds,
      controlnet_cond: recorded(latentsOfTokens(call.controlCond, grid.rows, grid.columns)),
      conditioning_scale: floats(new Float32Array(samples).fill(call.conditioningScale), [1, samples]),
      ...(isUnion && { control_mode: int64s([call.controlMode!], [1]) }),
      ...rotaryFeeds(fluxPositions(length + (isUnion ? 1 : 0), [grid])),
    });
    const expected = (samples: readonly Recorded[]) => ({
      shape: [1, samples.length, ...samples[0]!.shape.slice(1)],
      data: samples.flatMap(({ data }) => data),
    });
    for (const [output, samples] of [
      ['block_samples', call.blockSamples],
      ['single_block_samples', call.singleBlockSamples],
    ] as const) {
      if (samples.length > 0) expectClose(residuals[output], expected(samples));
      expect(guiding.gives(output)).toBe(samples.length > 0);
    }
    const inner = transformer.tensors.get('x_embedder.weight')!.shape[0]!;
    const nothing = floats(new Float32Array(inner), [1, 1, 1, inner]);
    const graph = await openWritten(writeFluxTransformer(transformer.tensors, { residuals: true }));
    const fed = (block: Tensor, single: Tensor) =>
      graph.run({ ...feeds, block_additional_residuals: block, single_block_additional_residuals: single });
    const { out_sample: out } = await fed(
      residuals.block_samples ?? nothing,
      residuals.single_block_samples ?? nothing,
    );
    expectClose(out, outputOf(call.output));
    await graph.close();
    await guiding.close();
  });
});

test('without a ControlNet at work, the transformer that takes residuals gives what it gave without', async () => {
  const { hiddenStates, sigma, guidance, output } = goldens.transformer;
  const inner = transformer.tensors.get('x_embedder.weight')!.shape[0]!;
  const nothing = floats(new Float32Array(inner), [1, 1, 1, inner]);
  const graph = await openWritten(writeFluxTransformer(transformer.tensors, { residuals: true }));
  const { out_sample: out } = await graph.run({
    ...feedsOf(hiddenStates, sigma, guidance),
    block_additional_residuals: nothing,
    single_block_additional_residuals: nothing,
  });
  expectClose(out, outputOf(output));
  await graph.close();
});

test.each(forms)('Redux makes the words of a picture that PyTorch made, with %s', async (_name, form, within) => {
  const { pixelValues, siglipLastHiddenState, imageEmbeds } = readFluxReduxGoldens();
  const root = join(modelsFolder, 'tiny-flux-redux');
  const vision = await readPart<SiglipVisionConfig>(join(root, 'image_encoder'), 'model');
  const looking = await openWritten(writeSiglipVision(vision.config, vision.tensors, form));
  const { last_hidden_state: states } = await looking.run({ pixel_values: recorded(pixelValues) });
  expectClose(states, siglipLastHiddenState, within);
  const { tensors } = await readPart(join(root, 'image_embedder'));
  const telling = await openWritten(writeFluxRedux(tensors, form));
  const { prompt_embeds: words } = await telling.run({ image_embeds: states! });
  expectClose(words, imageEmbeds, within);
  await looking.close();
  await telling.close();
});

const outputOf = (tokens: Recorded) => latentsOfTokens(tokens, grid.rows, grid.columns);

async function expectCall(tensors: StoredTensors, form: AdaptedForm, within: number) {
  const { hiddenStates, sigma, guidance, output, outputAtGuidance1 } = goldens.transformer;
  const graph = await openWritten(writeFluxTransformer(tensors, form));
  const { out_sample: out } = await graph.run(feedsOf(hiddenStates, sigma, guidance));
  expectClose(out, outputOf(output), within);
  const { out_sample: other } = await graph.run(feedsOf(hiddenStates, sigma, 1));
  expectClose(other, outputOf(outputAtGuidance1), within);
  await graph.close();
}

describe.each(forms)('FLUX.1 with %s gives what PyTorch gave', (_name, form, within) => {
  test('for one call of the transformer at two guidance scales', () => expectCall(transformer.tensors, form, within));

  test('for the text states of T5', async () => {
    const { config, tensors } = await readPart<T5Config>(folderOf('tiny-flux-dev', 'text_encoder_2'), 'model');
    const graph = await openWritten(writeT5Encoder(config, tensors, form));
    const { t5Tokens, t5TokensAt512, t5Output } = goldens;
    const states = async (ids: number[]) =>
      (await graph.run({ input_ids: int64s(ids, [1, ids.length]) })).last_hidden_state!;
    for (const [index, expected] of [
      [0, t5Output.ofPrompt0],
      [2, t5Output.ofPrompt2],
    ] as const) {
      expectClose(await states(t5Tokens.cases[index]!.ids), { ...expected, shape: [1, ...expected.shape] }, within);
    }
    // Long enough for the widest buckets of distances.
    const { dims, data } = await states(t5TokensAt512.ids);
    const width = dims[2]!;
    const { rows, values } = t5Output.ofPrompt6At512;
    const found = rows.flatMap((row) => [...(data as Float32Array).subarray(row * width, (row + 1) * width)]);
    expect(relativeError(found, values.data)).toBeLessThan(within);
    await graph.close();
  });
});

test.each(['tiny-flux-dev-t5-encoder.gguf', 'tiny-flux-dev-t5xxl-fp8.safetensors'])(
  'T5 in a file of its own gives what PyTorch gave with dequantised weights: %s',
  async (name) => {
    const { [name]: output } = readJsonArchive<Record<string, Recorded>>('tiny-flux-text-files');
    const tensors = t5Tensors(await readWeights(join(modelsFolder, name)));
    const written = writeT5Encoder({}, tensors, { linear: 'fused', weights: 'float16' });
    const graph = await openWrittenFiles(written, name, { ...cpu, packedFolder: folder });
    const { ids } = goldens.t5Tokens.cases[0]!;
    const { last_hidden_state: states } = await graph.run({ input_ids: int64s(ids, [1, ids.length]) });
    expectClose(states, output!);
    await graph.close();
  },
);

test('rows of one call each have their own text and positions', async () => {
  const graph = await openWritten(writeFluxTransformer(transformer.tensors));
  const { hiddenStates, sigma, guidance, output, outputAtGuidance1 } = goldens.transformer;
  const [first, second] = [feedsOf(hiddenStates, sigma, guidance), feedsOf(hiddenStates, sigma, 1)];
  const both = Object.fromEntries(
    Object.entries(first).map(([name, { dims, data }]) => {
      const joined = new Float32Array(2 * data.length);
      joined.set(data as Float32Array);
      joined.set(second[name]!.data as Float32Array, data.length);
      return [name, floats(joined, [2 * dims[0]!, ...dims.slice(1)])];
    }),
  );
  const { out_sample: out } = await graph.run(both);
  const expected = [output, outputAtGuidance1].map(outputOf);
  expectClose(out, { shape: [2, 16, 6, 8], data: expected.flatMap(({ data }) => data) });
  await graph.close();
});

test('the transformer of schnell has no guidance, and its weights are bfloat16', async () => {
  const { tensors } = await readPart(folderOf('tiny-flux-schnell', 'transformer'));
  const { transformer: call, t5Output, pooled } = readSchnellGoldens();
  const graph = await openWritten(writeFluxTransformer(tensors));
  expect(graph.takes('guidance')).toBe(false);
  const [length] = t5Output.shape.slice(-2) as [number];
  const { out_sample: out } = await graph.run({
    ...feedsOf(call.hiddenStates, call.sigma),
    encoder_hidden_states: recorded(t5Output),
    pooled_projections: recorded(pooled),
    ...rotaryFeeds(fluxPositions(length, [grid])),
  });
  expectClose(out, outputOf(call.output));
  await graph.close();
});

test('the first step of Kontext looks at the reference picture', async () => {
  const { imageLatents, imgIds, guidance, initialNoise, sigmas, latents } = readKontextGoldens();
  const [channels, height, width] = imageLatents.shape.slice(1) as [number, number, number];
  const own = { rows: height / 2, columns: width / 2 };
  const text = goldens.t5Output.ofPrompt0;
  const positions = fluxPositions(text.shape[0]!, [grid, own]);
  expect(positions.slice(text.shape[0]).flat()).toEqual(imgIds.data);
  const packed = packPatches(Float32Array.from(imageLatents.data), channels, own);
  const graph = await openWritten(writeFluxTransformer(transformer.tensors, { references: true }));
  const [sigma, next] = sigmas as [number, number];
  const { out_sample: out } = await graph.run({
    ...feedsOf(goldens.transformer.hiddenStates, sigma, guidance),
    sample: recorded(initialNoise),
    reference: floats(packed, [1, packed.length / (4 * channels), 4 * channels]),
    ...rotaryFeeds(positions),
  });
  const stepped = initialNoise.data.map((noise, at) => noise + (next - sigma) * (out!.data as Float32Array)[at]!);
  expect(relativeError(stepped, outputOf(latents[0]!).data)).toBeLessThan(tolerance);
  await graph.close();
});

test('latents are packed as the reference packs them', () => {
  const { packed, imgIds } = goldens.packing;
  const latents = Float32Array.from({ length: 16 * 4 * 6 }, (_, at) => at);
  expect([...packPatches(latents, 16, { rows: 2, columns: 3 })]).toEqual(packed.data);
  expect(fluxPositions(0, [{ rows: 2, columns: 3 }]).flat()).toEqual(imgIds.data);
});

test('the autoencoder has no quant convolutions, in the folder and in a file in the original layout', async () => {
  const { config, tensors } = await readPart<AutoencoderKLConfig>(folderOf('tiny-flux-dev', 'vae'));
  const file = join(folder, 'ae.safetensors');
  await writeTransformerFile('tiny-flux-dev/ae', file);
  const { image, latentMean, latentLogvar, latents, decoded } = goldens.vae;
  for (const stored of [tensors, autoencoderTensors(await readStoredTensors(file))]) {
    const encoding = await openWritten(writeVaeEncoder(config, stored));
    const { latent_parameters: moments } = await encoding.run({ sample: recorded(image) });
    expectClose(moments, { shape: [1, 32, 4, 6], data: [...latentMean.data, ...latentLogvar.data] });
    const decoding = await openWritten(writeVaeDecoder(config, stored));
    const { scaling_factor: factor, shift_factor: shift } = config as { scaling_factor: number; shift_factor: number };
    const unscaled = latents.data.map((value) => value / factor + shift);
    const { sample } = await decoding.run({ latent_sample: recorded({ ...latents, data: unscaled }) });
    expectClose(sample, decoded);
    await encoding.close();
    await decoding.close();
  }
});

test.each(['bfl', 'comfy'])('a transformer in the original layout is the same: %s', async (kind) => {
  const file = join(folder, `${kind}.safetensors`);
  await writeTransformerFile(`tiny-flux-dev/${kind}`, file);
  const stored = await readStoredTensors(file);
  expect(isFluxTransformer(stored)).toBe(true);
  const renamed = fluxTransformerTensors(stored);
  for (const [name, { shape }] of transformer.tensors) expect(renamed.get(name)?.shape, name).toEqual(shape);
  await expectCall(renamed, {}, tolerance);
  expect(fluxTransformerTensors(transformer.tensors)).toEqual(transformer.tensors);
  expect(isFluxTransformer(transformer.tensors)).toBe(true);
});

test.each(['peft', 'kohya', 'original'] as const)(
  'a LoRA with the names of %s changes every layer that it names',
  async (kind) => {
    const graph = await openWritten(writeFluxTransformer(transformer.tensors, { adapters: 'linear' }));
    const { weight, [kind]: golden } = readFluxLoraGoldens();
    const width = transformer.tensors.get('x_embedder.weight')!.shape[0]!;
    const { feeds, left } = await loraFeeds(graph, join(modelsFolder, golden.file), weight, (path) =>
      fluxLoraAliases(path, width),
    );
    expect(left).toEqual([]);
    const { hiddenStates, sigma, guidance } = goldens.transformer;
    const { out_sample: out } = await graph.run({ ...feedsOf(hiddenStates, sigma, guidance), ...feeds });
    expectClose(out, outputOf(golden.output));
    await graph.close();
  },
);
