import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { fluxPositions } from '../../runtime/families/flux.ts';
import { flux2Positions } from '../../runtime/families/flux2.ts';
import { rotaryRow } from '../../runtime/families/rotary.ts';
import { zImagePositions } from '../../runtime/families/zImage.ts';
import { type AutoencoderKLConfig, writeVaeDecoder, writeVaeEncoder } from '../../runtime/graphs/autoencoderKL.ts';
import type { Written } from '../../runtime/graphs/builder.ts';
import { type Flux2Config, writeFlux2Transformer } from '../../runtime/graphs/flux2Transformer.ts';
import { writeFluxControlNet } from '../../runtime/graphs/fluxControlNet.ts';
import { writeFluxRedux } from '../../runtime/graphs/fluxRedux.ts';
import { writeFluxTransformer } from '../../runtime/graphs/fluxTransformer.ts';
import { type Qwen3Config, writeQwen3 } from '../../runtime/graphs/qwen3.ts';
import { type SD3TransformerConfig, writeSD3Transformer } from '../../runtime/graphs/sd3Transformer.ts';
import { type SiglipVisionConfig, writeSiglipVision } from '../../runtime/graphs/siglipVision.ts';
import { type T5Config, writeT5Encoder } from '../../runtime/graphs/t5Encoder.ts';
import { writeZImageTransformer, type ZImageConfig } from '../../runtime/graphs/zImageTransformer.ts';
import { formOn, openWritten } from '../../runtime/onnx/openWritten.ts';
import { type ChosenProvider, chooseProvider } from '../../runtime/onnx/providers.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';
import {
  latentsOfTokens,
  readFluxControlNetGoldens,
  readFluxGoldens,
  readFluxReduxGoldens,
} from '../helpers/fluxGoldens.ts';
import { modelsFolder, relativeError } from '../helpers/goldens.ts';
import { readPart, recorded } from '../helpers/graphs.ts';
import { readSD3Goldens } from '../helpers/sd3Goldens.ts';
import { folderOf, readTransformerGoldens, rowFeeds, turnedRows } from '../helpers/transformerGoldens.ts';
import { testsWebGpu, whenSkipped } from '../helpers/webgpu.ts';

/** Largest difference from PyTorch over the largest value. Seen with SwiftShader: 5.4e-4 after 27 layers in float32. */
const allowed = { float32: 1e-3, float16: 2e-2 };

describe.runIf(testsWebGpu)(`transformers and what goes with them on WebGPU${whenSkipped}`, () => {
  let providers: ChosenProvider[];
  beforeAll(async () => {
    providers = [await chooseProvider('webgpu', { precision: 'float32' })];
    const auto = await chooseProvider('webgpu', { precision: 'auto' });
    if (auto.precision === 'float16') providers.push(auto);
  });

  /** Runs a graph in each precision that the device has. */
  async function expectOutput(
    write: (form: ReturnType<typeof formOn>) => Written,
    feeds: Record<string, Tensor>,
    output: string,
    expected: ArrayLike<number>,
  ): Promise<void> {
    for (const provider of providers) {
      const graph = await openWritten(write(formOn(provider)), 'network', provider);
      const given = (await graph.run(feeds, [output]))[output]!.data as Float32Array;
      const { precision = 'float32' } = provider;
      expect(relativeError(given.subarray(0, expected.length), expected), precision).toBeLessThan(allowed[precision]);
      await graph.close();
    }
  }

  test('Z-Image', async () => {
    const { transformer: call } = readTransformerGoldens('tiny-z-image');
    const { config, tensors } = await readPart<ZImageConfig>(folderOf('tiny-z-image', 'transformer'));
    const [channels, , height, width] = call.latents.shape as [number, number, number, number];
    const [length, features] = call.captionFeatures.shape as [number, number];
    const feeds = {
      sample: floats(Float32Array.from(call.latents.data), [1, channels, height, width]),
      timestep: floats(Float32Array.of(call.t), [1]),
      encoder_hidden_states: floats(Float32Array.from(call.captionFeatures.data), [1, length, features]),
      ...rotaryRow(zImagePositions(height / 2, width / 2, length), config.axes_dims!, config.rope_theta!),
    };
    const write = (form: ReturnType<typeof formOn>) => writeZImageTransformer(config, tensors, form);
    await expectOutput(write, feeds, 'out_sample', call.output.data);
  });

  test('FLUX.2, with room for references', async () => {
    const { transformer: call } = readTransformerGoldens('tiny-flux2-klein');
    const { config, tensors } = await readPart<Flux2Config>(folderOf('tiny-flux2-klein', 'transformer'));
    const [rows, columns] = [call.latentHeight, call.latentWidth];
    const positions = flux2Positions(call.text.shape[1]!, { rows, columns }, []);
    const feeds = {
      sample: floats(turnedRows(call.tokens, rows * columns), [1, 128, rows, columns]),
      timestep: floats(Float32Array.of(call.timestep), [1]),
      encoder_hidden_states: recorded(call.text),
      reference: floats(new Float32Array(128), [1, 1, 128]),
      ...rotaryRow(positions, config.axes_dims_rope!, config.rope_theta!),
    };
    const write = (form: ReturnType<typeof formOn>) =>
      writeFlux2Transformer(config, tensors, { ...form, references: true });
    await expectOutput(write, feeds, 'out_sample', turnedRows(call.output, rows * columns));
  });

  test('Qwen3, with filled rows', async () => {
    const { tokenizer, textEncoder } = readTransformerGoldens('tiny-flux2-klein');
    const { config, tensors } = await readPart<Qwen3Config>(folderOf('tiny-flux2-klein', 'text_encoder'), 'model');
    const feeds = rowFeeds(tokenizer.cases[0]!.ids, 48, tokenizer.padId);
    const write = (form: ReturnType<typeof formOn>) =>
      writeQwen3(config, tensors, { ...form, states: [9, 18, 27], attentionMask: true });
    await expectOutput(write, feeds, 'hidden_states', textEncoder.embeddings.data);
  });

  test("FLUX.2's autoencoder", async () => {
    const { vae } = readTransformerGoldens('tiny-flux2-klein');
    const { config, tensors } = await readPart<AutoencoderKLConfig>(folderOf('tiny-flux2-klein', 'vae'));
    const encoder = (form: ReturnType<typeof formOn>) => writeVaeEncoder(config, tensors, form);
    await expectOutput(encoder, { sample: recorded(vae.image) }, 'latent_parameters', vae.patchifiedNormalized.data);
    const decoder = (form: ReturnType<typeof formOn>) => writeVaeDecoder(config, tensors, form);
    await expectOutput(decoder, { latent_sample: recorded(vae.patchified) }, 'sample', vae.decoded.data);
  });

  test('FLUX.1, with room for a reference and for a ControlNet', async () => {
    const { transformer: call, t5Output, pooled } = readFluxGoldens();
    const { config, tensors } = await readPart<{ axes_dims_rope: number[] }>(folderOf('tiny-flux-dev', 'transformer'));
    const grid = { rows: 3, columns: 4 };
    const [length, width] = t5Output.ofPrompt0.shape as [number, number];
    const inner = tensors.get('x_embedder.weight')!.shape[0]!;
    const nothing = floats(new Float32Array(inner), [1, 1, 1, inner]);
    const feeds = {
      sample: recorded(latentsOfTokens(call.hiddenStates, grid.rows, grid.columns)),
      timestep: floats(Float32Array.of(call.sigma), [1]),
      guidance: floats(Float32Array.of(call.guidance), [1]),
      encoder_hidden_states: floats(Float32Array.from(t5Output.ofPrompt0.data), [1, length, width]),
      pooled_projections: floats(Float32Array.from(pooled.data.slice(0, pooled.shape[1])), [1, pooled.shape[1]!]),
      reference: floats(new Float32Array(64), [1, 1, 64]),
      block_additional_residuals: nothing,
      single_block_additional_residuals: nothing,
      ...rotaryRow(fluxPositions(length, [grid]), config.axes_dims_rope, 10000),
    };
    const write = (form: ReturnType<typeof formOn>) =>
      writeFluxTransformer(tensors, { ...form, references: true, residuals: true });
    await expectOutput(write, feeds, 'out_sample', latentsOfTokens(call.output, grid.rows, grid.columns).data);
  });

  test('T5, with distances of every bucket', async () => {
    const { t5TokensAt512, t5Output } = readFluxGoldens();
    const { config, tensors } = await readPart<T5Config>(folderOf('tiny-flux-dev', 'text_encoder_2'), 'model');
    const { values } = t5Output.ofPrompt6At512;
    // The first two of the recorded rows are the first two of all.
    const expected = values.data.slice(0, 2 * values.shape[1]!);
    const feeds = { input_ids: int64s(t5TokensAt512.ids, [1, 512]) };
    const write = (form: ReturnType<typeof formOn>) => writeT5Encoder(config, tensors, form);
    await expectOutput(write, feeds, 'last_hidden_state', expected);
  });

  test('a ControlNet of FLUX.1', async () => {
    const { union: call } = readFluxControlNetGoldens();
    const { t5Output, pooled } = readFluxGoldens();
    const folder = join(modelsFolder, 'tiny-flux-controlnet-union');
    const { config, tensors } = await readPart<{ axes_dims_rope: number[] }>(folder);
    const grid = { rows: 3, columns: 4 };
    const [length, width] = t5Output.ofPrompt0.shape as [number, number];
    const feeds = {
      sample: recorded(latentsOfTokens(call.hiddenStates, grid.rows, grid.columns)),
      controlnet_cond: recorded(latentsOfTokens(call.controlCond, grid.rows, grid.columns)),
      conditioning_scale: floats(new Float32Array(2).fill(call.conditioningScale), [1, 2]),
      control_mode: int64s([call.controlMode!], [1]),
      timestep: floats(Float32Array.of(call.sigma), [1]),
      guidance: floats(Float32Array.of(call.guidance), [1]),
      encoder_hidden_states: floats(Float32Array.from(t5Output.ofPrompt0.data), [1, length, width]),
      pooled_projections: floats(Float32Array.from(pooled.data.slice(0, pooled.shape[1])), [1, pooled.shape[1]!]),
      ...rotaryRow(fluxPositions(length + 1, [grid]), config.axes_dims_rope, 10000),
    };
    const write = (form: ReturnType<typeof formOn>) => writeFluxControlNet(tensors, form);
    const samples = call.blockSamples.flatMap(({ data }) => data);
    await expectOutput(write, feeds, 'block_samples', samples);
  });

  test('SigLIP and the words that Redux makes of it', async () => {
    const { pixelValues, siglipLastHiddenState, imageEmbeds } = readFluxReduxGoldens();
    const part = (name: string, file?: string) =>
      readPart<SiglipVisionConfig>(join(modelsFolder, 'tiny-flux-redux', name), file);
    const [vision, words] = [await part('image_encoder', 'model'), await part('image_embedder')];
    const encoder = (form: ReturnType<typeof formOn>) => writeSiglipVision(vision.config, vision.tensors, form);
    const pixels = { pixel_values: recorded(pixelValues) };
    await expectOutput(encoder, pixels, 'last_hidden_state', siglipLastHiddenState.data);
    const embedder = (form: ReturnType<typeof formOn>) => writeFluxRedux(words.tensors, form);
    await expectOutput(embedder, { image_embeds: recorded(siglipLastHiddenState) }, 'prompt_embeds', imageEmbeds.data);
  });

  test('Stable Diffusion 3.5', async () => {
    const { transformer: call, conditioning } = readSD3Goldens();
    const { config, tensors } = await readPart<SD3TransformerConfig>(folderOf('tiny-sd3', 'transformer'));
    const feeds = {
      sample: recorded(call.hiddenStates),
      timestep: floats(Float32Array.of(call.timestep), [1]),
      encoder_hidden_states: recorded(conditioning.promptEmbeds),
      pooled_projections: recorded(conditioning.pooled),
    };
    const write = (form: ReturnType<typeof formOn>) => writeSD3Transformer(config, tensors, form);
    await expectOutput(write, feeds, 'out_sample', call.output.data);
  });
});
