import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { toFloats } from '../tensors/decode.js';
import { ModelError } from './reading.js';
/** The values of one small tensor. @throws {ModelError} for types that hold no numbers with a fraction */
export async function readValues(tensor) {
  const { file, offset, length, dtype } = tensor;
  const handle = await open(file, 'r');
  const bytes = new Uint8Array(length);
  try {
    for (let filled = 0; filled < length; ) {
      const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
      if (bytesRead === 0) throw new ModelError(`${basename(file)} became shorter while it was read.`);
      filled += bytesRead;
    }
  } finally {
    await handle.close();
  }
  const values = toFloats(dtype, bytes.buffer);
  if (values) return values;
  throw new ModelError(`the weights are stored as ${dtype}; supported are F32, F16, BF16 and F64.`);
}
//# sourceMappingURL=values.js.map
