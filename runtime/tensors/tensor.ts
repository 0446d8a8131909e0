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
export type Tensor = { [D in TensorDtype]: { dtype: D; dims: readonly number[]; data: TensorData[D] } }[TensorDtype];

export type FloatTensor = Extract<Tensor, { dtype: 'float32' }>;

/** An input or output as the graph declares it; a string in `shape` names a free dimension, `[]` is a scalar. */
export interface ValueInfo {
  name: string;
  dtype: string;
  shape: readonly (number | string)[];
}

/** float32 values with their shape. */
export function floats(data: Float32Array, dims: readonly number[]): FloatTensor {
  return { dtype: 'float32', dims, data };
}

/** int64 values with their shape; token ids. */
export function int64s(values: readonly number[], dims: readonly number[]): Tensor {
  return { dtype: 'int64', dims, data: BigInt64Array.from(values, BigInt) };
}

/** Tensors of one dtype and shape, one behind the other along the first axis. */
export function join(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (!first) throw new Error('There are no tensors to join.');
  if (tensors.length === 1) return first;
  const total = tensors.reduce((sum, { data }) => sum + data.length, 0);
  const Values = first.data.constructor as new (length: number) => Tensor['data'];
  const data = new Values(total);
  let offset = 0;
  for (const part of tensors) {
    (data as Float32Array).set(part.data as Float32Array, offset);
    offset += part.data.length;
  }
  const rows = tensors.reduce((sum, { dims }) => sum + (dims[0] ?? 1), 0);
  return { ...first, dims: [rows, ...first.dims.slice(1)], data } as Tensor;
}
