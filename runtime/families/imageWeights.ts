import type { ImageEmbedScaling, ImagePromptRequest } from '../messages.ts';

/** A part of a UNet: the way down, the middle, or the way up. */
export type UNetPart = 'down' | 'mid' | 'up';

/**
 * Where a UNet draws what, by the transformers that attend to the text, counted in the order in which they run. Found by
 * InstantStyle (Wang et al. 2024, arXiv 2404.02733) and by the author of ComfyUI_IPAdapter_plus, whose weight types these are.
 */
export interface StyleLayout {
  /** Those that style comes from. */
  style: readonly number[];
  /** Those that composition comes from, and how much each counts where composition is wanted alone. */
  composition: Readonly<Record<number, number>>;
}

/** Of 16. */
export const sdStyle: StyleLayout = {
  style: [0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 15],
  composition: { 4: 0.25, 5: 1 },
};

/** Of 11. */
export const xlStyle: StyleLayout = { style: [6], composition: { 3: 1 } };

/** What is left where a weight type says weak. */
const WEAK = 0.2;

/**
 * The weight of a request for one transformer of a UNet.
 *
 * @param at - which one, from 0, in the order in which they run
 * @param count - how many there are
 */
export function weightAt(
  { weight, weightType = 'normal', weightComposition = 1 }: Omit<ImagePromptRequest, 'model' | 'pictures'>,
  { style, composition }: StyleLayout,
  { at, count, part }: { at: number; count: number; part: UNetPart },
): number {
  // From 5 % to all.
  const eased = (share: number) => weight * (0.05 + 0.95 * share);
  const weakIn = (...parts: UNetPart[]) => (parts.includes(part) ? WEAK * weight : weight);
  const ofComposition = composition[at];
  const ofStyle = style.includes(at) ? weight : 0;
  switch (weightType) {
    case 'normal':
      return weight;
    case 'ease_in':
      return eased(1 - at / count);
    case 'ease_out':
      return eased(at / count);
    case 'ease_in_out':
      return eased(1 - Math.abs(at - count / 2) / (count / 2));
    case 'weak_input':
      return weakIn('down');
    case 'weak_middle':
      return weakIn('mid');
    case 'weak_output':
      return weakIn('up');
    case 'strong_middle':
      return weakIn('down', 'up');
    case 'style_transfer':
      return ofStyle;
    case 'composition':
      return weight * (ofComposition ?? 0);
    case 'strong_style_transfer':
      return ofComposition === undefined ? weight : 0;
    case 'style_and_composition':
      return ofComposition === undefined ? ofStyle : weightComposition * ofComposition;
    case 'strong_style_and_composition':
      return ofComposition === undefined ? weight : weightComposition;
  }
}

/** Channels of the attentions for which ComfyUI_IPAdapter_plus leaves a weight as it is where it takes a penalty. */
const UNPENALISED = 1280;

/**
 * Keys or values [tokens, channels] with a weight in them, so that the denoiser needs no input of its own for it. A weight of 0
 * is no picture at all, however it is scaled.
 */
export function scaledTokens(
  which: 'keys' | 'values',
  data: Float32Array,
  channels: number,
  weight: number,
  scaling: ImageEmbedScaling = 'kv',
): Float32Array {
  if (weight === 0) return new Float32Array(data.length);
  const penalised = (weight * channels) / UNPENALISED;
  switch (scaling) {
    case 'only_v':
      return which === 'keys' ? data : times(data, weight);
    case 'kv':
      return times(data, weight);
    case 'kv_penalty_c':
      return times(data, penalised);
    case 'k_mean_v_penalty_c':
      return which === 'keys' ? times(data, penalised) : withMeanTimes(data, channels, penalised);
  }
}

function times(data: Float32Array, factor: number): Float32Array {
  return factor === 1 ? data : data.map((value) => value * factor);
}

/** The mean over the tokens multiplied, and what each token has beside it as it is. */
function withMeanTimes(data: Float32Array, channels: number, factor: number): Float32Array {
  const scaled = new Float32Array(data.length);
  const tokens = data.length / channels;
  for (let channel = 0; channel < channels; channel++) {
    let sum = 0;
    for (let at = channel; at < data.length; at += channels) sum += data[at]!;
    const mean = sum / tokens;
    for (let at = channel; at < data.length; at += channels) scaled[at] = data[at]! - mean + mean * factor;
  }
  return scaled;
}
