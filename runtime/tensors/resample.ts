/** Rows from top to bottom, three bytes a pixel. */
interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Pixels. */
export interface Size {
  width: number;
  height: number;
}

/** A rectangle of whole pixels, from the top left corner. */
export interface Box extends Size {
  left: number;
  top: number;
}

/** A kernel, and how far it reaches from its centre. */
interface Kernel {
  weigh(x: number): number;
  reach: number;
}

/** Bits of the fractions of weights, which Pillow rounds to whole numbers. */
const BITS = 22;

/** For each place of a shorter or longer side: where its window begins, and the weights of what lies in it, times 2^22. */
type Windows = readonly { from: number; weights: Float64Array }[];

/** Cubic convolution (Keys 1981) with a = -1/2. */
const cubic: Kernel = {
  reach: 2,
  weigh(x) {
    const far = Math.abs(x);
    if (far < 1) return (1.5 * far - 2.5) * far * far + 1;
    if (far < 2) return ((-0.5 * far + 2.5) * far - 4) * far + 2;
    return 0;
  },
};

/** A sinc, windowed by one three times as wide. */
const lanczos: Kernel = {
  reach: 3,
  weigh: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0),
};

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** @param first - the first of `count` places; default: all */
function windowsOf(from: number, to: number, { weigh, reach }: Kernel, first = 0, count = to): Windows {
  const scale = from / to;
  // Wider where a picture shrinks, so that no pixel is left out.
  const spread = Math.max(1, scale);
  return Array.from({ length: count }, (_, at) => {
    const center = (first + at + 0.5) * scale;
    const start = Math.max(0, Math.floor(center - reach * spread + 0.5));
    const end = Math.min(from, Math.floor(center + reach * spread + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, i) =>
      weigh((start + i - center + 0.5) * (1 / spread)),
    );
    const factor = 1 / weights.reduce((total, weight) => total + weight, 0);
    return { from: start, weights: weights.map((weight) => rounded(weight * factor * 2 ** BITS)) };
  });
}

/** Halves away from zero, as C does. */
function rounded(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}

/**
 * A picture of another size, by bicubic interpolation as Pillow does it, whose pictures encoders were trained with: along rows
 * first, then along columns, each rounded to bytes. The bytes are Pillow's.
 */
export function resampled({ width, height, data }: Picture, size: Size): Picture {
  return filtered({ width, height, data }, windowsOf(width, size.width, cubic), windowsOf(height, size.height, cubic));
}

/**
 * A box of a picture of another size, by Lanczos interpolation as Pillow does it.
 *
 * @param part - a part of the picture that holds all pixels that the box depends on, see `lanczosReach`
 * @param at - where the part lies in the picture
 */
export function lanczosBox(part: Picture, at: { left: number; top: number }, from: Size, to: Size, box: Box): Picture {
  const within = (windows: Windows, start: number) => windows.map((each) => ({ ...each, from: each.from - start }));
  const across = windowsOf(from.width, to.width, lanczos, box.left, box.width);
  const down = windowsOf(from.height, to.height, lanczos, box.top, box.height);
  return filtered(part, within(across, at.left), within(down, at.top));
}

/** Pixels of the picture around a box on each side that the box of the other size depends on. */
export function lanczosReach(from: number, to: number): number {
  return from === to ? 0 : Math.ceil(lanczos.reach * Math.max(1, from / to)) + 1;
}

/** Along rows first, then along columns. */
function filtered({ width, height, data }: Picture, across: Windows, down: Windows): Picture {
  const rows = resampleRows(data, width, height, across);
  const turned = turn(rows, across.length, height);
  const columns = resampleRows(turned, height, across.length, down);
  return { width: across.length, height: down.length, data: turn(columns, down.length, across.length) };
}

function resampleRows(data: Uint8Array, width: number, height: number, windows: Windows): Uint8Array {
  const result = new Uint8Array(windows.length * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (const { from, weights } of windows) {
      for (let color = 0; color < 3; color++) {
        let sum = 2 ** (BITS - 1);
        let pixel = (y * width + from) * 3 + color;
        for (const weight of weights) {
          sum += weight * data[pixel]!;
          pixel += 3;
        }
        result[at++] = Math.min(255, Math.max(0, Math.floor(sum / 2 ** BITS)));
      }
    }
  }
  return result;
}

/** Rows become columns. */
function turn(data: Uint8Array, width: number, height: number): Uint8Array {
  const turned = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let color = 0; color < 3; color++) turned[(x * height + y) * 3 + color] = data[(y * width + x) * 3 + color]!;
    }
  }
  return turned;
}
