/** float32 values with their shape. */
export function floats(data, dims) {
  return { dtype: 'float32', dims, data };
}
/** int64 values with their shape; token ids. */
export function int64s(values, dims) {
  return { dtype: 'int64', dims, data: BigInt64Array.from(values, BigInt) };
}
/** Tensors of one dtype and shape, one behind the other along the first axis. */
export function join(tensors) {
  const [first] = tensors;
  if (!first) throw new Error('There are no tensors to join.');
  if (tensors.length === 1) return first;
  const total = tensors.reduce((sum, { data }) => sum + data.length, 0);
  const Values = first.data.constructor;
  const data = new Values(total);
  let offset = 0;
  for (const part of tensors) {
    data.set(part.data, offset);
    offset += part.data.length;
  }
  const rows = tensors.reduce((sum, { dims }) => sum + (dims[0] ?? 1), 0);
  return { ...first, dims: [rows, ...first.dims.slice(1)], data };
}
//# sourceMappingURL=tensor.js.map
