import sharp, { type Metadata, type Sharp } from 'sharp';
import type { ImageFormat } from '../../protocol/events.ts';
import type { Pixels } from '../../runtime/index.ts';
import { ImageError } from './imageError.ts';
import { countScans, maxScans } from './scans.ts';

export interface ImageLimits {
  /** Bytes of one encoded image; a larger one is refused unread. */
  maxBytes: number;
  /** Width × height of one image from its header; a larger one is refused before decoding. */
  maxPixels: number;
}

/** Time limit for decoding one image. */
const decodeSeconds = 10;

export interface ImageHeader {
  format: ImageFormat;
  /** After the EXIF orientation. */
  width: number;
  height: number;
}

// The runtime needs the cores, and a cache would keep pictures of users in memory.
sharp.concurrency(1);
sharp.cache(false);
// Defence in depth: the format is checked before sharp reads the bytes, and all its other loaders are disabled.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadWebp'] });

/** Detects the format from the first bytes; names and MIME types of clients are ignored. */
export function sniffFormat(bytes: Uint8Array): ImageFormat {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return 'JPG';
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'PNG';
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return 'WEBP';
  const known = ascii(bytes, 0, 4) === 'GIF8' ? 'GIF' : ascii(bytes, 0, 2) === 'BM' ? 'BMP' : undefined;
  throw new ImageError(
    known === undefined
      ? 'The bytes are not an image in a known format. Allowed: JPG, PNG, WEBP.'
      : `${known} images are not supported. Allowed: JPG, PNG, WEBP.`,
  );
}

/** Reads format and size from the header, and refuses an image that exceeds a limit or is truncated there. */
export async function readHeader(bytes: Uint8Array, limits: ImageLimits): Promise<ImageHeader> {
  if (bytes.byteLength > limits.maxBytes) {
    throw new ImageError(`The image has ${bytes.byteLength} bytes. The largest allowed is ${limits.maxBytes} bytes.`);
  }
  const format = sniffFormat(bytes);
  if (format === 'JPG' && countScans(bytes) > maxScans) {
    throw new ImageError(`The JPG image has more than ${maxScans} scans. Save it as a non-progressive JPG.`);
  }
  let metadata: Metadata;
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
 * Decodes to RGB of exactly the given size. An image of another shape is scaled to cover and cropped at the centre, the
 * EXIF orientation is applied, and transparency becomes white.
 */
export async function decodeImage(bytes: Uint8Array, limits: ImageLimits, size?: Size): Promise<Pixels> {
  return await decode(
    bytes,
    limits,
    size,
    (image) => image.flatten({ background: '#ffffff' }).toColourspace('srgb'),
    3,
  );
}

/** Like `decodeImage`, but keeps the shape and scales a picture of more than `mostPixels` down to about that number. */
export async function decodeAtMost(bytes: Uint8Array, limits: ImageLimits, mostPixels?: number): Promise<Pixels> {
  const { width, height } = await readHeader(bytes, limits);
  if (mostPixels === undefined || width * height <= mostPixels) return decodeImage(bytes, limits);
  const scale = Math.sqrt(mostPixels / (width * height));
  const size = { width: Math.floor(width * scale), height: Math.floor(height * scale) };
  return decodeImage(bytes, limits, { width: Math.max(1, size.width), height: Math.max(1, size.height) });
}

/**
 * Decodes to one byte of brightness per pixel, scaled and cropped like `decodeImage`. Transparency becomes black. The
 * kernel has no overshoot, which would make the black beside an edge grey.
 */
export async function decodeGrey(bytes: Uint8Array, limits: ImageLimits, size: Size): Promise<Uint8Array> {
  const grey = (image: Sharp) => image.flatten({ background: '#000000' }).toColourspace('b-w');
  return (await decode(bytes, limits, size, grey, 1, 'linear')).data;
}

interface Size {
  width: number;
  height: number;
}

async function decode(
  bytes: Uint8Array,
  limits: ImageLimits,
  size: Size | undefined,
  convert: (image: Sharp) => Sharp,
  channels: number,
  kernel: 'lanczos3' | 'linear' = 'lanczos3',
): Promise<Pixels> {
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

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}
