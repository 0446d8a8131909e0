import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Component } from '../../runtime/families/family.ts';
import { readStoredTensors, type StoredTensor, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { type AutoencoderKLConfig, writeVaeDecoder } from '../../runtime/graphs/autoencoderKL.ts';
import { GraphError } from '../../runtime/graphs/builder.ts';
import { type UNet2DConditionConfig, writeUNet2DCondition } from '../../runtime/graphs/unet2DCondition.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { toFloat16 } from '../../runtime/tensors/float16.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';
import { type ModelGoldens, modelFolder, readGoldens, relativeError, tinyModels } from '../helpers/goldens.ts';
import { cpu, expectClose, openWritten, recorded, tolerance, unetFeeds } from '../helpers/graphs.ts';
import { openComponent } from '../helpers/openComponent.ts';

/** The first of the batch, as the goldens hold it: [1, n, c] → [n, c]. */
function first(tensor: Tensor | undefined): Tensor {
  const [, length, width] = tensor!.dims as [number, number, number];
  return floats((tensor!.data as Float32Array).subarray(0, length * width), [length, width]);
}

const cases = tinyModels.flatMap((model) => [
  { model, attention: 'fused' as const },
  { model, attention: 'plain' as const },
]);

describe.each(cases)('$model with $attention attention gives what PyTorch gave', ({ model, attention }) => {
  let goldens: ModelGoldens;
  const open = new Map<Component, Graph>();
  const graph = (component: Component) => open.get(component)!;

  beforeAll(async () => {
    goldens = readGoldens(model);
    const components: Component[] = ['text_encoder', 'denoiser', 'vae_encoder', 'vae_decoder'];
    if (goldens.textEncoder2) components.push('text_encoder_2');
    for (const component of components) {
      open.set(component, await openComponent(modelFolder(model), component, { ...cpu, attention }));
    }
  });

  afterAll(async () => {
    for (const each of open.values()) await each.close();
  });

  const encode = (component: Component, ids: number[][]) =>
    graph(component).run({ input_ids: int64s(ids.flat(), [ids.length, ids[0]!.length]) });

  test('for the text encoder', async () => {
    const expected = goldens.textEncoder;
    const states = await encode('text_encoder', expected.ids);
    expectClose(first(states.last_hidden_state), expected.lastHiddenStateOfFirstPrompt);
    expectClose(states.pooler_output, expected.pooled);
    const hidden = Object.keys(states).filter((name) => name.startsWith('hidden_states.')).length;
    expectClose(first(states[`hidden_states.${hidden - 2}`]), expected.penultimateOfFirstPrompt);
    expectClose(first(states[`normalized_hidden_states.${hidden - 2}`]), expected.clipSkip1OfFirstPrompt);
  });

  test('for the second text encoder, where there is one', async () => {
    const expected = goldens.textEncoder2;
    if (!expected) return expect(open.has('text_encoder_2')).toBe(false);
    const states = await encode('text_encoder_2', expected.ids);
    expectClose(first(states.last_hidden_state), expected.lastHiddenStateOfFirstPrompt);
    expectClose(states.text_embeds, expected.textEmbeds!);
    const hidden = Object.keys(states).filter((name) => name.startsWith('hidden_states.')).length;
    expectClose(first(states[`hidden_states.${hidden - 2}`]), expected.penultimateOfFirstPrompt);
  });

  test('for the moments of an image', async () => {
    const { latent_parameters: moments } = await graph('vae_encoder').run({ sample: recorded(goldens.vae.image) });
    const { shape } = goldens.vae.latentMean;
    const half = moments!.data.length / 2;
    expectClose(floats((moments!.data as Float32Array).subarray(0, half), shape), goldens.vae.latentMean);
    expectClose(floats((moments!.data as Float32Array).subarray(half), shape), goldens.vae.latentLogvar);
  });

  test('for decoded latents', async () => {
    const { shape, data } = goldens.vae.latents;
    const { sample } = await graph('vae_decoder').run({ latent_sample: recorded({ shape, data }) });
    expectClose(sample, goldens.vae.decoded);
  });

  test('for one call of the UNet, and for two samples in one call', async () => {
    const { output } = goldens.unet;
    const feeds = await unetFeeds(goldens, graph('text_encoder'), open.get('text_encoder_2'));
    const { out_sample: once } = await graph('denoiser').run(feeds);
    expectClose(once, output);

    const twice = Object.entries(feeds).map(([name, { dims, data }]) => {
      const doubled = new Float32Array(data.length * 2);
      doubled.set(data as Float32Array, 0);
      doubled.set(data as Float32Array, data.length);
      return [name, floats(doubled, [2, ...dims.slice(1)])] as const;
    });
    const { out_sample: both } = await graph('denoiser').run(Object.fromEntries(twice));
    expect(both!.dims).toEqual([2, ...output.shape.slice(1)]);
    for (const half of [0, 1]) {
      const part = (both!.data as Float32Array).subarray(half * output.data.length, (half + 1) * output.data.length);
      expect(relativeError(part, output.data)).toBeLessThan(tolerance);
    }
  });
});

describe.each(['tiny-sd15-inpaint', 'tiny-pix2pix'] as const)('the UNet of %s, which takes more channels', (model) => {
  test('gives what PyTorch gave', async () => {
    const goldens = readGoldens(model);
    const textEncoder = await openComponent(modelFolder(model), 'text_encoder', cpu);
    const unet = await openComponent(modelFolder(model), 'denoiser', cpu);
    const feeds = await unetFeeds(goldens, textEncoder);
    expect(unet.inputs.find(({ name }) => name === 'sample')?.shape[1]).toBe(feeds.sample!.dims[1]);
    const { out_sample: out } = await unet.run(feeds);
    expectClose(out, goldens.unet.output, 1e-5);
    await textEncoder.close();
    await unet.close();
  });
});

describe('weights stored in other ways', () => {
  const goldens = readGoldens('tiny-sd15');
  const folder = join(modelFolder('tiny-sd15'), 'vae');
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as AutoencoderKLConfig;
  const file = join(folder, 'diffusion_pytorch_model.safetensors');

  async function decodeError(tensors: StoredTensors, data: Uint8Array): Promise<number> {
    const decoder = await openWritten(writeVaeDecoder(config, tensors), data);
    const { sample } = await decoder.run({ latent_sample: recorded(goldens.vae.latents) });
    await decoder.close();
    return relativeError(sample!.data as Float32Array, goldens.vae.decoded.data);
  }

  test('are found under the names that diffusers gave attention before 0.18, as 1×1 convolutions', async () => {
    const older: Record<string, string> = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' };
    const tensors = [...(await readStoredTensors(file))].map(([name, tensor]) => {
      const renamed = name.replace(/\.(to_q|to_k|to_v|to_out\.0)\./, (_, part: string) => `.${older[part]}.`);
      const shape = renamed !== name && tensor.shape.length === 2 ? [...tensor.shape, 1, 1] : tensor.shape;
      return [renamed, { ...tensor, shape }] as const;
    });
    expect(tensors.some(([name]) => name.includes('proj_attn'))).toBe(true);
    expect(await decodeError(new Map(tensors), readFileSync(file))).toBeLessThan(tolerance);
  });

  test.each(['BF16', 'F16', 'F64'] as const)('are computed with in float32 when they are %s', async (dtype) => {
    const stored = await readStoredTensors(file);
    const values = readFileSync(file);
    const chunks: Uint8Array[] = [];
    const tensors = new Map<string, StoredTensor>();
    let offset = 0;
    for (const [name, tensor] of stored) {
      const { buffer } = new Uint8Array(values.subarray(tensor.offset, tensor.offset + tensor.length));
      const float32 = new Float32Array(buffer);
      const bits = new Uint32Array(buffer);
      // The upper half of a float32 is a bfloat16; adding half of what is cut off rounds it.
      const converted = {
        BF16: () => Uint16Array.from(bits, (value) => Math.min((value + 0x8000) >>> 16, 0xffff)),
        F16: () => toFloat16(float32),
        F64: () => Float64Array.from(float32),
      }[dtype]();
      chunks.push(new Uint8Array(converted.buffer));
      tensors.set(name, { dtype, shape: tensor.shape, file, offset, length: converted.byteLength });
      offset += converted.byteLength;
    }
    const error = await decodeError(tensors, Buffer.concat(chunks));
    expect(error).toBeLessThan({ BF16: 3e-2, F16: 3e-3, F64: tolerance }[dtype]);
  });
});

describe('a UNet', () => {
  const folder = join(modelFolder('tiny-sd15'), 'unet');
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as UNet2DConditionConfig;
  const tensors = () => readStoredTensors(join(folder, 'diffusion_pytorch_model.safetensors'));

  test.each<[Partial<UNet2DConditionConfig>, RegExp]>([
    [{ down_block_types: ['AttnDownBlock2D'] }, /block of type "AttnDownBlock2D"; supported are CrossAttnDownBlock2D/],
    [
      { mid_block_type: 'UNetMidBlock2D' },
      /mid_block_type: "UNetMidBlock2D"; supported: "UNetMidBlock2DCrossAttn", null/,
    ],
    [{ attention_head_dim: 5 }, /5 attention heads do not divide 16 channels/],
    [{ attention_head_dim: [2, 4] }, /heads of attention for 2 of 4 blocks/],
    [{ addition_embed_type: 'image' }, /addition_embed_type: "image"/],
  ])('with %j is refused in a sentence', async (change, reason) => {
    const stored = await tensors();
    expect(() => writeUNet2DCondition({ ...config, ...change }, stored)).toThrow(GraphError);
    expect(() => writeUNet2DCondition({ ...config, ...change }, stored)).toThrow(reason);
  });

  test('without one of its tensors is refused by the name of the tensor', async () => {
    const stored = new Map(await tensors());
    stored.delete('up_blocks.2.attentions.1.transformer_blocks.0.ff.net.2.weight');
    const reason = 'The weights have no tensor "up_blocks.2.attentions.1.transformer_blocks.0.ff.net.2.weight".';
    expect(() => writeUNet2DCondition(config, stored)).toThrow(reason);
  });

  test('that takes residuals is the plain one while they are lone zeros, and adds them where they belong', async () => {
    const goldens = readGoldens('tiny-sd15');
    const textEncoder = await openComponent(modelFolder('tiny-sd15'), 'text_encoder', cpu);
    const feeds = await unetFeeds(goldens, textEncoder);
    const plain = await openWritten(writeUNet2DCondition(config, await tensors()));
    const open = await openWritten(writeUNet2DCondition(config, await tensors(), { residuals: true }));
    const names = open.inputs.map(({ name }) => name).filter((name) => name.includes('additional_residual'));
    const expected = Array.from({ length: 12 }, (_, i) => `down_block_additional_residuals.${i}`);
    expect(names).toEqual([...expected, 'mid_block_additional_residual']);
    const zero = floats(new Float32Array(1), [1, 1, 1, 1]);
    const zeros = Object.fromEntries(names.map((name) => [name, zero]));
    const { out_sample: unchanged } = await plain.run(feeds);
    expect((await open.run({ ...feeds, ...zeros })).out_sample).toEqual(unchanged);
    for (const name of names) {
      const { out_sample: changed } = await open.run({
        ...feeds,
        ...zeros,
        [name]: floats(Float32Array.of(0.5), [1, 1, 1, 1]),
      });
      expect(changed!.data, name).not.toEqual(unchanged!.data);
    }
    await Promise.all([textEncoder, plain, open].map((graph) => graph.close()));
  });

  test('takes any size, also ones that do not halve evenly', async () => {
    const unet = await openComponent(modelFolder('tiny-sd15'), 'denoiser', cpu);
    for (const [height, width] of [
      [1, 1],
      [5, 7],
      [9, 16],
    ] as const) {
      const { out_sample: out } = await unet.run({
        sample: floats(new Float32Array(4 * height * width).fill(0.5), [1, 4, height, width]),
        timestep: floats(Float32Array.of(3), [1]),
        encoder_hidden_states: floats(new Float32Array(3 * 32), [1, 3, 32]),
      });
      expect(out!.dims).toEqual([1, 4, height, width]);
      expect((out!.data as Float32Array).every(Number.isFinite)).toBe(true);
    }
    await unet.close();
  });
});
