import { ModelError } from './reading.js';
/** A range of a tensor's rows as a tensor: rows lie together in a file, so nothing is copied. */
export function rowsOf(tensor, from, to) {
  const [rows = 0, ...rest] = tensor.shape;
  if (tensor.transposed) throw new ModelError('A matrix that is stored in columns has no ranges of rows.');
  if (!(from >= 0 && from <= to && to <= rows))
    throw new ModelError(`A tensor of ${rows} rows has none from ${from} to ${to}.`);
  const bytes = tensor.length / rows;
  const { scale } = tensor;
  return {
    ...tensor,
    ...{ shape: [to - from, ...rest], offset: tensor.offset + from * bytes, length: (to - from) * bytes },
    // One for each row is taken with its row; one for all is that of each part.
    ...(scale && scale.shape[0] === rows && rows > 1 && { scale: rowsOf(scale, from, to) }),
  };
}
/** One of `count` equal ranges of rows. */
export function partOf(tensor, index, count, name) {
  const [rows = 0] = tensor.shape;
  if (rows % count !== 0) throw new ModelError(`${name} has ${rows} rows, which is not a multiple of ${count}.`);
  const each = rows / count;
  return rowsOf(tensor, index * each, (index + 1) * each);
}
//# sourceMappingURL=storedRows.js.map
