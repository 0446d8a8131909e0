import sharp, {} from 'sharp';
import { ImageError } from './imageError.js';
import { countScans, maxScans } from './scans.js';

/** How long decoding one image may take. */
const decodeSeconds = 10;
// The runtime needs the cores, and a cache would keep pictures of users in memory.
sharp.concurrency(1);
sharp.cache(false);
// Bytes are sniffed before sharp sees them; this closes the loaders of all other formats behind that door as well.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadWebp'] });
/** Tells the format by the first bytes; names and MIME types given by clients are never trusted. */
export function sniffFormat(bytes) {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return 'JPG';
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'PNG';
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return 'WEBP';
  const known = ascii(bytes, 0, 4) === 'GIF8' ? 'GIF' : ascii(bytes, 0, 2) === 'BM' ? 'BMP' : undefined;
  throw new ImageError(
    known === undefined
      ? 'The bytes are not an image in a known format. Allowed: JPG, PNG, WEBP.'
      : `${known} images are not taken. Allowed: JPG, PNG, WEBP.`,
  );
}
/** Reads format and size from the header alone, and refuses what is over a limit or truncated there. */
export async function readHeader(bytes, limits) {
  if (bytes.byteLength > limits.maxBytes) {
    throw new ImageError(`The image has ${bytes.byteLength} bytes. The largest allowed is ${limits.maxBytes} bytes.`);
  }
  const format = sniffFormat(bytes);
  if (format === 'JPG' && countScans(bytes) > maxScans) {
    throw new ImageError(`The JPG image has more than ${maxScans} scans. Save it anew, not progressive.`);
  }
  let metadata;
  try {
    metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (cause) {
    throw new ImageError(`The ${format} image is broken: its header cannot be read.`, 'invalid', { cause });
  }
  const { width, height } = metadata.autoOrient;
  if (width * height > limits.maxPixels) {
    throw new ImageError(
      `The image has ${width} × ${height} pixels. The largest allowed is ${limits.maxPixels} pixels in all.`,
    );
  }
  return { format, width, height };
}
/**
 * Decodes to RGB of exactly the asked size. An image of another shape is scaled to cover and cropped at the middle, the
 * EXIF orientation is applied, and transparency becomes white.
 */
export async function decodeImage(bytes, limits, size) {
  return await decode(
    bytes,
    limits,
    size,
    (image) => image.flatten({ background: '#ffffff' }).toColourspace('srgb'),
    3,
  );
}
/** Decodes as `decodeImage` does, and scales a picture of more than `mostPixels` down to about as many, in its own shape. */
export async function decodeAtMost(bytes, limits, mostPixels) {
  const { width, height } = await readHeader(bytes, limits);
  if (mostPixels === undefined || width * height <= mostPixels) return decodeImage(bytes, limits);
  const scale = Math.sqrt(mostPixels / (width * height));
  const size = { width: Math.floor(width * scale), height: Math.floor(height * scale) };
  return decodeImage(bytes, limits, { width: Math.max(1, size.width), height: Math.max(1, size.height) });
}
/**
 * Decodes to one byte of brightness a pixel, scaled and cropped as `decodeImage` does it, so that both still lie on each
 * other. Transparency becomes black. The kernel has no overshoot, which would grey the black beside an edge.
 */
export async function decodeGrey(bytes, limits, size) {
  const grey = (image) => image.flatten({ background: '#000000' }).toColourspace('b-w');
  return (await decode(bytes, limits, size, grey, 1, 'linear')).data;
}
async function decode(bytes, limits, size, convert, channels, kernel = 'lanczos3') {
  const header = await readHeader(bytes, limits);
  let image = convert(sharp(bytes, { limitInputPixels: limits.maxPixels, failOn: 'error' }).autoOrient());
  if (size !== undefined && (size.width !== header.width || size.height !== header.height)) {
    image = image.resize(size.width, size.height, { fit: 'cover', position: 'centre', kernel });
  }
  try {
    image = image.timeout({ seconds: decodeSeconds });
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Error(`decoded to ${info.channels} channels`);
    return { width: info.width, height: info.height, data };
  } catch (cause) {
    if (cause instanceof Error && /timeout/i.test(cause.message)) {
      throw new ImageError(`Decoding the ${header.format} image takes more than ${decodeSeconds} seconds.`);
    }
    throw new ImageError(`The ${header.format} image is broken: its pixels cannot be decoded.`, 'invalid', { cause });
  }
}
function startsWith(bytes, magic) {
  return magic.every((byte, index) => bytes[index] === byte);
}
function ascii(bytes, from, to) {
  return String.fromCharCode(...bytes.subarray(from, to));
}
//# sourceMappingURL=decode.js.map
