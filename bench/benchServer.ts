import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Health } from '../server/observe/health.ts';
import { Child } from './child.ts';
import type { ServerMeasure, ServerQuestion } from './server.ts';

/** A server of the embedded model in another process, with a data folder of its own; both go with it. */
export class BenchServer implements AsyncDisposable {
  readonly child: Child;
  readonly url: string;
  /** From the start of its process until it listened. */
  readonly startedMs: number;
  /** Where it keeps its files. */
  readonly dataDir: string;

  private constructor(child: Child, url: string, startedMs: number, dataDir: string) {
    this.child = child;
    this.url = url;
    this.startedMs = startedMs;
    this.dataDir = dataDir;
  }

  /** @param args - flags of the server, beside those that every benchmark needs */
  static async start(args: readonly string[] = [], module = './server.js'): Promise<BenchServer> {
    const dataDir = await mkdtemp(join(tmpdir(), 'latentwire-bench-'));
    const own = ['--port', '0', '--data-dir', dataDir, '--models-dir', join(dataDir, 'models'), '--log-level', 'error'];
    const begun = performance.now();
    try {
      const { child, first } = await Child.start(module, [...own, ...args]);
      return new BenchServer(child, (first as { url: string }).url, performance.now() - begun, dataDir);
    } catch (error) {
      await rm(dataDir, { recursive: true, force: true });
      throw error;
    }
  }

  async health(): Promise<Health> {
    return (await (await fetch(`${this.url}/health`)).json()) as Health;
  }

  /** The sum of a metric's samples, or of those with a label such as `graph="unet"`. */
  async metric(name: string, label = ''): Promise<number> {
    const lines = (await (await fetch(`${this.url}/metrics`)).text()).split('\n');
    const samples = lines.filter((line) => /^[^ {]*/.exec(line)?.[0] === name && line.includes(label));
    return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** Processor time of the runtime's process so far, in milliseconds; undefined where the system does not tell. */
  async runtimeCpuMs(): Promise<number | undefined> {
    const { pid } = (await this.health()).runtime;
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    // Ticks of a hundredth of a second; the name, in parentheses, may hold anything.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields && (Number(fields[11]) + Number(fields[12])) * 10;
  }

  measure(collectGarbage = false): Promise<ServerMeasure> {
    return this.child.ask<ServerMeasure>({ collectGarbage } satisfies ServerQuestion);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
