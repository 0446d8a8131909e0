import { type Tensor, type ValueInfo } from '../tensors/tensor.ts';
import type { Provider } from './providers.ts';
/**
 * A model on disk (its external data beside it), or in memory with the files its external data names: the folder where
 * they are, which onnxruntime maps, or their bytes. With `inPlace` the CPU computes on the mapped weights as they lie,
 * rather than on copies of them in the order that its kernels like best; with `packed` it copies only matrices of 4 and 8
 * bits, and what other matrix products read, but no convolutions.
 */
export type GraphSource = (
  | {
      file: string;
    }
  | {
      bytes: Uint8Array;
      folder: string;
      inPlace?: boolean | 'packed' | undefined;
    }
  | {
      bytes: Uint8Array;
      externalData?:
        | {
            path: string;
            data: Uint8Array;
          }[]
        | undefined;
    }
) & {
  label?: string | undefined;
  structure?: string | undefined;
};
/** A graph could not be opened or run; the message is a sentence, `cause` what onnxruntime said. */
export declare class OnnxError extends Error {
  readonly name = 'OnnxError';
}
/** Bytes of inputs that crossed into the graphs that this process called, since it began; on the CPU they are no copies. */
export declare const traffic: {
  bytesIn: number;
};
/**
 * `join`, which gives the same array again for the same arrays in the same order, so that it stays on the device. For tensors
 * that are never written to again. Those used last are kept, up to 64 MiB.
 */
export declare function joinLasting(tensors: readonly Tensor[]): Tensor;
/** One loaded ONNX graph, and the only place that touches an onnxruntime session. */
export declare class Graph {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** What errors call this graph. */
  readonly label: string;
  /** The same for graphs that compute alike, so that what was measured of one holds for the other; absent: not known. */
  readonly structure: string | undefined;
  private readonly session;
  /** Whether inputs that stay the same are kept on the device, see `Residents`. */
  readonly onDevice: boolean;
  private readonly inputByName;
  private constructor();
  /** Loads a graph. The event loop stands still meanwhile. */
  static open(source: GraphSource, provider: Provider): Promise<Graph>;
  /** Whether the graph has an input of this name. */
  takes(input: string): boolean;
  /** Whether the graph has an output of this name. */
  gives(output: string): boolean;
  /**
   * Runs the graph once; the event loop stands still meanwhile.
   *
   * Feeds are converted to what the graph declares: float32 to float16 or back, int64 to int32 or float, and a timestep
   * of one value (or of equal ones) to a scalar. Feeds the graph does not take are an error.
   *
   * @param wanted - names of the outputs to return; default all
   * @returns outputs by name; float16 and float64 come back as float32
   */
  run(feeds: Record<string, Tensor>, wanted?: readonly string[]): Promise<Record<string, Tensor>>;
  private resident;
  /**
   * Frees the graph. Repeated opening and closing leaks memory in onnxruntime (its issue 25325): end the process to
   * get rid of a model for good.
   */
  close(): Promise<void>;
}
