import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import { readStoredTensors, type StoredTensors } from '../../runtime/files/safetensors.ts';
import type { Written } from '../../runtime/graphs/builder.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import type { Provider } from '../../runtime/onnx/providers.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';
import { type ModelGoldens, type Recorded, relativeError } from './goldens.ts';

/** With one thread: a tiny graph is as quick, and a second one would only keep a core busy that another file could use. */
export const cpu: Provider = { name: 'cpu', threads: 1 };

/** Opens in half that time, for graphs that are compared with another one. Those of the reference values are optimized. */
export const unoptimized: Provider = { ...cpu, optimization: 'disabled' };

/** Both sides compute in float32; what differs is the order of sums, and the six digits of the recorded values. */
export const tolerance = 1e-3;

export const recorded = ({ shape, data }: Recorded): Tensor => floats(Float32Array.from(data), shape);

export function expectClose(actual: Tensor | undefined, expected: Recorded, within = tolerance): void {
  expect(actual?.dims).toEqual(expected.shape);
  expect(relativeError(actual!.data as Float32Array, expected.data)).toBeLessThan(within);
}

export interface Part<Config> {
  config: Config;
  tensors: StoredTensors;
}

/** Config and tensors of a folder with `config.json` and one safetensors file. */
export async function readPart<Config>(folder: string, file = 'diffusion_pytorch_model'): Promise<Part<Config>> {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Config;
  return { config, tensors: await readStoredTensors(join(folder, `${file}.safetensors`)) };
}

/** Opens a written graph on the CPU, its weights from `data` instead of their file where given. */
export function openWritten({ bytes, files }: Written, data?: Uint8Array): Promise<Graph> {
  const externalData = files.map((file) => ({ path: basename(file), data: data ?? readFileSync(file) }));
  return Graph.open({ bytes, externalData }, unoptimized);
}

/** What a UNet is fed with for its recorded call, text included. */
export async function unetFeeds(
  goldens: Pick<ModelGoldens, 'unet' | 'textEncoder' | 'textEncoder2' | 'timeIds'>,
  textEncoder: Graph,
  textEncoder2?: Graph,
): Promise<Record<string, Tensor>> {
  const encode = (graph: Graph, [ids]: number[][]) => graph.run({ input_ids: int64s(ids!, [1, ids!.length]) });
  const states = await encode(textEncoder, goldens.textEncoder.ids);
  const feeds: Record<string, Tensor> = {
    sample: recorded(goldens.unet.sample),
    timestep: floats(Float32Array.of(goldens.unet.timestep), [1]),
  };
  if (!textEncoder2) return { ...feeds, encoder_hidden_states: states.last_hidden_state! };
  const states2 = await encode(textEncoder2, goldens.textEncoder2!.ids);
  const [a, b] = [states, states2].map((s) => {
    const count = Object.keys(s).filter((name) => name.startsWith('hidden_states.')).length;
    return s[`hidden_states.${count - 2}`]!;
  });
  const [length, wa, wb] = [a!.dims[1]!, a!.dims[2]!, b!.dims[2]!];
  const context = new Float32Array(length * (wa + wb));
  for (let i = 0; i < length; i++) {
    context.set((a!.data as Float32Array).subarray(i * wa, (i + 1) * wa), i * (wa + wb));
    context.set((b!.data as Float32Array).subarray(i * wb, (i + 1) * wb), i * (wa + wb) + wa);
  }
  feeds.encoder_hidden_states = floats(context, [1, length, wa + wb]);
  feeds.text_embeds = states2.text_embeds!;
  feeds.time_ids = floats(Float32Array.from(goldens.timeIds!), [1, 6]);
  return feeds;
}
