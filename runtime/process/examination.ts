import { fork } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { HeldWeights, ModelParts } from '../messages.ts';
import { childEnvironment } from './environment.ts';
import { packageRoot } from './runtimeProcess.ts';

export interface ToExamine {
  /** A device as in `RuntimeOptions.provider`. */
  device: string;
  precision?: 'auto' | 'float32' | 'float16' | undefined;
  weights?: HeldWeights | undefined;
  packedFolder?: string | undefined;
  threads?: number | undefined;
  /** Absolute path of a folder or file. */
  model: string;
  parts?: ModelParts | undefined;
}

/** The device. */
export interface ExaminedProvider {
  name: string;
  reason: string;
  /** With `auto`: the accelerators tried first, with the reason why each did not start. */
  passedOver: { name: string; reason: string }[];
  /** Processor, GPUs and version of onnxruntime, in words. */
  machine: string;
  precision: 'float32' | 'float16';
  precisionReason: string;
  /** Operators in float32 while the rest is float16. */
  widened: string[];
  /** `fused` if onnxruntime's fused attention is correct. */
  attention: 'fused' | 'plain';
}

/** One graph of the model. */
export interface Examined {
  name: string;
  /** On disk. */
  weightBytes: number;
  openMs?: number;
  /** The reason why it did not open. */
  error?: string;
}

/** Nodes of one graph on one provider. */
export interface Placement {
  /** onnxruntime's name without its ending: `Cpu`, `WebGpu`, `Cuda`. */
  provider: string;
  nodes: number;
  /** Type and name of each, if not all nodes are on one provider. */
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

/** Prefix of a line on stderr, before onnxruntime's output for the named graph. */
export const graphMark = 'latentwire opens ';

/**
 * Examines the device and the placement of a model's nodes, in a separate process, which is killed when `signal` is
 * aborted.
 *
 * @throws {Error} with a sentence if the provider does not start or the model cannot be read
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
  if (!provider || memoryBytes === undefined) throw new Error('The process that examined the device ended early.');
  return {
    provider,
    graphs: graphs.map((graph) => ({ ...graph, placements: reader.placements.get(graph.name) ?? [] })),
    memoryBytes,
  };
}

/** Reads onnxruntime's log, because its Node interface does not report placements, but logs them when a graph opens. */
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
