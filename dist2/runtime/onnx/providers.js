import { readdirSync } from 'node:fs';
import { ProviderError, parseDevice, providerNames } from '../devices.js';
import { GraphBuilder } from '../graphs/builder.js';
import { floats } from '../tensors/tensor.js';
import { Graph } from './graph.js';
import { listSupportedBackends } from './onnxruntime.js';
import { attentionOn, tryHalf } from './probes.js';

const providers = {
  cuda: {},
  webgpu: { unlikely: softwareAdapterOnly },
  coreml: {},
  dml: {},
  cpu: {},
};
/**
 * Finds the provider to run on.
 *
 * @param wanted - `auto`, or a name of `providers`; `cuda` and `dml` may name a GPU by its number, as in `cuda:1`
 * @returns with `auto`, the first accelerator on which a tiny graph really runs, else cpu
 * @throws {ProviderError} when the one asked for by name does not run; the message lists those that do. Also when float16
 *   is asked for and gives wrong numbers there
 */
export async function chooseProvider(wanted, { precision = 'auto', ...options } = {}) {
  const { name, deviceId } = parseDevice(wanted);
  if (name === 'auto') {
    const tried = [];
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
        ...(await formsOn({ name: candidate }, precision)),
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
      ...(await formsOn(device, precision)),
      ...options,
      ...device,
      reason: `${said} was asked for and started.`,
    };
  }
  const available = [];
  for (const other of providerNames())
    if (other !== name && (await whyNot({ name: other }, true)) === undefined) available.push(other);
  throw new ProviderError(`The provider ${said} does not start here: ${reason}. Available: ${available.join(', ')}.`);
}
/** How graphs are written for a device that runs. */
async function formsOn(device, wanted) {
  const inFloat32 = async (precisionReason) => ({
    attention: await attentionOn(device, 'float32'),
    precision: 'float32',
    precisionReason,
  });
  if (wanted === 'float32') return inFloat32('float32 was asked for.');
  if (wanted === 'auto' && device.name === 'cpu') return inFloat32('CPUs compute in float32.');
  const { complaint, widened } = await tryHalf(device);
  if (complaint !== undefined) {
    if (wanted === 'auto') return inFloat32(`float16 is not trusted on ${device.name}: ${complaint}.`);
    throw new ProviderError(`float16 was asked for, but cannot be used on ${device.name}: ${complaint}.`);
  }
  return {
    attention: await attentionOn(device, 'float16'),
    precision: 'float16',
    widened,
    precisionReason:
      wanted === 'auto'
        ? `float16 gives right numbers on ${device.name}.`
        : 'float16 was asked for and gives right numbers.',
  };
}
/** What keeps a provider from running here; undefined when a tiny graph ran on it and gave the right answer. */
async function whyNot(device, forAuto) {
  const { name } = device;
  const { unlikely } = providers[name];
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
/** @throws OnnxError when not even this graph can be opened */
export async function openProbe(device) {
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
function reasonOf(error) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return firstLine(cause instanceof Error ? cause.message : String(cause));
}
/**
 * WebGPU on Linux runs over Vulkan, which may be a program that imitates a GPU: correct, and slower than our CPU kernels.
 * onnxruntime does not tell which adapter it took, so this looks at what the machine has.
 */
function softwareAdapterOnly() {
  if (process.platform !== 'linux') return undefined;
  const driver = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? '';
  if (/swiftshader|lvp|lavapipe/i.test(driver)) return 'Vulkan is set to a software driver here';
  const devices = [...entries('/dev/dri'), ...entries('/dev')];
  const hardware = devices.some((entry) => entry.startsWith('renderD') || /^nvidia\d+$/.test(entry) || entry === 'dxg');
  return hardware ? undefined : 'no GPU device is visible to this process';
}
function entries(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
/** The part of onnxruntime's complaint that means something to a reader: no source paths, one line. */
function firstLine(text) {
  const [line = text] = text.split('\n');
  const [, said] = / was false\.? (.*)$/.exec(line) ?? [];
  return (said ?? line).trim().replace(/\.$/, '').slice(0, 300);
}
//# sourceMappingURL=providers.js.map
