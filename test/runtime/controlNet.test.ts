import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readStoredTensors } from '../../runtime/files/safetensors.ts';
import { GraphError } from '../../runtime/graphs/builder.ts';
import { type ControlNetConfig, type ControlNetForm, writeControlNet } from '../../runtime/graphs/controlNet.ts';
import { type UNet2DConditionConfig, writeUNet2DCondition } from '../../runtime/graphs/unet2DCondition.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { floats, type Tensor } from '../../runtime/tensors/tensor.ts';
import { modelFolder, modelsFolder, readGoldens, relativeError } from '../helpers/goldens.ts';
import { cpu, expectClose, openWritten, type Part, readPart, recorded, unetFeeds } from '../helpers/graphs.ts';
import { openComponent } from '../helpers/openComponent.ts';
import { type NewTensor, writeSafetensors } from '../helpers/safetensors.ts';

const goldens = readGoldens('tiny-sd15');
const golden = goldens.controlNet!;
/** Residuals of the network: twelve on the way down, and the middle. */
const count = 13;
const scales = (values: readonly number[]) => floats(Float32Array.from(values), [1, count]);
const same = (value: number) => scales(new Array<number>(count).fill(value));

describe('a ControlNet', () => {
  let part: Part<ControlNetConfig>;
  let unet: Graph;
  let textEncoder: Graph;
  let feeds: Record<string, Tensor>;

  beforeAll(async () => {
    part = await readPart<ControlNetConfig>(join(modelsFolder, golden.folder));
    const { config, tensors } = await readPart<UNet2DConditionConfig>(join(modelFolder('tiny-sd15'), 'unet'));
    unet = await openWritten(writeUNet2DCondition(config, tensors, { residuals: true }));
    textEncoder = await openComponent(modelFolder('tiny-sd15'), 'text_encoder', cpu);
    feeds = await unetFeeds(goldens, textEncoder);
  });

  afterAll(async () => {
    await unet.close();
    await textEncoder.close();
  });

  /** Runs it once, with changes to its config. */
  async function residuals(
    conditioning_scale: Tensor,
    change: Partial<ControlNetConfig> = {},
    form: ControlNetForm = {},
    image = recorded(golden.image),
  ): Promise<Record<string, Tensor>> {
    const graph = await openWritten(writeControlNet({ ...part.config, ...change }, part.tensors, form));
    try {
      return await graph.run({ ...feeds, controlnet_cond: image, conditioning_scale });
    } finally {
      await graph.close();
    }
  }

  test.each(['fused', 'plain'] as const)('gives what PyTorch gave, with %s attention', async (attention) => {
    const outputs = await residuals(same(golden.conditioningScale), {}, { attention });
    expectClose(outputs.mid_block_res_sample, golden.midResidual, 1e-5);
    const added: Record<string, Tensor> = { mid_block_additional_residual: outputs.mid_block_res_sample! };
    for (let i = 0; i < count - 1; i++) {
      added[`down_block_additional_residuals.${i}`] = outputs[`down_block_res_samples.${i}`]!;
    }
    const { out_sample: out } = await unet.run({ ...feeds, ...added });
    expectClose(out, golden.unetOutput, 1e-5);
    // The guide image matters: without it the UNet says something else.
    expect(relativeError(out!.data as Float32Array, goldens.unet.output.data)).toBeGreaterThan(0.01);
  });

  test('scales each residual by its own factor, the middle by the last', async () => {
    const plain = await residuals(same(1));
    const factors = Array.from({ length: count }, (_, i) => i * 0.25 - 1);
    const scaled = await residuals(scales(factors));
    for (const [i, factor] of factors.entries()) {
      const name = i === count - 1 ? 'mid_block_res_sample' : `down_block_res_samples.${i}`;
      const expected = (plain[name]!.data as Float32Array).map((value) => value * factor);
      expect(scaled[name]!.data, name).toEqual(expected);
    }
  });

  test('sees blue first where its config says bgr', async () => {
    const { dims, data } = recorded(golden.image);
    const plane = dims[2]! * dims[3]!;
    const swapped = new Float32Array(data.length);
    for (const [to, from] of [2, 1, 0].entries()) {
      swapped.set((data as Float32Array).subarray(from * plane, (from + 1) * plane), to * plane);
    }
    const rgb = await residuals(same(1));
    const change = { controlnet_conditioning_channel_order: 'bgr' };
    const bgr = await residuals(same(1), change, {}, floats(swapped, dims));
    expect(bgr).toEqual(rgb);
    expect((await residuals(same(1), change)).mid_block_res_sample).not.toEqual(rgb.mid_block_res_sample);
  });

  test('gives means over the picture where its config says so', async () => {
    const whole = await residuals(same(1));
    const pooled = await residuals(same(1), { global_pool_conditions: true });
    for (const [name, { dims, data }] of Object.entries(whole)) {
      const [, channels, height, width] = dims as [number, number, number, number];
      const size = height * width;
      const means = Array.from({ length: channels }, (_, c) => {
        const plane = (data as Float32Array).subarray(c * size, (c + 1) * size);
        return plane.reduce((sum, value) => sum + value, 0) / size;
      });
      expect(pooled[name]!.dims).toEqual([1, channels, 1, 1]);
      expect(relativeError(pooled[name]!.data as Float32Array, means)).toBeLessThan(1e-5);
    }
  });

  test.each<[Partial<ControlNetConfig>, string]>([
    [{ controlnet_conditioning_channel_order: 'gbr' }, 'order "gbr"; supported are rgb and bgr.'],
    [{ class_embed_type: 'projection' }, `The ControlNet's config says class_embed_type: "projection"`],
    [{ addition_embed_type: 'text' }, `The ControlNet's config says addition_embed_type: "text"`],
  ])('with %j is refused in a sentence', (change, reason) => {
    expect(() => writeControlNet({ ...part.config, ...change }, part.tensors)).toThrow(GraphError);
    expect(() => writeControlNet({ ...part.config, ...change }, part.tensors)).toThrow(reason);
  });

  test('may have no attention at all, as the small ones for XL', async () => {
    const bare = new Map([...part.tensors].filter(([name]) => !/attentions|mid_block\.resnets\.1/.test(name)));
    const config = {
      ...part.config,
      mid_block_type: 'UNetMidBlock2D',
      down_block_types: new Array(4).fill('DownBlock2D'),
    };
    const graph = await openWritten(writeControlNet(config, bare));
    const outputs = await graph.run({ ...feeds, controlnet_cond: recorded(golden.image), conditioning_scale: same(1) });
    expect(outputs.mid_block_res_sample?.dims).toEqual(golden.midResidual.shape);
    await graph.close();
  });
});

describe('a ControlNet for XL', () => {
  /** The way down of the UNet itself, with a guide that says nothing and outputs that pass everything on. */
  async function mirrorOf(unet: Part<UNet2DConditionConfig>, folder: string): Promise<Part<ControlNetConfig>> {
    const identity = (channels: number): NewTensor => ({
      shape: [channels, channels, 1, 1],
      data: Float32Array.from({ length: channels ** 2 }, (_, i) => (i % (channels + 1) === 0 ? 1 : 0)),
    });
    const own: Record<string, NewTensor> = {};
    const zeros = (name: string, shape: readonly number[]) => {
      own[name] = { shape, data: new Float32Array(shape.reduce((product, dim) => product * dim, 1)) };
    };
    const channels = unet.config.block_out_channels!;
    const states = channels.flatMap((width, level) =>
      new Array<number>(level < channels.length - 1 ? 3 : 2).fill(width),
    );
    for (const [i, width] of [channels[0]!, ...states].entries()) {
      own[`controlnet_down_blocks.${i}.weight`] = identity(width);
    }
    own['controlnet_mid_block.weight'] = identity(channels.at(-1)!);
    zeros('controlnet_cond_embedding.conv_in.weight', [4, 3, 3, 3]);
    for (let i = 0; i < 6; i++) zeros(`controlnet_cond_embedding.blocks.${i}.weight`, [4, 4, 3, 3]);
    zeros('controlnet_cond_embedding.conv_out.weight', [channels[0]!, 4, 3, 3]);
    const file = join(folder, 'mirror.safetensors');
    await writeSafetensors(file, own);
    const { up_block_types: _, ...config } = unet.config;
    return { config, tensors: new Map([...unet.tensors, ...(await readStoredTensors(file))]) };
  }

  test('knows sizes and pooled text as the UNet does: what it gives is what the UNet computes on its way down', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latentwire-control-'));
    const xl = readGoldens('tiny-sdxl');
    const part = await readPart<UNet2DConditionConfig>(join(modelFolder('tiny-sdxl'), 'unet'));
    const mirror = await mirrorOf(part, folder);
    const unet = await openWritten(writeUNet2DCondition(part.config, part.tensors, { residuals: true }));
    const graph = await openWritten(writeControlNet(mirror.config, mirror.tensors));
    const encoders = await Promise.all(
      (['text_encoder', 'text_encoder_2'] as const).map((name) => openComponent(modelFolder('tiny-sdxl'), name, cpu)),
    );
    const feeds = await unetFeeds(xl, encoders[0]!, encoders[1]);
    const residuals = graph.outputs.length;
    /** The UNet's output once everything it computed on its way down has been taken away again. */
    async function withoutWayDown(sample: Tensor): Promise<Tensor> {
      const taken = await graph.run({
        ...feeds,
        sample,
        controlnet_cond: floats(new Float32Array(3 * 64 * 96).fill(0.5), [1, 3, 64, 96]),
        conditioning_scale: floats(new Float32Array(residuals).fill(-1), [1, residuals]),
      });
      const added: Record<string, Tensor> = { mid_block_additional_residual: taken.mid_block_res_sample! };
      for (let i = 0; i < residuals - 1; i++) {
        added[`down_block_additional_residuals.${i}`] = taken[`down_block_res_samples.${i}`]!;
      }
      return (await unet.run({ ...feeds, sample, ...added })).out_sample!;
    }
    const { dims, data } = feeds.sample!;
    const other = floats(
      (data as Float32Array).map((value) => Math.sin(value * 7)),
      dims,
    );
    const [one, two] = [await withoutWayDown(feeds.sample!), await withoutWayDown(other)];
    // All that is left of the sample is rounding, so two samples end the same.
    expect(relativeError(two.data as Float32Array, one.data as Float32Array)).toBeLessThan(1e-3);
    expect(relativeError(one.data as Float32Array, xl.unet.output.data)).toBeGreaterThan(0.01);
    await Promise.all([unet, graph, ...encoders].map((each) => each.close()));
    await rm(folder, { recursive: true });
  });
});
