export interface TensorData {
  float32: Float32Array;
  /** Bits of IEEE half precision. */
  float16: Uint16Array;
  float64: Float64Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
export type TensorDtype = keyof TensorData;
/** Row-major values with their shape. */
export type Tensor = {
  [D in TensorDtype]: {
    dtype: D;
    dims: readonly number[];
    data: TensorData[D];
  };
}[TensorDtype];
export type FloatTensor = Extract<
  Tensor,
  {
    dtype: 'float32';
  }
>;
/** An input or output as the graph declares it; a string in `shape` names a free dimension, `[]` is a scalar. */
export interface ValueInfo {
  name: string;
  dtype: string;
  shape: readonly (number | string)[];
}
/** float32 values with their shape. */
export declare function floats(data: Float32Array, dims: readonly number[]): FloatTensor;
/** int64 values with their shape; token ids. */
export declare function int64s(values: readonly number[], dims: readonly number[]): Tensor;
/** Tensors of one dtype and shape, one behind the other along the first axis. */
export declare function join(tensors: readonly Tensor[]): Tensor;
