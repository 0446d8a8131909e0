import { RuntimeError } from '../errors.ts';
import type { Pixels } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Part } from '../run.ts';
import { type LatentRgb, linearPreview } from './linear.ts';
import { tinyPreview } from './tiny.ts';

export type { LatentRgb } from './linear.ts';

/** What a decoder may know of the model it looks at. */
export interface PreviewSource {
  latentRgb: LatentRgb;
  /** The decoder of the request, loaded before the first step where that is possible; absent where it named none. */
  tiny?: (() => Promise<Graph>) | undefined;
}

/**
 * Scaled latents [channels, height, width] to a picture, small or of full size. A network's calls are yielded like those of
 * the run, so that they wait for their turn and are charged and measured like all others.
 */
export type PreviewDecoder = (
  denoised: Float32Array,
  width: number,
  height: number,
  source: PreviewSource,
) => Part<Pixels>;

/** Every way to look at denoised latents before the end, by the name that `previews.decoder` asks for. */
export const previewDecoders = {
  // biome-ignore lint/correctness/useYield: it asks no network
  async *linear(denoised, width, height, source) {
    return linearPreview(denoised, width, height, source.latentRgb);
  },
  tiny: tinyPreview,
} satisfies Record<string, PreviewDecoder>;

/** @throws RuntimeError `unsupportedParameter` for a name that is not registered. */
export function findPreviewDecoder(name = 'linear'): PreviewDecoder {
  const decoders: Record<string, PreviewDecoder> = previewDecoders;
  const decoder = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (decoder) return decoder;
  const known = Object.keys(decoders).join(', ');
  throw new RuntimeError('unsupportedParameter', `Unknown preview decoder. Known: ${known}.`, {
    parameter: 'previews.decoder',
  });
}
