/** Packed files of random weights, in a moment. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Packing, placesOf, Sources, writePiece } from '../../runtime/files/packing.ts';
import { toFloat16 } from '../../runtime/tensors/float16.ts';
import { randomBytes, scaleOf } from '../wideModels.ts';

/** A prime number, so that rows of a matrix do not repeat each other. */
const CHUNK = 33_554_393;

/**
 * Writes what repacking writes, with random codes: a graph then opens as at every start but the first. Repacking 4,000 million
 * weights takes a minute of the processor; this takes as long as writing so many bytes.
 */
export async function placePacked({ name, bytes, pieces }: Packing, folder: string): Promise<void> {
  const into = await open(join(folder, name), 'w');
  const sources = new Sources();
  const put = async (chunk: Uint8Array, offset: number, length: number) => {
    for (let done = 0; done < length; done += chunk.length) {
      await into.write(chunk, 0, Math.min(chunk.length, length - done), offset + done);
    }
  };
  try {
    await into.truncate(bytes);
    const codesOfAll = randomBytes(Math.min(CHUNK, bytes));
    for (const piece of pieces) {
      const { held } = piece;
      if (held.as !== 'blocks') {
        await writePiece(piece, into, sources);
        continue;
      }
      if (held.hasMinima) throw new Error('Minima are not written here.');
      const { columns, codes, scales } = placesOf(piece, piece.offset);
      await put(codesOfAll, codes.offset, codes.length);
      const values = new Float32Array(2 ** 16).fill(scaleOf(held.bits, 1 / Math.sqrt(columns)));
      const floats = held.floats === 'float32' ? values : toFloat16(values);
      await put(new Uint8Array(floats.buffer), scales.offset, scales.length);
    }
  } finally {
    await sources.close();
    await into.close();
  }
}

/** Weights a second that are repacked, by one of the largest matrices. */
export async function measureRepacking({ pieces }: Packing, folder: string): Promise<{ weights: number; ms: number }> {
  const sizeOf = ({ source, rows = [0, source.shape[0]!] }: (typeof pieces)[number]) =>
    ((rows[1] - rows[0]) * source.shape.slice(1).reduce((product, dim) => product * dim, 1)) as number;
  const [largest] = pieces.filter(({ held }) => held.as === 'blocks').sort((a, b) => sizeOf(b) - sizeOf(a));
  if (largest === undefined) throw new Error('No matrix is held in blocks.');
  const into = await open(join(folder, 'repacked'), 'w');
  const sources = new Sources();
  try {
    const begun = performance.now();
    await writePiece({ ...largest, offset: 0 }, into, sources);
    return { weights: sizeOf(largest), ms: performance.now() - begun };
  } finally {
    await sources.close();
    await into.close();
  }
}
