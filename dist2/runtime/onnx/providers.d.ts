import { type ProviderName } from '../devices.ts';
import { type Precision, type WeightsForm } from '../graphs/builder.ts';
import type { DelicateOperator } from '../graphs/precision.ts';
/** Where a graph runs, and how. Everything but the name has a default. */
export interface Provider {
  name: ProviderName;
  /** Which of several GPUs, as CUDA and DirectML number them; default 0. */
  deviceId?: number | undefined;
  /** Threads inside one operator, on the CPU; default: as many as there are cores this process may use. */
  threads?: number | undefined;
  /** How far onnxruntime rewrites a graph while loading it; default `all`. */
  optimization?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all' | undefined;
  /**
   * Graphs open without a plan of which values share memory. onnxruntime compares every value's symbolic shape with those
   * of all others for that, which takes seconds for thousands of nodes. Calls give the same bits but cost more. Default false.
   */
  withoutMemoryPlan?: boolean | undefined;
  /** How attention is written into graphs; `chooseProvider` finds out. Default: `fused` on cpu, else `plain`. */
  attention?: 'fused' | 'plain' | undefined;
  /** What graphs that are written here compute in; default float32. */
  precision?: Precision | undefined;
  /** Operators that float16 graphs compute in float32; default all delicate ones. */
  widened?: readonly DelicateOperator[] | undefined;
  /** How graphs that are written here hold weights; default `auto`. */
  weights?: WeightsForm | undefined;
  /** Where repacked weights are kept; default a folder of the system's for temporary files. */
  packedFolder?: string | undefined;
  /** onnxruntime writes to the error output of the process what it does while it opens a graph; default false. */
  explains?: boolean | undefined;
}
/** What may be asked for: `auto` takes float16 on an accelerator whose answers in it are right, else float32. */
export type WantedPrecision = Precision | 'auto';
type Device = Pick<Provider, 'name' | 'deviceId'>;
export interface ChosenProvider extends Provider {
  /** One sentence: why this one. */
  reason: string;
  /** One sentence: why this precision. */
  precisionReason: string;
  /** With `auto`: the accelerators that were tried first, and why each did not start. */
  fallbackFrom?: {
    name: ProviderName;
    reason: string;
  }[];
}
/**
 * Finds the provider to run on.
 *
 * @param wanted - `auto`, or a name of `providers`; `cuda` and `dml` may name a GPU by its number, as in `cuda:1`
 * @returns with `auto`, the first accelerator on which a tiny graph really runs, else cpu
 * @throws {ProviderError} when the one asked for by name does not run; the message lists those that do. Also when float16
 *   is asked for and gives wrong numbers there
 */
export declare function chooseProvider(
  wanted: string,
  {
    precision,
    ...options
  }?: Omit<Provider, 'name' | 'precision'> & {
    precision?: WantedPrecision;
  },
): Promise<ChosenProvider>;
/** A tiny graph that is held open, to ask a provider whether it still computes. */
export interface Probe {
  /** Runs the graph; undefined when the answer is right. */
  complaint(): Promise<string | undefined>;
  close(): Promise<void>;
}
/** @throws OnnxError when not even this graph can be opened */
export declare function openProbe(device: Device): Promise<Probe>;
