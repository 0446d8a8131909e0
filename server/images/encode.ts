import sharp, { type Sharp } from 'sharp';
import type { ImageFormat } from '../../protocol/events.ts';
import type { Pixels } from '../../runtime/index.ts';
import { encodeSmallJpeg } from './jpeg.ts';

/** Up to this number of pixels our encoder is faster than a pipeline of libvips. */
const smallPixels = 64 * 64;

/** Encodes a finished picture. `quality` is 1 to 100 and has no effect on PNG. */
export async function encodeImage(pixels: Pixels, format: ImageFormat, quality: number): Promise<Buffer> {
  return await write(open(pixels), format, quality).toBuffer();
}

/**
 * Encodes a preview, scaled to `size` pixels on its longer side. Previews are a few dozen pixels wide, one for each
 * latent; a smooth kernel shows blur instead of blocks.
 */
export async function encodePreview(
  pixels: Pixels,
  size: number,
  format: ImageFormat,
  quality: number,
): Promise<{ bytes: Buffer; width: number; height: number }> {
  const scale = size / Math.max(pixels.width, pixels.height);
  const width = Math.max(1, Math.round(pixels.width * scale));
  const height = Math.max(1, Math.round(pixels.height * scale));
  const isAsIs = width === pixels.width && height === pixels.height;
  if (format === 'JPG' && isAsIs && width * height <= smallPixels) {
    return { bytes: encodeSmallJpeg(pixels, quality), width, height };
  }
  const image = open(pixels).resize(width, height, { fit: 'fill', kernel: 'mitchell' });
  return { bytes: await write(image, format, quality).toBuffer(), width, height };
}

export const extensions: Record<ImageFormat, string> = { JPG: 'jpg', PNG: 'png', WEBP: 'webp' };

function open(pixels: Pixels): Sharp {
  return sharp(pixels.data, { raw: { width: pixels.width, height: pixels.height, channels: 3 } });
}

function write(image: Sharp, format: ImageFormat, quality: number): Sharp {
  switch (format) {
    case 'JPG':
      // Full chroma resolution at high quality: halved chroma is visible on small saturated pictures.
      return image.jpeg({ quality, chromaSubsampling: quality >= 90 ? '4:4:4' : '4:2:0' });
    case 'PNG':
      return image.png({ compressionLevel: 6 });
    case 'WEBP':
      return image.webp({ quality, effort: 2 });
  }
}
