import type { Pixels } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Embeddings, Part } from '../run.ts';
import { resampled } from '../tensors/resample.ts';
import { type FloatTensor, floats } from '../tensors/tensor.ts';

/** The networks that make them, loaded. */
export interface ImagePromptGraphs {
  encoder: Graph;
  embedder: Graph;
  /** Pixels on each side of the square that the picture is shown as. */
  size: number;
}

/** A picture as words of a prompt: the states that an encoder of pictures gives, embedded. */
export async function* readImagePrompt(
  { encoder, embedder, size }: ImagePromptGraphs,
  picture: Pixels,
): Part<Embeddings> {
  const states = yield* first(encoder, 'pixel_values', squarePixels(picture, size), 'last_hidden_state');
  const { data, dims } = yield* first(embedder, 'image_embeds', states, 'prompt_embeds');
  return { data, length: dims[1]!, width: dims[2]! };
}

async function* first(graph: Graph, input: string, value: FloatTensor, output: string): Part<FloatTensor> {
  const rows = [{ [input]: value }];
  const [answer] = yield { type: 'call', graph, rows, outputs: [output], positions: 0 };
  return answer![output]!;
}

/** A picture as such encoders are shown it, its sides not in proportion: [1, 3, size, size] in [-1, 1]. */
export function squarePixels(picture: Pixels, size: number): FloatTensor {
  const { data } = resampled(picture, { width: size, height: size });
  const area = size ** 2;
  const values = new Float32Array(3 * area);
  for (let at = 0, byte = 0; at < area; at++) {
    for (let color = 0; color < 3; color++) values[color * area + at] = (data[byte++]! / 255 - 0.5) / 0.5;
  }
  return floats(values, [1, 3, size, size]);
}
