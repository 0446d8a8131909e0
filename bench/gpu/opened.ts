/** Networks of random weights: opened, which is a figure of its own, called, and closed. */
import { mkdir, realpath, rm, statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import type { Written } from '../../runtime/graphs/builder.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { openWritten } from '../../runtime/onnx/openWritten.ts';
import type { Provider } from '../../runtime/onnx/providers.ts';
import type { Tensor } from '../../runtime/tensors/tensor.ts';
import { type Cases, clocked, seconds } from './cases.ts';
import type { Finding } from './report.ts';

export interface Openable {
  /** Of the weights, about. */
  bytes: number;
  diskBytes: number;
  /** Writes weights into a folder of their own, and the graph over them. */
  write: (folder: string) => Promise<Written>;
}

/** Of the weights of a graph, as they are held. */
export function bytesOf({ packing, weightBytes }: Written): number {
  return packing?.bytes ?? weightBytes;
}

/** Of a case, in parts of the time that is left. */
const [OPENING, CALLS] = [0.9, 0.5];

/** Opens a network in a case of that name, and closes it when it was used. */
export async function withGraph(
  cases: Cases,
  provider: Provider,
  name: string,
  { bytes, diskBytes, write }: Openable,
  use: (graph: Graph, folder: string) => Promise<void>,
): Promise<void> {
  // What opening it killed may kill again.
  if (cases.question.died.includes(name)) return;
  const lacking = await shortage(cases, provider, bytes, diskBytes);
  if (lacking !== undefined) return cases.skip(name, lacking);
  const folder = join(await realpath(cases.question.temp), 'network');
  await mkdir(folder, { recursive: true });
  let graph: Graph | undefined;
  const open = async () => {
    const begun = performance.now();
    const written = await write(folder);
    const writingMs = performance.now() - begun;
    const openingMs = await clocked(async () => {
      graph = await openWritten(written, name, { ...provider, packedFolder: folder });
    });
    return { writingMs, openingMs, weightBytes: bytesOf(written) };
  };
  try {
    await cases.each(name, { part: OPENING }, async () => {
      const { writingMs, openingMs, weightBytes } = await open();
      const from = `of files that the system holds in memory, written in ${seconds(writingMs)}`;
      const detail = `${gib(weightBytes)} of weights, ${from}; computes in ${provider.precision ?? 'float32'}`;
      return { value: openingMs / 1000, unit: 's', detail };
    });
    // Where an earlier process died in one of the cases, the graph is opened again for the others.
    // What it failed with the first time is told already.
    if (graph === undefined && cases.question.done.includes(name)) await open().catch(() => undefined);
    if (graph === undefined) return;
    await use(graph, folder);
    await graph.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Why the weights should not be loaded here; undefined when there is room. */
async function shortage(
  cases: Cases,
  provider: Provider,
  bytes: number,
  diskBytes: number,
): Promise<string | undefined> {
  const disk = await statfs(cases.question.temp);
  const free = disk.bavail * disk.bsize;
  if (free < diskBytes + 2 ** 28) {
    return `needs ${gib(diskBytes)} of disk in ${cases.question.temp}, and ${gib(free)} are free`;
  }
  // Half precision becomes float32 on the CPU; an imitated GPU holds everything in the memory of the machine.
  const needed = provider.name === 'cpu' || cases.slow ? 3 * bytes : bytes / 2;
  if (freemem() < needed) return `needs ${gib(needed)} of memory, and ${gib(freemem())} are free`;
  return undefined;
}

export interface CallFacts {
  operations: number;
  rows?: number;
  /** Bytes that a call reads at least once. */
  weightBytes?: number;
  about?: string;
}

/** Inside a case: the time of a call, with the arithmetic a second and its share of what the device does at best. */
export async function measureCall(
  cases: Cases,
  graph: Graph,
  feeds: Record<string, Tensor>,
  { operations, rows, weightBytes, about }: CallFacts,
): Promise<Omit<Finding, 'name'>> {
  const [output] = graph.outputs;
  let last: Record<string, Tensor> = {};
  const { ms, firstMs, calls } = await cases.time(async () => {
    last = await graph.run(feeds, [output!.name]);
  });
  const values = last[output!.name]!.data as Float32Array;
  const wrong = values.reduce((sum, value) => sum + (Number.isFinite(value) ? 0 : 1), 0);
  cases.learn(operations, ms);
  const speed = operations / (ms / 1000);
  const traffic = weightBytes === undefined ? undefined : weightBytes / (ms / 1000);
  const { bandwidth } = cases.question;
  const share = (part: number, whole: number | undefined, of: string) =>
    whole === undefined ? '' : `, ${Math.round((100 * part) / whole)} % of ${of}`;
  const told = [
    ...(about === undefined ? [] : [about]),
    ...(rows === undefined ? [] : [`${(ms / rows).toFixed(1)} ms a row`]),
    `${(speed / 1e12).toPrecision(3)} TFLOP/s${share(speed, cases.peak, 'the best product')}`,
    ...(traffic === undefined
      ? []
      : [`reads its weights at ${(traffic / 1e9).toPrecision(3)} GB/s${share(traffic, bandwidth, 'memory traffic')}`]),
    `first call ${seconds(firstMs)}, median of ${calls}`,
    ...(wrong === 0 ? [] : [`${wrong} of ${values.length} values are not finite`]),
  ];
  const numbers = { operations, firstMs, calls, ...(weightBytes !== undefined && { weightBytes }) };
  return { value: ms, unit: 'ms', detail: told.join('; '), numbers };
}

/** Of each case that `measureCall` fills. */
export function expectedCall(operations: number) {
  return { operations, part: CALLS };
}

export function rowsText(rows: number): string {
  return rows === 1 ? '1 row' : `${rows} rows`;
}

export function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
