import { readdirSync } from 'node:fs';
import { ProviderError, type ProviderName, parseDevice, providerNames } from '../devices.ts';
import { GraphBuilder } from '../graphs/builder.ts';
import { attention } from '../graphs/layers.ts';
import { floats, Graph } from './graph.ts';
import { listSupportedBackends } from './onnxruntime.ts';

export { ProviderError, type ProviderName, providerNames } from '../devices.ts';

/** Where a graph runs, and how. Everything but the name has a default. */
export interface Provider {
  name: ProviderName;
  /** Which of several GPUs, as CUDA and DirectML number them; default 0. */
  deviceId?: number | undefined;
  /** Threads inside one operator, on the CPU; default: as many as there are cores this process may use. */
  threads?: number | undefined;
  /** How far onnxruntime rewrites a graph while loading it; default `all`. */
  optimization?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all' | undefined;
  /** How attention is written into graphs; `chooseProvider` finds out. Default: `fused` on cpu, else `plain`. */
  attention?: 'fused' | 'plain' | undefined;
}

type Device = Pick<Provider, 'name' | 'deviceId'>;

export interface ChosenProvider extends Provider {
  /** One sentence: why this one. */
  reason: string;
  /** With `auto`: the accelerators that were tried first, and why each did not start. */
  fallbackFrom?: { name: ProviderName; reason: string }[];
}

interface Registered {
  /** A reason why `auto` should not even try, known without native code; a provider asked for by name is always tried. */
  unlikely?: () => string | undefined;
}

const providers = {
  cuda: {},
  webgpu: { unlikely: softwareAdapterOnly },
  coreml: {},
  dml: {},
  cpu: {},
} satisfies Record<ProviderName, Registered>;

/**
 * Finds the provider to run on.
 *
 * @param wanted - `auto`, or a name of `providers`; `cuda` and `dml` may name a GPU by its number, as in `cuda:1`
 * @returns with `auto`, the first accelerator on which a tiny graph really runs, else cpu
 * @throws {ProviderError} when the one asked for by name does not run; the message lists those that do
 */
export async function chooseProvider(wanted: string, options: Omit<Provider, 'name'> = {}): Promise<ChosenProvider> {
  const { name, deviceId } = parseDevice(wanted);
  if (name === 'auto') {
    const tried: { name: ProviderName; reason: string }[] = [];
    for (const candidate of providerNames()) {
      const reason = await whyNot({ name: candidate }, true);
      if (reason !== undefined) {
        tried.push({ name: candidate, reason });
        continue;
      }
      const because =
        candidate === 'cpu'
          ? 'No accelerator started here, so the CPU computes.'
          : `${candidate} is the first accelerator that started here.`;
      const chosen = {
        attention: await attentionOn({ name: candidate }),
        ...options,
        name: candidate,
        reason: because,
      };
      return { ...chosen, ...(tried.length > 0 && { fallbackFrom: tried }) };
    }
    throw new ProviderError(`No provider starts here: ${tried.map((t) => `${t.name} (${t.reason})`).join('; ')}.`);
  }
  const device = { name, ...(deviceId !== undefined && { deviceId }) };
  const said = deviceId === undefined ? name : `${name}:${deviceId}`;
  const reason = await whyNot(device, false);
  if (reason === undefined) {
    return {
      attention: await attentionOn(device),
      ...options,
      ...device,
      reason: `${said} was asked for and started.`,
    };
  }
  const available: string[] = [];
  for (const other of providerNames())
    if (other !== name && (await whyNot({ name: other }, true)) === undefined) available.push(other);
  throw new ProviderError(`The provider ${said} does not start here: ${reason}. Available: ${available.join(', ')}.`);
}

/** What keeps a provider from running here; undefined when a tiny graph ran on it and gave the right answer. */
async function whyNot(device: Device, forAuto: boolean): Promise<string | undefined> {
  const { name } = device;
  const { unlikely }: Registered = providers[name];
  // onnxruntime lists what this build contains; whether it starts is another matter.
  if (!listSupportedBackends().some((backend) => backend.name === name)) {
    return 'this build of onnxruntime does not contain it';
  }
  const hint = forAuto ? unlikely?.() : undefined;
  if (hint !== undefined) return hint;
  try {
    const probe = await openProbe(device);
    try {
      return await probe.complaint();
    } finally {
      await probe.close();
    }
  } catch (error) {
    return reasonOf(error);
  }
}

/** A tiny graph that is held open, to ask a provider whether it still computes. */
export interface Probe {
  /** Runs the graph; undefined when the answer is right. */
  complaint(): Promise<string | undefined>;
  close(): Promise<void>;
}

/** @throws OnnxError when not even this graph can be opened */
export async function openProbe(device: Device): Promise<Probe> {
  const builder = new GraphBuilder(new Map());
  const x = builder.input('x', 'float32', [4]);
  builder.output('sum', builder.node('Add', [x, x], { name: 'probe' }), 'float32', [4]);
  const graph = await Graph.open({ bytes: builder.finish('probe').bytes }, { ...device, threads: 1 });
  return {
    close: () => graph.close(),
    async complaint() {
      try {
        const { sum } = await graph.run({ x: floats(Float32Array.of(1, 2, 3, 4), [4]) });
        return String([...(sum?.data ?? [])]) === '2,4,6,8' ? undefined : 'it gave a wrong answer to a tiny graph';
      } catch (error) {
        return reasonOf(error);
      }
    },
  };
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return firstLine(cause instanceof Error ? cause.message : String(cause));
}

/**
 * Whether onnxruntime's fused attention can be trusted here: it is compared with the same written out. Its WebGPU kernel
 * takes paths that depend on the GPU, and some gave wrong pictures without any error (its issues 26064 and 26715; seen
 * here with SwiftShader, from 32 positions on).
 */
async function attentionOn(device: Device): Promise<'fused' | 'plain'> {
  const { name } = device;
  if (name === 'cpu') return 'fused';
  // CoreML does not have the operator, and would hand every one of them back to the CPU.
  if (name === 'coreml') return 'plain';
  const [heads, length] = [2, 80];
  try {
    for (const headSize of [40, 64]) {
      const width = heads * headSize;
      const builder = (kind: 'fused' | 'plain') => {
        const graph = new GraphBuilder(new Map(), { attention: kind });
        const x = graph.input('x', 'float32', ['batch', 'length', width]);
        graph.output('y', attention(graph, x, x, x, 'probe', { heads, width }), 'float32', ['batch', 'length', width]);
        return graph.finish('probe').bytes;
      };
      const waves = Float32Array.from({ length: 2 * length * width }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * i));
      const answers: Float32Array[] = [];
      for (const kind of ['fused', 'plain'] as const) {
        const graph = await Graph.open({ bytes: builder(kind) }, { ...device, threads: 1 });
        try {
          const { y } = await graph.run({ x: floats(waves, [2, length, width]) });
          answers.push(y?.data as Float32Array);
        } finally {
          await graph.close();
        }
      }
      const [fused, plain] = answers as [Float32Array, Float32Array];
      if (!fused.every((value, i) => Math.abs(value - plain[i]!) < 1e-2)) return 'plain';
    }
    return 'fused';
  } catch {
    return 'plain';
  }
}

/**
 * WebGPU on Linux runs over Vulkan, which may be a program that imitates a GPU: correct, and slower than our CPU kernels.
 * onnxruntime does not tell which adapter it took, so this looks at what the machine has.
 */
function softwareAdapterOnly(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const driver = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? '';
  if (/swiftshader|lvp|lavapipe/i.test(driver)) return 'Vulkan is set to a software driver here';
  const devices = [...entries('/dev/dri'), ...entries('/dev')];
  const hardware = devices.some((entry) => entry.startsWith('renderD') || /^nvidia\d+$/.test(entry) || entry === 'dxg');
  return hardware ? undefined : 'no GPU device is visible to this process';
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The part of onnxruntime's complaint that means something to a reader: no source paths, one line. */
function firstLine(text: string): string {
  const [line = text] = text.split('\n');
  const [, said] = / was false\.? (.*)$/.exec(line) ?? [];
  return (said ?? line).trim().replace(/\.$/, '').slice(0, 300);
}
