import type { ImageFormat } from '../../protocol/events.ts';
import type { Pixels } from '../../runtime/index.ts';
export interface ImageLimits {
  /** Bytes of one encoded image; a larger one is refused before it is looked at. */
  maxBytes: number;
  /** Width × height of one image, read from its header; a larger one is refused before its pixels are decoded. */
  maxPixels: number;
}
export interface ImageHeader {
  format: ImageFormat;
  /** As shown: after the EXIF orientation. */
  width: number;
  height: number;
}
/** Tells the format by the first bytes; names and MIME types given by clients are never trusted. */
export declare function sniffFormat(bytes: Uint8Array): ImageFormat;
/** Reads format and size from the header alone, and refuses what is over a limit or truncated there. */
export declare function readHeader(bytes: Uint8Array, limits: ImageLimits): Promise<ImageHeader>;
/**
 * Decodes to RGB of exactly the asked size. An image of another shape is scaled to cover and cropped at the middle, the
 * EXIF orientation is applied, and transparency becomes white.
 */
export declare function decodeImage(bytes: Uint8Array, limits: ImageLimits, size?: Size): Promise<Pixels>;
/** Decodes as `decodeImage` does, and scales a picture of more than `mostPixels` down to about as many, in its own shape. */
export declare function decodeAtMost(bytes: Uint8Array, limits: ImageLimits, mostPixels?: number): Promise<Pixels>;
/**
 * Decodes to one byte of brightness a pixel, scaled and cropped as `decodeImage` does it, so that both still lie on each
 * other. Transparency becomes black. The kernel has no overshoot, which would grey the black beside an edge.
 */
export declare function decodeGrey(bytes: Uint8Array, limits: ImageLimits, size: Size): Promise<Uint8Array>;
interface Size {
  width: number;
  height: number;
}
