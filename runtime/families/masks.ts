import type { LatentShape } from '../run.ts';

/** The mask as inpainting models were shown it: the first pixel of each position, 1 where it changes and 0 where it is kept. */
export function hardLatentMask(mask: Uint8Array, width: number, shape: LatentShape): Float32Array {
  const scale = width / shape.width;
  return Float32Array.from({ length: shape.width * shape.height }, (_, at) => {
    const [x, y] = [at % shape.width, Math.floor(at / shape.width)];
    return mask[y * scale * width + x * scale]! >= 128 ? 1 : 0;
  });
}

/**
 * Each pixel of a position as a channel of its own, 1 where it changes: [side · side, height, width], the channel being
 * dy · side + dx.
 */
export function pixelMask(mask: Uint8Array, width: number, shape: LatentShape): Float32Array {
  const side = width / shape.width;
  const plane = shape.width * shape.height;
  const channels = new Float32Array(side ** 2 * plane);
  for (let y = 0; y < shape.height * side; y++) {
    for (let x = 0; x < width; x++) {
      if (mask[y * width + x]! < 128) continue;
      const channel = (y % side) * side + (x % side);
      channels[channel * plane + Math.floor(y / side) * shape.width + Math.floor(x / side)] = 1;
    }
  }
  return channels;
}
