import { beforeAll, describe, expect, test } from 'vitest';
import { flux2Positions } from '../../runtime/families/flux2.ts';
import { rotaryRow } from '../../runtime/families/rotary.ts';
import { zImagePositions } from '../../runtime/families/zImage.ts';
import { type AutoencoderKLConfig, writeVaeDecoder, writeVaeEncoder } from '../../runtime/graphs/autoencoderKL.ts';
import type { Written } from '../../runtime/graphs/builder.ts';
import { type Flux2Config, writeFlux2Transformer } from '../../runtime/graphs/flux2Transformer.ts';
import { type Qwen3Config, writeQwen3 } from '../../runtime/graphs/qwen3.ts';
import { writeZImageTransformer, type ZImageConfig } from '../../runtime/graphs/zImageTransformer.ts';
import { formOn, openWritten } from '../../runtime/onnx/openWritten.ts';
import { type ChosenProvider, chooseProvider } from '../../runtime/onnx/providers.ts';
import { floats, type Tensor } from '../../runtime/tensors/tensor.ts';
import { relativeError } from '../helpers/goldens.ts';
import { readPart, recorded } from '../helpers/graphs.ts';
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
});
