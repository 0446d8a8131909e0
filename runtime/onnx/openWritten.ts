import { open, readFile, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { packedFile } from '../files/packedFile.ts';
import { ModelError } from '../files/reading.ts';
import { versionOf } from '../files/safetensors.ts';
import type { GraphForm, Written } from '../graphs/builder.ts';
import { delicateOperators } from '../graphs/precision.ts';
import type { Graph } from './graph.ts';
import type { Provider } from './providers.ts';

/** How graphs are written for a provider. */
export function formOn(provider: Provider): GraphForm {
  const onCpu = provider.name === 'cpu';
  const { precision = 'float32', widened = delicateOperators } = provider;
  return {
    // Untried, fused attention is trusted on the CPU only.
    attention: provider.attention ?? (onCpu ? 'fused' : 'plain'),
    linear: onCpu ? 'fused' : 'plain',
    precision,
    border: 'float32',
    widened,
    weights: provider.weights,
  };
}

/**
 * Weights of fewer bytes are copied by onnxruntime into the order its CPU kernels like best. Measured with AVX2 (CPU time;
 * bench/README.md): a VAE decoder then needs 0.79 of the time, but a UNet of 3.4 GB only 0.91 to 0.95, and it opens in 7 s
 * and more instead of 0.5 and holds 3.3 GB that the system can neither share nor drop.
 */
const COPIED_BELOW = 400 * 2 ** 20;

/**
 * Opens a graph that was written here over its safetensors files.
 *
 * onnxruntime is told the folder of the files and maps them. Large weights in float32 are not copied at all on the CPU: the
 * graph opens in half a second whatever its size, the weights are read from the disk as the first step asks for them, and
 * the system shares them between processes and drops them when memory is short. Nothing is kept on disk: writing the
 * graph again takes a tenth of a second.
 *
 * Weights of 16 bits are cast in the graph, once, while it is opened: for a UNet of 860 million weights that takes 3 s, and
 * peaks at 1.05 of what they take in float32. A converted file in a cache would spare these 3 s at each start for 3.4 GB
 * of disk a model; casting anew in each step would hold no less, as onnxruntime keeps the buffers it casts into.
 *
 * While it is open the files may be deleted or replaced by new ones (the old bytes stay until the process ends), but not
 * cut short in place: the system ends a process that reads mapped bytes which are no longer there.
 *
 * @param onPacked - told which share of its weights is repacked, where they are held otherwise than they are stored
 * @throws {ModelError} when a file is not the one whose header the graph was written from
 */
export async function openWritten(
  written: Written,
  label: string,
  provider: Provider,
  onPacked?: (share: number) => void,
): Promise<Graph> {
  await checkVersions(written, label);
  const source =
    (await packed(written, label, provider, onPacked)) ??
    (await mappable(written)) ??
    (await inMemory(written.files, label));
  // Imported only now, so that describing models needs no native code.
  const { Graph } = await import('./graph.ts');
  return Graph.open({ bytes: written.bytes, label, structure: written.structure, ...source }, provider);
}

async function checkVersions({ versions }: Written, label: string): Promise<void> {
  for (const [file, version] of versions) {
    const found = await stat(file, { bigint: true }).catch(() => undefined);
    if (!found) throw new ModelError(`${label}: ${basename(file)} is no longer there.`);
    // The old header's offsets would read other numbers, or none.
    if (versionOf(found) !== version)
      throw new ModelError(`${label}: ${basename(file)} has changed since the server first read it.`);
  }
}

type Weights = { folder: string; inPlace: boolean | 'packed' } | { externalData: { path: string; data: Uint8Array }[] };

/** The folder with the packed file of the weights, written now where it is not there yet. */
async function packed(
  { packing }: Written,
  label: string,
  provider: Provider,
  onPacked?: (share: number) => void,
): Promise<Weights | undefined> {
  if (!packing) return undefined;
  const folder = provider.packedFolder ?? join(tmpdir(), 'latentwire-weights');
  await packedFile(packing, folder, label, onPacked);
  // onnxruntime follows no links out of the folder.
  return { folder: await realpath(folder), inPlace: packing.bytes >= COPIED_BELOW ? 'packed' : false };
}

/** The one folder that holds all files under the names the graph has for them; onnxruntime follows no links out of it. */
async function mappable({ files, weightBytes }: Written): Promise<Weights | undefined> {
  const folders = new Set(files.map((file) => dirname(file)));
  const [folder] = folders;
  if (folder === undefined || folders.size > 1) return undefined;
  for (const file of files) if ((await realpath(file)) !== file) return undefined;
  return { folder, inPlace: weightBytes >= COPIED_BELOW };
}

/** Files of several folders (shards that are links to different disks) are read and handed over with the graph. */
async function inMemory(files: readonly string[], label: string): Promise<Weights> {
  const externalData: { path: string; data: Uint8Array }[] = [];
  for (const file of files) {
    const path = basename(file);
    if (externalData.some((other) => other.path === path)) {
      throw new ModelError(`${label}: the weights are in several files named ${path}; put them into one folder.`);
    }
    const { size } = await stat(file);
    // A buffer holds no more.
    if (size >= 2 ** 32) {
      throw new ModelError(
        `${label}: ${path} has 4 GiB or more and is in another folder than the other files. Put them into one folder.`,
      );
    }
    externalData.push({ path, data: await readLargeFile(file, size) });
  }
  return { externalData };
}

/** `readFile` refuses more than 2 GiB at once. */
async function readLargeFile(file: string, size: number): Promise<Uint8Array> {
  if (size < 2 ** 31 - 1) return readFile(file);
  const handle = await open(file, 'r');
  try {
    const data = Buffer.allocUnsafeSlow(size);
    for (let filled = 0; filled < size; ) {
      const { bytesRead } = await handle.read(data, filled, Math.min(2 ** 30, size - filled), filled);
      if (bytesRead === 0) throw new ModelError(`${basename(file)} became shorter while the server read it.`);
      filled += bytesRead;
    }
    return data;
  } finally {
    await handle.close();
  }
}
