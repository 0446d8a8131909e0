/** What the device is and what it can do: (a) of the table. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import type { Precision } from '../../runtime/graphs/builder.ts';
import { machineOf } from '../../runtime/onnx/machine.ts';
import { chooseProvider, type Provider } from '../../runtime/onnx/providers.ts';
import { type Cases, reasonOf, seconds } from './cases.ts';
import { one, openTiny, waves } from './tinyGraphs.ts';

const run = promisify(execFile);

export async function measureAdapter(cases: Cases): Promise<void> {
  const { device } = cases.question;
  cases.also({
    name: 'machine',
    value: cpus()[0]?.model.trim() ?? process.arch,
    detail: `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, node ${process.version}, ${process.platform} ${process.arch}`,
  });
  for (const gpu of await gpus()) cases.also({ name: 'GPU', ...gpu });
  const [provider, ms] = await (async () => {
    const begun = performance.now();
    try {
      const chosen = await chooseProvider(device);
      return [chosen, performance.now() - begun] as const;
    } catch (error) {
      const why = (error as Error).message;
      await cases.each('provider', {}, async () => {
        throw new Error(device === 'webgpu' ? `${why} ${await vulkanAdvice()}` : why);
      });
      return [undefined, 0] as const;
    }
  })();
  if (provider === undefined) return;
  cases.also({
    name: 'provider',
    value: provider.name,
    detail: `${provider.reason} Started and checked in ${seconds(ms)}; ${machineOf(provider)}`,
    provider,
  });
  const widened = provider.widened ?? [];
  cases.also({
    name: 'precision',
    value: provider.precision ?? 'float32',
    detail: `${provider.precisionReason}${widened.length > 0 ? ` Still in float32: ${widened.join(', ')}.` : ''}`,
  });
  cases.also({
    name: 'attention',
    value: provider.attention ?? 'fused',
    detail: 'fused where it gave what the same gave written out, else plain',
  });

  await cases.each('half precision', {}, async () => {
    const product = (on: Provider, precision: Precision) =>
      openTiny(on, precision, (g, x) => g.node('MatMul', [x, x], { name: 'product' }), { x: [64, 64], y: [64, 64] });
    const x = waves([64, 64]);
    const full = (await (await product({ name: 'cpu' }, 'float32')).run({ x })).y!.data as Float32Array;
    let half: Float32Array;
    try {
      half = (await (await product(provider, 'float16')).run({ x })).y!.data as Float32Array;
    } catch (error) {
      return { value: 'no', detail: reasonOf(error) };
    }
    const error = Math.max(...full.map((value, i) => Math.abs(value - half[i]!)));
    const size = Math.max(...full.map(Math.abs));
    const detail = `a product of 64×64 differs by ${(error / size).toExponential(1)} of its largest value`;
    return { value: error < 0.01 * size ? 'yes' : 'wrong', detail };
  });

  await cases.each('smallest call', {}, async () => {
    const graph = await openTiny(provider, 'float32', (g, x) => g.node('Add', [x, x], { name: 'sum' }));
    const { ms, calls } = await cases.time(() => graph.run(one()), { most: 200 });
    return { value: ms, unit: 'ms', detail: `one number there, added, and back; median of ${calls}` };
  });
}

/** GPUs, as the driver's own tools or the kernel name them. */
async function gpus(): Promise<{ value: string; detail: string }[]> {
  const fields =
    'name,driver_version,memory.total,pcie.link.gen.current,pcie.link.width.current,clocks.max.sm,power.limit';
  const nvidia = await run('nvidia-smi', [`--query-gpu=${fields}`, '--format=csv,noheader'], { timeout: 10_000 }).catch(
    () => undefined,
  );
  const found = (nvidia?.stdout ?? '').split('\n').filter((line) => line.includes(','));
  if (found.length > 0) {
    return found.map((line) => {
      const [name = '', driver, memory, generation, width, clock, power] = line.split(',').map((text) => text.trim());
      return {
        value: name,
        detail: `driver ${driver}, ${memory}, PCIe ${generation}.0 ×${width}, up to ${clock} and ${power} (nvidia-smi)`,
      };
    });
  }
  const vulkan = await run('vulkaninfo', ['--summary'], { timeout: 10_000 }).catch(() => undefined);
  const names = [...(vulkan?.stdout ?? '').matchAll(/deviceName\s*=\s*(.+)/g)].map(([, name]) => name!.trim());
  if (names.length > 0) return names.map((value) => ({ value, detail: 'from vulkaninfo' }));
  const driver = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES;
  return driver === undefined ? [] : [{ value: 'unknown', detail: `the Vulkan driver is ${driver}` }];
}

/** What to look at when WebGPU does not start on Linux. */
async function vulkanAdvice(): Promise<string> {
  if (process.platform !== 'linux') return '';
  const json = (folder: string) => {
    try {
      return readdirSync(folder).filter((name) => name.endsWith('.json'));
    } catch {
      return [];
    }
  };
  const standard = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'].flatMap(json);
  const named = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES ?? 'no variable';
  const missing = await missingLibraries();
  return [
    `Vulkan drivers: ${standard.join(', ') || 'none'} in the standard folders, ${named} in the environment.`,
    ...(missing.length > 0 ? [`Missing libraries: ${missing.join(', ')}.`] : []),
  ].join(' ');
}

/** What NVIDIA's Vulkan driver links to and the machine does not have. */
async function missingLibraries(): Promise<string[]> {
  const folders = ['/usr/lib/x86_64-linux-gnu', '/usr/local/nvidia/lib64', '/usr/lib64', '/usr/local/nvidia/lib'];
  for (const folder of folders) {
    const { stdout = '' } = await run('ldd', [`${folder}/libGLX_nvidia.so.0`]).catch(() => ({ stdout: '' }));
    const missing = [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name!);
    if (missing.length > 0) return missing;
  }
  return [];
}
