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

// Base64 of many megabytes is looked at once, by the decoder; here only its start must look right.
const LOOKED_AT = 256;

/** Tells the four forms apart, in Runware's order; undefined where the text is none of them. */
export function parseImageReference(text: string): ImageReference | undefined {
  if (UUID.test(text)) return { kind: 'uuid', uuid: text.toLowerCase() };
  const start = text.slice(0, LOOKED_AT);
  if (/^https?:\/\//i.test(start)) return URL.canParse(text) ? { kind: 'url', url: text } : undefined;
  if (/^data:/i.test(start)) {
    const head = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(start);
    if (head === null || text.length === head[0].length) return undefined;
    const data = text.slice(head[0].length);
    return head[1] ? { kind: 'base64', data, declaredType: head[1].toLowerCase() } : { kind: 'base64', data };
  }
  // Sixteen characters are twelve bytes: less than any header of an image, more than a mistyped word.
  if (start.length < 16 || !/^[A-Za-z0-9+/_\-\s]+={0,2}\s*$/.test(start)) return undefined;
  return { kind: 'base64', data: text };
}

const RULE = 'the UUID of an uploaded or generated image, an http(s) URL, a data URI, or base64 of a PNG, JPG or WEBP';

const reference = z.string().transform((text, context): ImageReference => {
  const parsed = parseImageReference(text.trim());
  if (parsed !== undefined) return parsed;
  context.issues.push({ code: 'custom', message: 'not an image reference', input: undefined });
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
