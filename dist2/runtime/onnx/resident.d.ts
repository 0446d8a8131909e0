import { Tensor as OrtTensor } from './onnxruntime.ts';
/**
 * Tensors that were copied to the GPU once, for calls that are given the same values again: text states, pictures of
 * ControlNets, matrices of LoRAs. onnxruntime's WebGPU provider alone keeps outputs of a graph on the device and takes
 * them as inputs of another; so the copy is the output of a graph that does nothing.
 */
export declare class Residents {
  /** By array and shape: the zeros of several inputs may be one array. */
  private readonly held;
  private readonly copiers;
  private calls;
  /**
   * The tensor on the device. Known by the array itself: it must not be written to any more.
   *
   * @returns also the bytes that crossed for it, 0 where it was there
   */
  of(
    data: Float32Array,
    dims: readonly number[],
  ): Promise<{
    tensor: OrtTensor;
    bytes: number;
  }>;
  /** Counts a call of a graph, and frees what no call has used for long. */
  called(): void;
  private copier;
}
/** Whether an input of a graph is given the same values at each step of a run, in an array that is never written to again. */
export declare function isLasting(input: string): boolean;
