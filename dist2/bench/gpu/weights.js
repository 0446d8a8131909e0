/** Random half-precision weights of any size, written in a moment. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { toFloat16 } from '../../runtime/tensors/float16.js';
import { count, pool } from '../randomModel.js';
/**
 * Writes weights for a plan and tells where they are. Tensors of the same spread share their bytes: onnxruntime loads each
 * of them by itself all the same, and XL's UNet of 5 GB takes a file of 0.3 GB.
 *
 * @param folder - a real path, without links; the file is called `weights.bin`
 */
export async function writeWeights(folder, plan) {
  const largest = new Map();
  for (const { shape, spread } of plan) largest.set(spread, Math.max(largest.get(spread) ?? 0, count(shape)));
  const file = join(folder, 'weights.bin');
  const offsets = new Map();
  const handle = await open(file, 'w');
  try {
    let at = 0;
    for (const [spread, numbers] of largest) {
      offsets.set(spread, at);
      const values = pool.subarray(0, Math.min(numbers, block));
      const scaled = spread === 'one' ? values.map((v) => 1 + 0.1 * v) : values.map((v) => v * spread);
      const bytes = new Uint8Array(toFloat16(scaled).buffer);
      for (let done = 0; done < 2 * numbers; done += bytes.length) {
        await handle.write(bytes, 0, Math.min(bytes.length, 2 * numbers - done), at + done);
      }
      // Tensors begin at multiples of 64 bytes, as in most files.
      at = Math.ceil((at + 2 * numbers) / 64) * 64;
    }
    return new Map(
      plan.map(({ name, shape, spread }) => [
        name,
        { dtype: 'F16', shape, file, offset: offsets.get(spread), length: 2 * count(shape) },
      ]),
    );
  } finally {
    await handle.close();
  }
}
/** A prime number, so that rows of one matrix do not repeat each other. */
const block = 1_048_573;
//# sourceMappingURL=weights.js.map
