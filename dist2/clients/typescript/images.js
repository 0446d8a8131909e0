import { LatentwireError } from './errors.js';
/**
 * The form an image has inside a task: strings stay as they are, bytes become a data URI.
 *
 * @param parameter - where the task has it, for the error about bytes that are no image
 */
export async function toWireImage(image, parameter) {
  if (typeof image === 'string') return image;
  const bytes =
    image instanceof Uint8Array
      ? image
      : new Uint8Array(image instanceof ArrayBuffer ? image : await readBlob(image, parameter));
  const mime = sniffMime(bytes) ?? (image instanceof Blob && image.type !== '' ? image.type : undefined);
  if (mime === undefined) {
    const message = 'These bytes are no image format known here.';
    throw new LatentwireError({ code: 'invalidImage', message, ...(parameter !== undefined && { parameter }) });
  }
  return `data:${mime};base64,${toBase64(bytes)}`;
}
/** The media type of an image file by its first bytes. */
export function sniffMime(bytes) {
  const starts = (at, ...magic) => magic.every((byte, i) => bytes[at + i] === byte);
  if (starts(0, 0x89, 0x50, 0x4e, 0x47)) return 'image/png';
  if (starts(0, 0xff, 0xd8, 0xff)) return 'image/jpeg';
  if (starts(0, 0x52, 0x49, 0x46, 0x46) && starts(8, 0x57, 0x45, 0x42, 0x50)) return 'image/webp';
  if (starts(0, 0x47, 0x49, 0x46, 0x38)) return 'image/gif';
  if (starts(0, 0x42, 0x4d)) return 'image/bmp';
  return undefined;
}
/** The bytes behind base64, with or without a data URI's head. */
export function fromBase64(text) {
  const binary = atob(text.slice(text.indexOf(',') + 1));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
async function readBlob(blob, parameter) {
  try {
    return await blob.arrayBuffer();
  } catch (cause) {
    const error = { code: 'invalidImage', message: 'The image could not be read.' };
    throw new LatentwireError({ ...error, ...(parameter !== undefined && { parameter }) }, cause);
  }
}
function toBase64(bytes) {
  // In pieces: a call takes only so many arguments. The size divides by three, so that no piece but the last is padded.
  const piece = 0x6000;
  let text = '';
  for (let at = 0; at < bytes.length; at += piece) {
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + piece)));
  }
  return text;
}
//# sourceMappingURL=images.js.map
