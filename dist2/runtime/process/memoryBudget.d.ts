import { RuntimeError } from '../errors.ts';
import type { HeldWeights } from '../messages.ts';
import type { Run } from './run.ts';
import type { RuntimeProcess } from './runtimeProcess.ts';
export interface Limits {
  maxModels: number;
  /** See `RuntimeOptions.memoryLimitBytes` and `deviceMemoryLimitBytes`. */
  limitBytes: number;
  deviceLimitBytes?: number;
}
/**
 * What fits into one process: so many models, and so much memory. On the CPU, models and pictures count against the memory
 * of the machine. On an accelerator whose memory has a limit of its own they count against that, by estimates alone,
 * because onnxruntime does not tell what it takes there.
 */
export declare class MemoryBudget {
  /** Bytes; 0 is no limit. */
  readonly limitBytes: number;
  /** Bytes of an accelerator's memory; 0 is no limit. */
  readonly deviceLimitBytes: number;
  /** Resident memory of the process, as it last told. */
  usedBytes: number | undefined;
  /** Whether weights are widened to float32, to compute in it. */
  private widens;
  /** Whether weights lie in memory of a device that has a limit. */
  private onDevice;
  /** What the most demanding run of this process took to compute: the device's allocator keeps it for the next. */
  private mostWorkingBytes;
  private readonly maxModels;
  private readonly scales;
  private readonly now;
  /** Of every file that was weighed, and when. */
  private readonly weighed;
  /** Runs that a process finishes at least, before it is recycled for its memory. */
  private patience;
  /** @param now - milliseconds since some moment */
  constructor({ maxModels, limitBytes, deviceLimitBytes }: Limits, now: () => number, weights?: HeldWeights);
  /** Another process starts; nothing is known of its memory. */
  begin(): void;
  /** The process told what it computes on. */
  computesOn(provider: string, precision: 'float32' | 'float16'): void;
  /** Finds out what the files of a run weigh; a run waits for that only where there is a limit. */
  weigh(run: Run): Promise<void>;
  /** Whether all files of a run were weighed a moment ago, so that it need not wait. */
  remembers(run: Run): boolean;
  isWeighed(run: Run): boolean;
  /** The process is given a run. */
  take(child: RuntimeProcess, run: Run): void;
  /** Why no process can take a run; undefined when one can. */
  tooLarge(run: Run): RuntimeError | undefined;
  /** What the models and the largest picture of a process take of its device, by the estimate; undefined without a limit. */
  deviceBytes(child: RuntimeProcess): number | undefined;
  /** The limit that estimates of models and pictures count against; 0 is none. */
  private get estimateLimitBytes();
  /**
   * Whether a run takes more memory to compute than the process may still get, so that another process, which holds
   * nothing of earlier models and pictures, would serve it better. In the machine's memory only for pictures of more than
   * modest size: the process tells there what it really takes.
   */
  isShortFor(child: RuntimeProcess, run: Run): boolean;
  /** What a run takes to compute, beside its weights, by an estimate. */
  private workingBytes;
  /** What each pixel of a run's picture takes while it is computed; 0 where nothing was weighed. */
  pixelBytes(run: Run): number;
  /**
   * Whether a run can join what the process holds, as far as a fresh process would serve it better.
   *
   * @param live - the runs under way
   */
  fits(child: RuntimeProcess, run: Run, live: Iterable<Run>): boolean;
  /** What a run may load that the process was not given so far. */
  bytesAdded(child: RuntimeProcess, run: Run): number;
  /**
   * Whether a process is to be recycled because its runs left it past the limit: what they leaked does not come back
   * otherwise.
   */
  isUsedUp(child: RuntimeProcess): boolean;
  /**
   * A process is recycled for its memory. Where a fresh one is past the limit just as soon, the work itself needs that
   * much, and the next recycling comes after twice as many runs.
   *
   * @returns runs before which there is none
   */
  recycled(): number;
  /** What some of a run's files take once loaded. */
  private bytesOf;
  private get kind();
  /** What files take on a device, whichever run named them. */
  private weightBytes;
}
