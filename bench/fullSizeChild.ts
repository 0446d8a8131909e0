/** A process that opens one network of a large model with random weights, and computes one call for each message. */
import { flux2Positions } from '../runtime/families/flux2.ts';
import { rotaryRow } from '../runtime/families/rotary.ts';
import { zImagePositions } from '../runtime/families/zImage.ts';
import type { BlockDtype } from '../runtime/files/blocks.ts';
import { writeVaeDecoder } from '../runtime/graphs/autoencoderKL.ts';
import { GraphBuilder, type Written } from '../runtime/graphs/builder.ts';
import { writeFlux2Transformer } from '../runtime/graphs/flux2Transformer.ts';
import { linear } from '../runtime/graphs/layers.ts';
import { writeQwen3 } from '../runtime/graphs/qwen3.ts';
import { type UNet2DConditionConfig, writeUNet2DCondition } from '../runtime/graphs/unet2DCondition.ts';
import { writeZImageTransformer } from '../runtime/graphs/zImageTransformer.ts';
import type { HeldWeights } from '../runtime/messages.ts';
import { formOn, openWritten } from '../runtime/onnx/openWritten.ts';
import type { Provider } from '../runtime/onnx/providers.ts';
import { createNoise } from '../runtime/tensors/noise.ts';
import { floats, type Tensor } from '../runtime/tensors/tensor.ts';
import { shapes as unets } from './gpu/shapes.ts';
import { type ResidentMemory, residentMemory } from './process.ts';
import { decoderShapes, kleinShapes, qwen3Shapes, randomTensors, shapesOf, zImageShapes } from './wideModels.ts';

export interface FullSizeQuestion {
  network: 'klein' | 'z-image' | 'klein text' | 'z-image text' | 'decoder' | 'sd15' | 'sdxl' | 'layer';
  /** How weights are stored; `F32` for a layer alone. */
  dtype: BlockDtype | 'F16' | 'F32';
  /** How they are held. */
  weights: HeldWeights;
  /** Pixels on each side. */
  size: number;
  threads?: number | undefined;
  folder: string;
  /** Of `layer`: rows of x, channels given and taken. */
  layer?: { rows: number; inner: number; out: number };
}

/** Bytes, from /proc; zeros elsewhere than on Linux. */
export interface FullSizeOpened {
  /** Of the first time, repacking included. */
  openMs: number;
  weightBytes: number;
  memory: ResidentMemory;
}

export interface FullSizeCall {
  ms: number;
  /** Of all threads: less disturbed than `ms` when the machine has other work. */
  cpuMs: number;
  memory: ResidentMemory;
  areNumbers: boolean;
}

const question = JSON.parse(process.argv[2]!) as FullSizeQuestion;
const { network, dtype, size, folder } = question;
const { threads, weights } = question;
const provider: Provider = { name: 'cpu', threads, weights, packedFolder: `${folder}/packed` };
/** Of a prompt with a few words; klein fills all prompts to 512. */
const WORDS = 30;
const LENGTH = network.startsWith('klein') ? 512 : WORDS;

const begun = performance.now();
const [written, feeds] = await prepare();
const graph = await openWritten(written, network, provider);
process.send!({
  openMs: performance.now() - begun,
  weightBytes: written.weightBytes,
  memory: residentMemory(),
} satisfies FullSizeOpened);
// The parent has ended, so no one reads the result.
process.on('disconnect', () => process.exit(0));
process.on('message', async () => {
  const started = performance.now();
  const usage = process.cpuUsage();
  const [output] = Object.values(await graph.run(feeds));
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(usage);
  const areNumbers = (output!.data as Float32Array).every(Number.isFinite);
  process.send!({ ms, cpuMs: (user + system) / 1000, memory: residentMemory(), areNumbers } satisfies FullSizeCall);
});

function normal(...dims: number[]): Tensor {
  return floats(createNoise(3n).normal(dims.reduce((product, dim) => product * dim, 1)), dims);
}

async function prepare(): Promise<[Written, Record<string, Tensor>]> {
  const form = formOn(provider);
  const blocks = dtype === 'F32' || dtype === 'F16' ? 'Q8_0' : dtype;
  const timestep = floats(Float32Array.of(0.7), [1]);
  switch (network) {
    case 'klein': {
      const config = { axes_dims_rope: [32, 32, 32, 32], rope_theta: 2000 };
      const side = size / 16;
      const ids = flux2Positions(LENGTH, { rows: side, columns: side }, []);
      return [
        writeFlux2Transformer(config, await randomTensors(folder, kleinShapes(), blocks), form),
        {
          sample: normal(1, 128, side, side),
          timestep,
          encoder_hidden_states: normal(1, LENGTH, 7680),
          ...rotaryRow(ids, config.axes_dims_rope, config.rope_theta),
        },
      ];
    }
    case 'z-image': {
      const config = { axes_dims: [32, 48, 48], rope_theta: 256 };
      const side = size / 8;
      const ids = zImagePositions(side / 2, side / 2, LENGTH);
      return [
        writeZImageTransformer(config, await randomTensors(folder, zImageShapes(), blocks), form),
        {
          sample: normal(1, 16, side, side),
          timestep,
          encoder_hidden_states: normal(1, LENGTH, 2560),
          ...rotaryRow(ids, config.axes_dims, config.rope_theta),
        },
      ];
    }
    case 'klein text':
    case 'z-image text': {
      const isKlein = network === 'klein text';
      const states = isKlein ? [9, 18, 27] : [-2];
      const written = writeQwen3({}, await randomTensors(folder, qwen3Shapes(), blocks), {
        ...form,
        states,
        attentionMask: isKlein,
      });
      const ids = BigInt64Array.from({ length: LENGTH }, (_, i) => BigInt((i * 4001) % 151_000));
      const mask = Int32Array.from({ length: LENGTH }, (_, i) => (i < WORDS ? 1 : 0));
      return [
        written,
        {
          input_ids: { dtype: 'int64', data: ids, dims: [1, LENGTH] },
          ...(isKlein && { attention_mask: { dtype: 'int32', data: mask, dims: [1, LENGTH] } satisfies Tensor }),
        },
      ];
    }
    case 'decoder': {
      const config = { norm_num_groups: 32, scaling_factor: 0.3611 };
      const side = size / 8;
      return [
        writeVaeDecoder(config, await randomTensors(folder, decoderShapes(), 'F16'), form),
        { latent_sample: normal(1, 16, side, side) },
      ];
    }
    case 'sd15':
    case 'sdxl': {
      const { unet, text, pooled } = { pooled: undefined, ...unets[network] };
      const tensors = await randomTensors(folder, shapesOf(unet.plan()), 'F16');
      const sizes = floats(Float32Array.of(size, size, 0, 0, size, size), [1, 6]);
      return [
        writeUNet2DCondition(unet.config as UNet2DConditionConfig, tensors, form),
        {
          sample: normal(1, 4, size / 8, size / 8),
          timestep: floats(Float32Array.of(500), [1]),
          encoder_hidden_states: normal(1, 77, text),
          ...(pooled !== undefined && { text_embeds: normal(1, pooled), time_ids: sizes }),
        },
      ];
    }
    case 'layer': {
      const { rows, inner, out } = question.layer!;
      const tensors = await randomTensors(folder, [['layer.weight', out, inner]], blocks);
      const builder = new GraphBuilder(tensors, { ...form, weights: dtype === 'F32' ? 'float16' : 'stored' });
      const x = builder.enter('x', ['batch', 'rows', inner]);
      builder.leave('y', linear(builder, x, 'layer'), ['batch', 'rows', out]);
      return [builder.finish('layer'), { x: normal(1, rows, inner) }];
    }
  }
}
