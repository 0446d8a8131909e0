import { readdirSync } from 'node:fs';
import { ProviderError, type ProviderName, parseDevice, providerNames } from '../devices.ts';
import { GraphBuilder, type Precision, type WeightsForm } from '../graphs/builder.ts';
import type { DelicateOperator } from '../graphs/precision.ts';
import { floats } from '../tensors/tensor.ts';
import { Graph } from './graph.ts';
import { listSupportedBackends } from './onnxruntime.ts';
import { attentionOn, tryHalf } from './probes.ts';

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
  /** What graphs that are written here compute in; default float32. */
  precision?: Precision | undefined;
  /** Operators that float16 graphs compute in float32; default all delicate ones. */
  widened?: readonly DelicateOperator[] | undefined;
  /** How graphs that are written here hold weights; default `auto`. */
  weights?: WeightsForm | undefined;
  /** Where repacked weights are kept; default a folder of the system's for temporary files. */
  packedFolder?: string | undefined;
  /** onnxruntime writes to the error output of the process what it does while it opens a graph; default false. */
  explains?: boolean | undefined;
}

/** What may be asked for: `auto` takes float16 on an accelerator whose answers in it are right, else float32. */
export type WantedPrecision = Precision | 'auto';

type Device = Pick<Provider, 'name' | 'deviceId'>;

export interface ChosenProvider extends Provider {
  /** One sentence: why this one. */
  reason: string;
  /** One sentence: why this precision. */
  precisionReason: string;
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
 * @throws {ProviderError} when the one asked for by name does not run; the message lists those that do. Also when float16
 *   is asked for and gives wrong numbers there
 */
export async function chooseProvider(
  wanted: string,
  { precision = 'auto', ...options }: Omit<Provider, 'name' | 'precision'> & { precision?: WantedPrecision } = {},
): Promise<ChosenProvider> {
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
          ? 'No accelerator started, so the CPU is used.'
          : `${candidate} is the first accelerator that started.`;
      const chosen = {
        ...(await formsOn({ name: candidate }, precision)),
        ...options,
        name: candidate,
        reason: because,
      };
      return { ...chosen, ...(tried.length > 0 && { fallbackFrom: tried }) };
    }
    throw new ProviderError(`No provider starts: ${tried.map((t) => `${t.name} (${t.reason})`).join('; ')}.`);
  }
  const device = { name, ...(deviceId !== undefined && { deviceId }) };
  const said = deviceId === undefined ? name : `${name}:${deviceId}`;
  const reason = await whyNot(device, false);
  if (reason === undefined) {
    return {
      ...(await formsOn(device, precision)),
      ...options,
      ...device,
      reason: `${said} was requested and started.`,
    };
  }
  const available: string[] = [];
  for (const other of providerNames())
    if (other !== name && (await whyNot({ name: other }, true)) === undefined) available.push(other);
  throw new ProviderError(`The provider ${said} does not start: ${reason}. Available: ${available.join(', ')}.`);
}

type Forms = Pick<ChosenProvider, 'attention' | 'precision' | 'widened' | 'precisionReason'>;

/** How graphs are written for a device that runs. */
async function formsOn(device: Device, wanted: WantedPrecision): Promise<Forms> {
  const inFloat32 = async (precisionReason: string): Promise<Forms> => ({
    attention: await attentionOn(device, 'float32'),
    precision: 'float32',
    precisionReason,
  });
  if (wanted === 'float32') return inFloat32('float32 was requested.');
  if (wanted === 'auto' && device.name === 'cpu') return inFloat32('CPUs compute in float32.');
  const { complaint, widened } = await tryHalf(device);
  if (complaint !== undefined) {
    if (wanted === 'auto') return inFloat32(`float16 is not used on ${device.name}: ${complaint}.`);
    throw new ProviderError(`float16 was requested, but cannot be used on ${device.name}: ${complaint}.`);
  }
  return {
    attention: await attentionOn(device, 'float16'),
    precision: 'float16',
    widened,
    precisionReason:
      wanted === 'auto'
        ? `float16 gives correct results on ${device.name}.`
        : 'float16 was requested and gives correct results.',
  };
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
        return String([...(sum?.data ?? [])]) === '2,4,6,8' ? undefined : 'it computed a small test graph wrongly';
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
 * WebGPU on Linux runs over Vulkan, which may be a program that imitates a GPU: correct, and slower than our CPU kernels.
 * onnxruntime does not tell which adapter it took, so this looks at what the machine has.
 */
function softwareAdapterOnly(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const driver = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? '';
  if (/swiftshader|lvp|lavapipe/i.test(driver)) return 'Vulkan uses a software driver';
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
