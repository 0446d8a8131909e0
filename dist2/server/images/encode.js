import sharp, {} from 'sharp';
import { encodeSmallJpeg } from './jpeg.js';

/** Up to so many pixels our own encoder is quicker than a pipeline of libvips, all told. */
const smallPixels = 64 * 64;
/** Encodes a finished picture. `quality` is 1 to 100 and without effect on PNG, which loses nothing. */
export async function encodeImage(pixels, format, quality) {
  return await write(open(pixels), format, quality).toBuffer();
}
/**
 * Encodes a preview with its longer side enlarged or reduced to `size` pixels. Previews are a few dozen pixels wide, one
 * for each latent; a smooth kernel shows them as blur where the plain ones show blocks.
 */
export async function encodePreview(pixels, size, format, quality) {
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
export const extensions = { JPG: 'jpg', PNG: 'png', WEBP: 'webp' };
function open(pixels) {
  return sharp(pixels.data, { raw: { width: pixels.width, height: pixels.height, channels: 3 } });
}
function write(image, format, quality) {
  switch (format) {
    case 'JPG':
      // Full colour resolution where quality is asked for: halved chroma shows on small saturated pictures.
      return image.jpeg({ quality, chromaSubsampling: quality >= 90 ? '4:4:4' : '4:2:0' });
    case 'PNG':
      return image.png({ compressionLevel: 6 });
    case 'WEBP':
      return image.webp({ quality, effort: 2 });
  }
}
//# sourceMappingURL=encode.js.map
