import { createHash } from 'node:crypto';
import type { Cache } from '../cache.ts';
import type { Pixels } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Outputs, Part, Row } from '../run.ts';
import { type FloatTensor, floats } from '../tensors/tensor.ts';

/** What is remembered under a key, or made and remembered. */
export async function* remembering<V extends object>(
  remembered: Cache<unknown>,
  key: readonly unknown[],
  make: () => Part<V>,
): Part<V> {
  const text = JSON.stringify(key);
  const held = remembered.get(text) as V | undefined;
  if (held) return held;
  const made = yield* make();
  remembered.set(text, made);
  return made;
}

/** The same for equal pictures. */
export function pictureKey({ width, height, data }: Pixels): string {
  return createHash('sha256').update(`${width} ${height} `).update(data).digest('base64');
}

/** Calls a graph for one row. */
export async function* callOnce(graph: Graph, row: Row, outputs: readonly string[]): Part<Outputs> {
  const [answer] = yield { type: 'call', graph, rows: [row], outputs, positions: 0 };
  return answer!;
}

/** A square of RGB bytes as encoders take it: [1, 3, size, size], each color minus its mean, by its deviation. */
export function normalizedPixels(
  { width, height, data }: Pixels,
  means: readonly number[],
  deviations: readonly number[],
): FloatTensor {
  const area = width * height;
  const values = new Float32Array(3 * area);
  for (let at = 0, byte = 0; at < area; at++) {
    for (let color = 0; color < 3; color++) {
      values[color * area + at] = (data[byte++]! / 255 - means[color]!) / deviations[color]!;
    }
  }
  return floats(values, [1, 3, height, width]);
}
