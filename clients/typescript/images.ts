import { LatentwireError } from './errors.ts';

/**
 * An input image: the UUID of an uploaded or generated one, an `http(s)` URL, a data URI, bare base64, or the bytes of
 * an image file.
 */
export type ImageInput = string | Uint8Array | ArrayBuffer | Blob;

/**
 * An image as a task parameter: strings stay unchanged, bytes become a data URI.
 *
 * @param parameter - its name in the task, for errors
 */
export async function toWireImage(image: ImageInput, parameter?: string): Promise<string> {
  if (typeof image === 'string') return image;
  const bytes =
    image instanceof Uint8Array
      ? image
      : new Uint8Array(image instanceof ArrayBuffer ? image : await readBlob(image, parameter));
  const mime = sniffMime(bytes) ?? (image instanceof Blob && image.type !== '' ? image.type : undefined);
  if (mime === undefined) {
    const message = 'The image has an unknown format.';
    throw new LatentwireError({ code: 'invalidImage', message, ...(parameter !== undefined && { parameter }) });
  }
  return `data:${mime};base64,${toBase64(bytes)}`;
}

/** The media type of an image file, from its first bytes. */
export function sniffMime(bytes: Uint8Array): string | undefined {
  const starts = (at: number, ...magic: number[]) => magic.every((byte, i) => bytes[at + i] === byte);
  if (starts(0, 0x89, 0x50, 0x4e, 0x47)) return 'image/png';
  if (starts(0, 0xff, 0xd8, 0xff)) return 'image/jpeg';
  if (starts(0, 0x52, 0x49, 0x46, 0x46) && starts(8, 0x57, 0x45, 0x42, 0x50)) return 'image/webp';
  if (starts(0, 0x47, 0x49, 0x46, 0x38)) return 'image/gif';
  if (starts(0, 0x42, 0x4d)) return 'image/bmp';
  return undefined;
}

/** The bytes of base64, with or without the head of a data URI. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.slice(text.indexOf(',') + 1));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function readBlob(blob: Blob, parameter: string | undefined): Promise<ArrayBuffer> {
  try {
    return await blob.arrayBuffer();
  } catch (cause) {
    const error = { code: 'invalidImage', message: 'The image could not be read.' } as const;
    throw new LatentwireError({ ...error, ...(parameter !== undefined && { parameter }) }, cause);
  }
}

function toBase64(bytes: Uint8Array): string {
  // In pieces, because a call has a limited number of arguments. The size divides by three, so only the last piece is
  // padded.
  const piece = 0x6000;
  let text = '';
  for (let at = 0; at < bytes.length; at += piece) {
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + piece)));
  }
  return text;
}
