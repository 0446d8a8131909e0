import type { Pixels } from '../../runtime/index.ts';
import { type Box, type Canvas } from './canvas.ts';
import { type ImageLimits } from './decode.ts';
/** Decodes a mask: 255 where the picture changes. Throws ImageError for one that changes nothing. */
export declare function decodeMask(
  bytes: Uint8Array,
  limits: ImageLimits,
  size: {
    width: number;
    height: number;
  },
): Promise<Uint8Array>;
/**
 * Draws anew where the mask is white, and blends where it is grey. With a margin the run sees only the masked part and so
 * many pixels around it, enlarged to the size of the picture: small things get all the detail that the model can give.
 */
export declare function inpaintCanvas(picture: Pixels, mask: Uint8Array, margin: number | undefined): Promise<Canvas>;
/** The smallest box around all pixels that are not 0; there must be one. */
export declare function boundsOf(mask: Uint8Array, width: number): Box;
/** The box with a margin on all sides, then grown to the shape of the picture, and moved where it would stick out. */
export declare function marginBox(
  box: Box,
  margin: number,
  picture: {
    width: number;
    height: number;
  },
): Box;
