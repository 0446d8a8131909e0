import type { UpscalerSizes } from '../graphs/upscaler.ts';
import { type Box, lanczosReach, type Size } from '../tensors/resample.ts';

/** One call of a network that enlarges a picture. */
export interface Tile {
  /** What it makes, in pixels of the result. */
  box: Box;
  /** What the network sees, in pixels of the picture; it may be larger than the picture by less than `unshuffle`. */
  window: Box;
}

/** Memory of one tile. */
export const TILE_BYTES = 640 * 2 ** 20;

/** Longest side of a tile: a longer one would delay other runs and cancels without being faster. */
const LONGEST = 512;

/** The same without a network: for interpolation overlaps cost next to nothing. */
const LONGEST_PLAIN = 128;

/** Shortest side of what a tile makes, in pixels of the picture. */
const LEAST = 16;

/**
 * Tiles overlap by the reach of a network, so that they join to what the network makes of the whole picture, up to this reach. A
 * network of 23 blocks reaches 349 pixels, but most of what it makes depends on a few: such networks have `USUAL_OVERLAP`.
 */
const MOST_REACH = 48;
const USUAL_OVERLAP = 32;

const plain: UpscalerSizes = { scale: 1, unshuffle: 1, reach: 0, macsPerPixel: 0, floatsPerPixel: 0 };

/**
 * The tiles of an enlarged picture, row by row; all windows have the same size.
 *
 * @param sizes - of the network; absent: interpolation only
 */
export function planTiles(image: Size, result: Size, sizes: UpscalerSizes = plain): Tile[] {
  const across = cut(image.width, result.width, sizes);
  const down = cut(image.height, result.height, sizes);
  return down.flatMap((y) =>
    across.map((x) => ({
      box: { left: x.from, top: y.from, width: x.to - x.from, height: y.to - y.from },
      window: { left: x.start, top: y.start, width: x.length, height: y.length },
    })),
  );
}

interface Cut {
  from: number;
  to: number;
  start: number;
  length: number;
}

function cut(image: number, result: number, sizes: UpscalerSizes): Cut[] {
  const { scale, unshuffle } = sizes;
  const whole = Math.ceil(image / unshuffle) * unshuffle;
  const margin = overlapOf(sizes) + Math.ceil(lanczosReach(image * scale, result) / scale);
  // Rounding to pixels and to multiples of `unshuffle` takes from what is left between the margins.
  const spent = 2 * margin + unshuffle + 1;
  const longest = Math.max(longestSide(sizes), spent + LEAST);
  const length = Math.min(whole, Math.floor(longest / unshuffle) * unshuffle);
  const count = length === whole ? 1 : Math.ceil(image / (length - spent));
  return Array.from({ length: count }, (_, index) => {
    const first = Math.round((index * image) / count);
    const end = Math.round(((index + 1) * image) / count);
    const start = Math.floor(Math.max(0, first - margin) / unshuffle) * unshuffle;
    return {
      from: Math.round((first * result) / image),
      to: Math.round((end * result) / image),
      start: Math.min(start, whole - length),
      length,
    };
  });
}

function overlapOf({ reach }: UpscalerSizes): number {
  return reach <= MOST_REACH ? reach : USUAL_OVERLAP;
}

function longestSide({ floatsPerPixel }: UpscalerSizes): number {
  if (floatsPerPixel === 0) return LONGEST_PLAIN;
  return Math.min(LONGEST, Math.floor(Math.sqrt(TILE_BYTES / (4 * floatsPerPixel))));
}

/** Memory of the largest tile, without weights. */
export function tileBytes(image: Size, result: Size, sizes: UpscalerSizes | undefined): number {
  const [tile] = planTiles(image, result, sizes);
  return tile!.window.width * tile!.window.height * (sizes?.floatsPerPixel ?? 0) * 4;
}

/** Multiplications and additions of a network for all tiles, and of the interpolation. */
export function macsOf(image: Size, result: Size, sizes: UpscalerSizes | undefined): number {
  const seen = planTiles(image, result, sizes).reduce((sum, { window }) => sum + window.width * window.height, 0);
  return seen * (sizes?.macsPerPixel ?? 0) + result.width * result.height * MACS_PER_INTERPOLATED_PIXEL;
}

/** What a network computes in the time of one interpolated pixel: 6 + 6 weights for each colour, in JavaScript. */
const MACS_PER_INTERPOLATED_PIXEL = 3_000;
