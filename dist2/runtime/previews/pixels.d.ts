import type { Pixels } from '../messages.ts';
/** [3, height, width] in [-1, 1] → bytes; halves round to even as numpy's `round` does. */
export declare function toPixels(image: Float32Array, width: number, height: number): Pixels;
