/** Whether the device computes what the CPU computes: (b) of the table. */

import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Batcher } from '../../runtime/batcher.ts';
import { openCheckpoint } from '../../runtime/checkpoints/checkpoint.ts';
import { componentLabel } from '../../runtime/checkpoints/configs.ts';
import { openPart } from '../../runtime/checkpoints/part.ts';
import type { Component } from '../../runtime/families/family.ts';
import { stableDiffusionXL } from '../../runtime/families/stableDiffusionXL.ts';
import { writeTinyDecoder } from '../../runtime/graphs/autoencoderTiny.ts';
import type { Precision, Written } from '../../runtime/graphs/builder.ts';
import { formOn, openWritten } from '../../runtime/onnx/openWritten.ts';
import type { Provider } from '../../runtime/onnx/providers.ts';
import { generate as diffusion } from '../../runtime/pipelines/generate.ts';
import { ModelCache } from '../../runtime/pipelines/modelCache.ts';
import type { Tensor } from '../../runtime/tensors/tensor.ts';
import { planUNet, vocabularySize } from '../randomModel.ts';
import { randomTensors } from '../wideModels.ts';
import { type Cases, clocked, seconds } from './cases.ts';
import { tokenIds, waves } from './tinyGraphs.ts';
import { tinyTransformers } from './tinyTransformers.ts';
import { writeWeights } from './weights.ts';

/** The embedded model. */
export const pocket = fileURLToPath(new URL('../../../models/pocket', import.meta.url));

interface Network {
  name: string;
  /** On the device; on the CPU weights are floats, so that nothing is rounded but what is asked about. */
  weights?: 'stored';
  write: (form: { precision: Precision } & ReturnType<typeof formOn>) => Promise<Written> | Written;
  feeds: Record<string, Tensor>;
}

export async function measureCorrectness(cases: Cases): Promise<void> {
  const provider = await cases.provider();
  const networks = await networksOf(cases);
  const halves = cases.question.half;
  if (!halves) cases.skip('half precision', 'the device does not have it');
  const cpu: Provider = { name: 'cpu' };
  await cases.within(0.7, async () => {
    for (const { name, write, feeds, weights = 'float16' } of networks) {
      const open = async (device: Provider, precision: Precision, weights: Provider['weights']) => {
        const on = { ...device, weights, packedFolder: cases.question.temp };
        return openWritten(await write({ ...formOn(on), precision }), `${name} in ${precision}`, on);
      };
      let right: Record<string, Float32Array> | undefined;
      for (const precision of halves ? (['float32', 'float16'] as const) : (['float32'] as const)) {
        await cases.each(`${name}, ${precision}`, {}, async () => {
          right ??= await answers(await open(cpu, 'float32', 'float16'), feeds);
          const graph = await open(provider, precision, weights);
          let found: Record<string, Float32Array> = {};
          const ms = await clocked(async () => {
            found = await answers(graph, feeds);
          });
          return { ...compare(right, found), unit: 'of the largest', detail: `the largest error; ${seconds(ms)}` };
        });
      }
    }
  });
  await picture(cases, provider);
}

async function networksOf(cases: Cases): Promise<Network[]> {
  const checkpoint = await openCheckpoint(pocket);
  const side = cases.slow ? 8 : 32;
  const component = async (which: Component, feeds: Record<string, Tensor>): Promise<Network> => {
    const source = await checkpoint.component(which);
    if (source.kind !== 'safetensors') throw new Error(`${pocket} has no safetensors weights for its ${which}`);
    const write: Network['write'] = (form) =>
      stableDiffusionXL.networks[which]!.write(source.config, source.tensors, form);
    return { name: `embedded ${componentLabel(checkpoint, which)}`, write, feeds };
  };
  const tiny = await openPart(join(pocket, 'tiny_decoder'), 'tinyVae');
  const row = (width: number) => ({
    sample: waves([1, 4, side, side]),
    timestep: { dtype: 'float32', dims: [1], data: Float32Array.of(500) } as const,
    encoder_hidden_states: waves([1, 77, width], 0.3),
  });
  const temp = await realpath(cases.question.temp);
  const random = async (name: string, shape: Parameters<typeof planUNet>[0], more: object, feeds: object) => {
    const folder = join(temp, name.replaceAll(/\W+/g, '-'));
    await mkdir(folder, { recursive: true });
    const weights = await writeWeights(folder, planUNet(shape));
    const config = { norm_num_groups: 8, ...more };
    const write: Network['write'] = (form) => stableDiffusionXL.networks.denoiser.write(config, weights, form);
    return { name, write, feeds: { ...row(shape.text), ...feeds } };
  };
  const transformers = tinyTransformers().map(({ name, dtype, shapes, write, feeds }): Network => {
    const written = async () => {
      const folder = join(temp, name.replaceAll(/\W+/g, '-'));
      await mkdir(folder, { recursive: true });
      return randomTensors(folder, shapes, dtype);
    };
    let weights: ReturnType<typeof written> | undefined;
    return {
      name,
      write: async (form) => {
        weights ??= written();
        return write(await weights, form);
      },
      feeds,
      ...(dtype !== 'F16' && { weights: 'stored' }),
    };
  });
  // From the smallest to the largest: on a slow device the time is over in the middle of one.
  return [
    {
      name: 'embedded tiny decoder',
      write: (form) => writeTinyDecoder(tiny.config, tiny.tensors, form),
      feeds: { latent_sample: waves([1, 4, side, side]) },
    },
    await component('text_encoder', { input_ids: textFor(checkpoint.configs.text_encoder) }),
    await component('denoiser', row(160)),
    await component('vae_decoder', { latent_sample: waves([1, 4, side, side]) }),
    await random('tiny UNet like SD 1.5', { channels: [40, 80, 160, 160], depths: [1, 1, 1, 0], text: 96 }, {}, {}),
    await random(
      'tiny UNet like XL',
      { channels: [64, 128, 256], depths: [0, 1, 2], text: 128, added: 64 + 6 * 32 },
      {
        attention_head_dim: [1, 2, 4],
        down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
        addition_embed_type: 'text_time',
        addition_time_embed_dim: 32,
      },
      {
        text_embeds: waves([1, 64]),
        time_ids: { dtype: 'float32', dims: [1, 6], data: Float32Array.of(512, 512, 0, 0, 512, 512) },
      },
    ),
    ...transformers,
    await component('vae_encoder', { sample: waves([1, 3, 8 * side, 8 * side]) }),
  ];
}

function textFor(config: Record<string, unknown>): Tensor {
  const { vocab_size: vocabulary, max_position_embeddings: positions } = config;
  return tokenIds(Number(vocabulary ?? vocabularySize), Number(positions ?? 77));
}

async function answers(graph: Awaited<ReturnType<typeof openWritten>>, feeds: Record<string, Tensor>) {
  const inputs = Object.fromEntries(
    // Networks call their one input differently.
    graph.inputs.map(({ name }) => [name, feeds[name] ?? Object.values(feeds)[0]!]),
  );
  const outputs = await graph.run(inputs);
  await graph.close();
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { data }]) => [name, Float32Array.from(data as ArrayLike<number>, Number)]),
  );
}

/** The largest difference in any output, of the largest value of that output. */
function compare(right: Record<string, Float32Array>, found: Record<string, Float32Array>): { value: number } {
  let worst = 0;
  for (const [name, values] of Object.entries(right)) {
    const others = found[name];
    if (others === undefined || others.length !== values.length) throw new Error(`the output ${name} is missing`);
    let [largest, error] = [0, 0];
    for (let i = 0; i < values.length; i++) {
      largest = Math.max(largest, Math.abs(values[i]!));
      const difference = Math.abs(values[i]! - others[i]!);
      if (Number.isNaN(difference)) throw new Error(`the output ${name} is not a number at ${i} of ${values.length}`);
      error = Math.max(error, difference);
    }
    worst = Math.max(worst, error / largest);
  }
  return { value: worst };
}

/** The same picture of the embedded model on both, through the pipeline. */
async function picture(cases: Cases, provider: Provider): Promise<void> {
  const [size, steps] = cases.slow ? [128, 2] : [256, 20];
  await cases.each('a picture of the embedded model', {}, async () => {
    const [ours, reference] = [await draw(provider, size, steps), await draw({ name: 'cpu' }, size, steps)];
    let [sum, worst] = [0, 0];
    for (let i = 0; i < ours.length; i++) {
      const difference = Math.abs(ours[i]! - reference[i]!);
      sum += difference;
      worst = Math.max(worst, difference);
    }
    const mean = sum / ours.length;
    return {
      value: mean,
      unit: 'of 255',
      detail: `mean difference from the CPU, at most ${worst}; ${size}², ${steps} steps`,
    };
  });
}

async function draw(provider: Provider, size: number, steps: number): Promise<Uint8Array> {
  const modelCache = new ModelCache({ provider, onLoaded: () => {} });
  let pixels: Uint8Array | undefined;
  await new Batcher().drive({
    run: diffusion(modelCache, {
      model: pocket,
      prompt: 'a red potion',
      width: size,
      height: size,
      steps,
      guidanceScale: 4,
      seed: 1n,
    }),
    signal: new AbortController().signal,
    emit: async (event) => {
      if (event.type === 'finished') pixels = event.pixels.data;
    },
  });
  if (pixels === undefined) throw new Error('the run ended without a picture');
  return pixels;
}
