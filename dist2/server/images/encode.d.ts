import type { ImageFormat } from '../../protocol/events.ts';
import type { Pixels } from '../../runtime/index.ts';
/** Encodes a finished picture. `quality` is 1 to 100 and without effect on PNG, which loses nothing. */
export declare function encodeImage(pixels: Pixels, format: ImageFormat, quality: number): Promise<Buffer>;
/**
 * Encodes a preview with its longer side enlarged or reduced to `size` pixels. Previews are a few dozen pixels wide, one
 * for each latent; a smooth kernel shows them as blur where the plain ones show blocks.
 */
export declare function encodePreview(
  pixels: Pixels,
  size: number,
  format: ImageFormat,
  quality: number,
): Promise<{
  bytes: Buffer;
  width: number;
  height: number;
}>;
export declare const extensions: Record<ImageFormat, string>;
