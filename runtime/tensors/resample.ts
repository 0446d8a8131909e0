/** Rows from top to bottom, three bytes a pixel. */
interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
}

/** For each place of a shorter or longer side: where its window begins, and the weights of what lies in it. */
type Windows = readonly { from: number; weights: Float64Array }[];

/** Cubic convolution (Keys 1981) with a = -1/2. */
function cubic(x: number): number {
  const far = Math.abs(x);
  if (far < 1) return (1.5 * far - 2.5) * far * far + 1;
  if (far < 2) return ((-0.5 * far + 2.5) * far - 4) * far + 2;
  return 0;
}

function windowsOf(from: number, to: number): Windows {
  const scale = from / to;
  // Wider where a picture shrinks, so that no pixel is left out.
  const spread = Math.max(1, scale);
  return Array.from({ length: to }, (_, at) => {
    const center = (at + 0.5) * scale;
    const start = Math.max(0, Math.floor(center - 2 * spread + 0.5));
    const end = Math.min(from, Math.floor(center + 2 * spread + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, i) => cubic((start + i + 0.5 - center) / spread));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { from: start, weights: weights.map((weight) => weight / sum) };
  });
}

/**
 * A picture of another size, by bicubic interpolation as Pillow does it, whose pictures encoders were trained with: along rows
 * first, then along columns, each rounded to bytes.
 */
export function resampled({ width, height, data }: Picture, size: { width: number; height: number }): Picture {
  const rows = resampleRows(data, width, height, windowsOf(width, size.width));
  const turned = turn(rows, size.width, height);
  const columns = resampleRows(turned, height, size.width, windowsOf(height, size.height));
  return { ...size, data: turn(columns, size.height, size.width) };
}

function resampleRows(data: Uint8Array, width: number, height: number, windows: Windows): Uint8Array {
  const result = new Uint8Array(windows.length * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (const { from, weights } of windows) {
      for (let color = 0; color < 3; color++) {
        let sum = 0;
        let pixel = (y * width + from) * 3 + color;
        for (const weight of weights) {
          sum += weight * data[pixel]!;
          pixel += 3;
        }
        result[at++] = Math.min(255, Math.max(0, Math.floor(sum + 0.5)));
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
