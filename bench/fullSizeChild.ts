/** A process that opens one network of a large model with random weights, and computes one call for each message. */
import type { BlockDtype } from '../runtime/files/blocks.ts';
import { writeVaeDecoder } from '../runtime/graphs/autoencoderKL.ts';
import { GraphBuilder, type Written } from '../runtime/graphs/builder.ts';
import { linear } from '../runtime/graphs/layers.ts';
import { type UNet2DConditionConfig, writeUNet2DCondition } from '../runtime/graphs/unet2DCondition.ts';
import type { HeldWeights } from '../runtime/messages.ts';
import { formOn, openWritten } from '../runtime/onnx/openWritten.ts';
import type { Provider } from '../runtime/onnx/providers.ts';
import { floats, type Tensor } from '../runtime/tensors/tensor.ts';
import { shapes as unets } from './gpu/shapes.ts';
import { type ResidentMemory, residentMemory } from './process.ts';
import { decoderShapes, randomTensors, shapesOf } from './wideModels.ts';
import { normal, type WideName, wideNetwork } from './wideNetworks.ts';

export interface FullSizeQuestion {
  network: WideName | 'decoder' | 'sd15' | 'sdxl' | 'layer';
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

async function prepare(): Promise<[Written, Record<string, Tensor>]> {
  const form = formOn(provider);
  const blocks = dtype === 'F32' || dtype === 'F16' ? 'Q8_0' : dtype;
  switch (network) {
    case 'klein':
    case 'z-image':
    case 'klein text':
    case 'z-image text': {
      const { shapes, write, feeds } = wideNetwork(network);
      return [write(await randomTensors(folder, shapes, blocks), form), feeds(size, 1)];
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
