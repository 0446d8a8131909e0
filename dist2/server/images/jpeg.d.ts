import type { Pixels } from '../../runtime/index.ts';
/**
 * Encodes a small picture as a baseline JPEG (ITU-T T.81, with the quantization and Huffman tables of its annex K, and JFIF's
 * colours). A preview of every step is a few dozen pixels wide: setting up a pipeline of libvips and handing it to a thread
 * takes several times what the encoding itself does, on the cores that compute the next step. The event loop stands still
 * meanwhile, about 0.1 ms for each 1,000 pixels.
 *
 * @param quality - 1 to 100, as libjpeg counts; from 90 on colours keep their full resolution
 */
export declare function encodeSmallJpeg({ width, height, data }: Pixels, quality: number): Buffer;
