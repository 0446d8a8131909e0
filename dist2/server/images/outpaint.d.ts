import type { Outpaint } from '../../protocol/inpainting.ts';
import type { Pixels } from '../../runtime/index.ts';
import { type Canvas } from './canvas.ts';
/**
 * Adds new area around a picture. The run starts there from the picture mirrored at its edges, so that colours and light
 * go on; the old area keeps every byte, but for the blend along the new edges.
 */
export declare function outpaintCanvas(picture: Pixels, extension: Outpaint): Promise<Canvas>;
/** 255 in the new area, falling to 0 over `blur` pixels of the old one. */
export declare function extensionMask(
  old: {
    width: number;
    height: number;
  },
  extension: Outpaint,
): Uint8Array;
