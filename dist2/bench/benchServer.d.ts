import type { Health } from '../server/health.ts';
import { Child } from './child.ts';
import type { ServerMeasure } from './server.ts';
/** A server of the embedded model in another process, with a data folder of its own; both go with it. */
export declare class BenchServer implements AsyncDisposable {
  readonly child: Child;
  readonly url: string;
  /** From the start of its process until it listened. */
  readonly startedMs: number;
  /** Where it keeps its files. */
  readonly dataDir: string;
  private constructor();
  /** @param args - flags of the server, beside those that every benchmark needs */
  static start(args?: readonly string[], module?: string): Promise<BenchServer>;
  health(): Promise<Health>;
  /** The sum of a metric's samples, or of those with a label such as `graph="unet"`. */
  metric(name: string, label?: string): Promise<number>;
  /** Processor time of the runtime's process so far, in milliseconds; undefined where the system does not tell. */
  runtimeCpuMs(): Promise<number | undefined>;
  measure(collectGarbage?: boolean): Promise<ServerMeasure>;
  [Symbol.asyncDispose](): Promise<void>;
}
