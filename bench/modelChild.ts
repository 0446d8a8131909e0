/**
 * A process that opens one network, tells what that took, and then computes one step (or one picture) for each message:
 * fresh for each figure, because peaks of memory never go down again.
 */
import { open as openFile, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { openCheckpoint } from '../runtime/checkpoints/checkpoint.ts';
import { stableDiffusionXL } from '../runtime/families/stableDiffusionXL.ts';
import { Graph } from '../runtime/onnx/graph.ts';
import type { Provider } from '../runtime/onnx/providers.ts';
import { floats, int64s, type Tensor } from '../runtime/tensors/tensor.ts';
import { openComponent } from '../test/helpers/openComponent.ts';
import { type ResidentMemory, residentMemory } from './process.ts';

export interface ModelQuestion {
  component: 'denoiser' | 'vae_decoder' | 'text_encoder';
  /** Latents on each side. */
  latents: number;
  threads?: number | undefined;
  /**
   * `runtime`: as the runtime opens it; `optimized`: the same with all of onnxruntime's optimizations and copies;
   * `memory`: its bytes handed over, with transposed copies of matrices; `export`: an ONNX file of another exporter.
   */
  way: 'runtime' | 'optimized' | 'memory' | 'export';
  /** The model's folder, or the exported file. */
  path: string;
}

export interface OpenAnswer {
  openMs: number;
  memory: ResidentMemory;
}

export interface StepAnswer {
  ms: number;
  /** Of all threads, busy waiting included: less disturbed than `ms` when the machine has other work. */
  cpuMs: number;
  memory: ResidentMemory;
  /** Of the last call. */
  output: Float32Array;
}

const question = JSON.parse(process.argv[2]!) as ModelQuestion;
const { component, path, latents } = question;
const provider: Provider = { name: 'cpu', threads: question.threads };
const begun = performance.now();
const graph = await open();
process.send!({ openMs: performance.now() - begun, memory: residentMemory() } satisfies OpenAnswer);
process.on('message', async () => {
  const started = performance.now();
  const usage = process.cpuUsage();
  let output: Float32Array = new Float32Array();
  // Guidance is two calls of one row, as the batcher makes them on a CPU.
  for (const row of component === 'denoiser' ? [0, 1] : [0]) {
    const out = await graph.run(feeds(row));
    output = Object.values(out)[0]!.data as Float32Array;
  }
  const { user, system } = process.cpuUsage(usage);
  const ms = performance.now() - started;
  process.send!({ ms, cpuMs: (user + system) / 1000, memory: residentMemory(), output } satisfies StepAnswer);
});

async function open(): Promise<Graph> {
  switch (question.way) {
    case 'runtime':
      return openComponent(path, component, provider);
    case 'optimized':
    case 'memory': {
      const source = await (await openCheckpoint(path)).component(component);
      if (source.kind !== 'safetensors') throw new Error(`${path} has no safetensors weights for its ${component}.`);
      const inMemory = question.way === 'memory';
      const form = { linear: inMemory ? 'plain' : 'fused' } as const;
      const { bytes, files } = stableDiffusionXL.networks[component]!.write(source.config, source.tensors, form);
      const [file] = files as [string];
      if (!inMemory) return Graph.open({ bytes, folder: dirname(file) }, provider);
      return Graph.open({ bytes, externalData: [{ path: basename(file), data: await readWhole(file) }] }, provider);
    }
    case 'export':
      return Graph.open({ file: path }, provider);
  }
}

/** `readFile` takes no more than 2 GiB. */
async function readWhole(file: string): Promise<Uint8Array> {
  const { size } = await stat(file);
  const handle = await openFile(file);
  const data = Buffer.allocUnsafeSlow(size);
  for (let at = 0; at < size; ) at += (await handle.read(data, at, Math.min(2 ** 30, size - at), at)).bytesRead;
  await handle.close();
  return data;
}

function feeds(row: number): Record<string, Tensor> {
  const waves = (dims: readonly number[]) =>
    floats(
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * (0.7 + row))),
      dims,
    );
  const widthOf = (name: string, axis: number) => {
    const dim = graph.inputs.find((input) => input.name === name)?.shape[axis];
    return typeof dim === 'number' ? dim : 768;
  };
  switch (component) {
    case 'denoiser':
      return {
        sample: waves([1, 4, latents, latents]),
        timestep: floats(Float32Array.of(500), [1]),
        encoder_hidden_states: waves([1, 77, widthOf('encoder_hidden_states', 2)]),
      };
    case 'vae_decoder':
      return { latent_sample: waves([1, 4, latents, latents]) };
    case 'text_encoder':
      return {
        input_ids: int64s(
          Array.from({ length: 77 }, (_, i) => i * 100),
          [1, 77],
        ),
      };
  }
}
