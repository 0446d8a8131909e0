import type { Embeddings } from '../run.ts';

/** A picture in the words of a prompt, and how much these count. */
export interface ImagePrompt {
  rows: Embeddings;
  weight: number;
}

/**
 * The rows of a text with those of pictures behind them. A weight counts for all of them, those of the text too, and several
 * pictures are added up, as diffusers' pipeline has it.
 */
export function withImageRows(text: Embeddings, prompts: readonly ImagePrompt[]): Embeddings {
  const { width } = text;
  const more = Math.max(...prompts.map(({ rows }) => rows.data.length));
  const data = new Float32Array(text.data.length + more);
  for (const { rows, weight } of prompts) {
    for (let at = 0; at < text.data.length; at++) data[at]! += weight * text.data[at]!;
    for (let at = 0; at < rows.data.length; at++) data[text.data.length + at]! += weight * rows.data[at]!;
  }
  return { data, length: data.length / width, width };
}
