import { fork } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { HeldWeights, ModelParts } from '../messages.ts';
import { childEnvironment } from './environment.ts';
import { packageRoot } from './runtimeProcess.ts';

export interface ToExamine {
  /** As `RuntimeOptions.provider` names one. */
  device: string;
  precision?: 'auto' | 'float32' | 'float16' | undefined;
  weights?: HeldWeights | undefined;
  packedFolder?: string | undefined;
  threads?: number | undefined;
  /** Absolute path of a folder or file. */
  model: string;
  parts?: ModelParts | undefined;
}

/** What computes here. */
export interface ExaminedProvider {
  name: string;
  reason: string;
  /** With `auto`: the accelerators that were tried first, and why each did not start. */
  passedOver: { name: string; reason: string }[];
  /** Processor, GPUs and version of onnxruntime, in words. */
  machine: string;
  precision: 'float32' | 'float16';
  precisionReason: string;
  /** Operators that are computed in float32 though the rest is float16. */
  widened: string[];
  /** `fused` where onnxruntime's fused attention gives right numbers. */
  attention: 'fused' | 'plain';
}

/** One graph of the model. */
export interface Examined {
  name: string;
  /** On disk. */
  weightBytes: number;
  openMs?: number;
  /** Why it could not be opened. */
  error?: string;
}

/** Nodes of one graph that run in one place. */
export interface Placement {
  /** As onnxruntime names it, without its ending: `Cpu`, `WebGpu`, `Cuda`. */
  provider: string;
  nodes: number;
  /** Type and name of each, where not all nodes are in one place. */
  names: string[];
}

export type FromExamining =
  | { type: 'provider'; provider: ExaminedProvider }
  | { type: 'graph'; graph: Examined }
  | { type: 'ended'; memoryBytes: number }
  | { type: 'failed'; message: string };

export interface Examination {
  provider: ExaminedProvider;
  graphs: (Examined & { placements: Placement[] })[];
  /** Resident memory of the process with all graphs open. */
  memoryBytes: number;
}

/** Begins a line of the process's error output, before what onnxruntime says while it opens the graph named behind it. */
export const graphMark = 'latentwire opens ';

/**
 * Finds out what computes here, and which nodes of a model's graphs run where; in a process of its own, which is killed
 * when `signal` is aborted.
 *
 * @throws {Error} with a sentence, when the provider does not start or the model cannot be read
 */
export async function examine(wanted: ToExamine, signal?: AbortSignal): Promise<Examination> {
  const child = fork(join(packageRoot(), 'dist/runtime/process/examining.js'), [], {
    serialization: 'advanced',
    execArgv: [],
    env: childEnvironment(process.env),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    ...(signal && { signal, killSignal: 'SIGKILL' }),
  });
  let provider: ExaminedProvider | undefined;
  let memoryBytes: number | undefined;
  let failure: string | undefined;
  const graphs: Examined[] = [];
  const reader = new PlacementReader();
  child.on('message', (message: FromExamining) => {
    if (message.type === 'provider') provider = message.provider;
    else if (message.type === 'graph') graphs.push(message.graph);
    else if (message.type === 'ended') memoryBytes = message.memoryBytes;
    else failure = message.message;
  });
  createInterface({ input: child.stderr! }).on('line', (line) => reader.read(line));
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve());
    child.send(wanted);
  });
  if (failure !== undefined) throw new Error(failure);
  if (!provider || memoryBytes === undefined) throw new Error('The process that looked at the device ended early.');
  return {
    provider,
    graphs: graphs.map((graph) => ({ ...graph, placements: reader.placements.get(graph.name) ?? [] })),
    memoryBytes,
  };
}

/** Reads onnxruntime's log: its interface for Node does not tell where nodes run, but it writes that when a graph is opened. */
export class PlacementReader {
  readonly placements = new Map<string, Placement[]>();
  private graph: Placement[] = [];
  private current: Placement | undefined;

  read(line: string): void {
    if (line.startsWith(graphMark)) {
      this.graph = [];
      this.current = undefined;
      this.placements.set(line.slice(graphMark.length), this.graph);
      return;
    }
    const [, said] = /VerifyEachNodeIsAssignedToAnEp\] (.*)$/.exec(line) ?? [];
    if (said === undefined) return;
    const [, place, count] = /placed on \[(\w+)\]\. Number of nodes: (\d+)/.exec(said) ?? [];
    if (place !== undefined) {
      this.current = {
        provider: place.replace(/ExecutionProvider$/, '').replace(/^CPU$/, 'Cpu'),
        nodes: Number(count),
        names: [],
      };
      this.graph.push(this.current);
      return;
    }
    const [, name] = /^ *(\w+ \(.*\))$/.exec(said) ?? [];
    if (name !== undefined) this.current?.names.push(name);
  }
}
