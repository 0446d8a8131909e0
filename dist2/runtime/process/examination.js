import { fork } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { childEnvironment } from './environment.js';
import { packageRoot } from './runtimeProcess.js';
/** Begins a line of the process's error output, before what onnxruntime says while it opens the graph named behind it. */
export const graphMark = 'latentwire opens ';
/**
 * Finds out what computes here, and which nodes of a model's graphs run where; in a process of its own, which is killed
 * when `signal` is aborted.
 *
 * @throws {Error} with a sentence, when the provider does not start or the model cannot be read
 */
export async function examine(wanted, signal) {
  const child = fork(join(packageRoot(), 'dist/runtime/process/examining.js'), [], {
    serialization: 'advanced',
    execArgv: [],
    env: childEnvironment(process.env),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    ...(signal && { signal, killSignal: 'SIGKILL' }),
  });
  let provider;
  let memoryBytes;
  let failure;
  const graphs = [];
  const reader = new PlacementReader();
  child.on('message', (message) => {
    if (message.type === 'provider') provider = message.provider;
    else if (message.type === 'graph') graphs.push(message.graph);
    else if (message.type === 'ended') memoryBytes = message.memoryBytes;
    else failure = message.message;
  });
  createInterface({ input: child.stderr }).on('line', (line) => reader.read(line));
  await new Promise((resolve, reject) => {
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
  placements = new Map();
  graph = [];
  current;
  read(line) {
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
//# sourceMappingURL=examination.js.map
