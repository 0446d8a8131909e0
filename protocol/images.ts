/** Image references: the four ways a task may name an image. */

import * as z from 'zod';
import { described, UUID } from './parameters.ts';

/** An image that a task names; the server turns it into pixels. */
export type ImageReference =
  /** An uploaded or generated image. */
  | { kind: 'uuid'; uuid: string }
  | { kind: 'url'; url: string }
  /** Encoded bytes; the declared type, where there is one, is a claim to check against the bytes. */
  | { kind: 'base64'; data: string; declaredType?: string };

const RULE = 'the UUID of an uploaded or generated image, an http(s) URL, a data URI, or base64 of a PNG, JPG or WEBP';

/** A text that names no image. */
export interface NoImageReference {
  kind: 'none';
  /** What is wrong with it, as a sentence without its subject; absent for what looks like none of the forms. */
  reason?: string;
}

/** Tells the four forms apart, in Runware's order. */
export function parseImageReference(text: string): ImageReference | NoImageReference {
  if (UUID.test(text)) return { kind: 'uuid', uuid: text.toLowerCase() };
  const start = text.slice(0, 16);
  if (/^https?:/i.test(start)) return URL.canParse(text) ? { kind: 'url', url: text } : none('is not a valid URL');
  if (/^data:/i.test(start)) return parseDataUri(text);
  // Sixteen characters are twelve bytes: less than any header of an image, more than a mistyped word.
  if (text.length < 16 || !/^[\w+/-]{16}$/.test(start)) return none();
  // Long texts are often broken into lines; a blank in the middle is damage.
  return parseBase64(/[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, '') : text);
}

/**
 * A data URI as browsers read it (WHATWG Fetch, "data: URL processor"): the type up to the first comma, base64 where it ends in
 * `;base64`, with blanks round the word or not, and percent-encoding anywhere behind it.
 */
function parseDataUri(text: string): ImageReference | NoImageReference {
  const comma = text.indexOf(',');
  if (comma === -1) return none('is a data URI without a comma');
  const header = text.slice('data:'.length, comma).trim();
  const [fragmentless = ''] = text.slice(comma + 1).split('#', 1);
  const type = header.split(';', 1)[0]!.trim().toLowerCase();
  const declared = /^[\w.+-]+\/[\w.+-]+$/.test(type) ? { declaredType: type } : {};
  const bytes = fragmentless.includes('%') ? percentDecode(fragmentless) : undefined;
  if (!/; *base64$/i.test(header)) {
    const raw = bytes ?? Buffer.from(fragmentless, 'utf8');
    if (raw.byteLength === 0) return none('is a data URI without data');
    return { kind: 'base64', data: raw.toString('base64'), ...declared };
  }
  const body = bytes === undefined ? fragmentless : bytes.toString('latin1');
  const parsed = parseBase64(/[\t\n\f\r ]/.test(body) ? body.replace(/[\t\n\f\r ]+/g, '') : body);
  return parsed.kind === 'base64' ? { ...parsed, ...declared } : parsed;
}

/**
 * Checks all of it, because decoders pass over what they do not know: a damaged image would be decoded to something else. Both
 * alphabets are taken, with or without padding.
 */
function parseBase64(data: string): ImageReference | NoImageReference {
  if (data === '') return none('has no data');
  if (!isOf(data, /[^A-Za-z0-9+/]/) && !isOf(data, /[^\w-]/)) {
    const place = data.search(/[^A-Za-z0-9+/=_-]/);
    if (place === -1) return none('is not base64: its padding or alphabet changes in the middle');
    return none(`is not base64: character ${place + 1} is not in its alphabet`);
  }
  const digits = data.endsWith('==') ? data.length - 2 : data.endsWith('=') ? data.length - 1 : data.length;
  if (digits % 4 === 1 || (digits !== data.length && data.length % 4 !== 0)) {
    return none(`is incomplete base64: ${data.length} characters are no whole number of bytes`);
  }
  return { kind: 'base64', data };
}

/** Whether a text ends at the first `foreign` character, but for its padding. Goes over it once, and never back. */
function isOf(data: string, foreign: RegExp): boolean {
  const end = data.search(foreign);
  return end === -1 || /^={1,2}$/.test(data.slice(end, end + 3));
}

/** Bytes of a text in which `%41` stands for a byte; what is no such triple stands for itself. */
function percentDecode(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const [high, low] = [hexDigit(bytes[at + 1]), hexDigit(bytes[at + 2])];
    if (bytes[at] === 0x25 && high >= 0 && low >= 0) {
      bytes[length++] = high * 16 + low;
      at += 2;
    } else bytes[length++] = bytes[at]!;
  }
  return bytes.subarray(0, length);
}

/** -1 for what is none. */
function hexDigit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function none(reason?: string): NoImageReference {
  return { kind: 'none', ...(reason !== undefined && { reason }) };
}

const reference = z.string().transform((text, context): ImageReference => {
  const parsed = parseImageReference(text.trim());
  if (parsed.kind !== 'none') return parsed;
  // Without a reason of its own, the rule is told.
  const { reason } = parsed;
  const told =
    reason === undefined ? { message: '' } : { message: `The image ${reason}.`, params: { kind: 'invalid' } };
  context.issues.push({ code: 'custom', input: undefined, ...told });
  return z.NEVER;
});

/** A required image. */
export function image() {
  return described(reference, { type: 'string', rule: RULE });
}

/** An image that may be left out. */
export function optionalImage() {
  return described(reference.optional(), { type: 'string', rule: RULE });
}
