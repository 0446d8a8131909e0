import type { HeldWeights } from '../messages.ts';
export interface ToExamine {
  /** As `RuntimeOptions.provider` names one. */
  device: string;
  precision?: 'auto' | 'float32' | 'float16' | undefined;
  weights?: HeldWeights | undefined;
  packedFolder?: string | undefined;
  threads?: number | undefined;
  /** Absolute path of a folder or file. */
  model: string;
}
/** What computes here. */
export interface ExaminedProvider {
  name: string;
  reason: string;
  /** With `auto`: the accelerators that were tried first, and why each did not start. */
  passedOver: {
    name: string;
    reason: string;
  }[];
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
  | {
      type: 'provider';
      provider: ExaminedProvider;
    }
  | {
      type: 'graph';
      graph: Examined;
    }
  | {
      type: 'ended';
      memoryBytes: number;
    }
  | {
      type: 'failed';
      message: string;
    };
export interface Examination {
  provider: ExaminedProvider;
  graphs: (Examined & {
    placements: Placement[];
  })[];
  /** Resident memory of the process with all graphs open. */
  memoryBytes: number;
}
/** Begins a line of the process's error output, before what onnxruntime says while it opens the graph named behind it. */
export declare const graphMark = 'latentwire opens ';
/**
 * Finds out what computes here, and which nodes of a model's graphs run where; in a process of its own, which is killed
 * when `signal` is aborted.
 *
 * @throws {Error} with a sentence, when the provider does not start or the model cannot be read
 */
export declare function examine(wanted: ToExamine, signal?: AbortSignal): Promise<Examination>;
/** Reads onnxruntime's log: its interface for Node does not tell where nodes run, but it writes that when a graph is opened. */
export declare class PlacementReader {
  readonly placements: Map<string, Placement[]>;
  private graph;
  private current;
  read(line: string): void;
}
