/** Reference images: pictures that the prompt refers to, for models that draw by them. */

import * as z from 'zod';
import { type ImageReference, image } from './images.ts';
import { described, passIssues, present } from './parameters.ts';

/** A picture that the prompt refers to, and where the task names it. */
export interface ReferenceImage {
  image: ImageReference;
  /** For errors: `inputs.referenceImages[1]`. */
  parameter: string;
}

/** Of any model; the server knows how many its model takes. */
const MOST = 10;

const entry = z
  .union([z.string(), z.object({ image: z.string() })])
  .transform((value) => (typeof value === 'string' ? value : value.image));
const one = image();

/**
 * An array of images, each by itself or as `{ image }`.
 *
 * @param name - where errors say it stands
 */
export function referenceImages(name: string, most = MOST) {
  const schema = z.unknown().transform((value, context): ReferenceImage[] => {
    if (!Array.isArray(value) || value.length > most) {
      context.issues.push({ code: 'custom', message: 'not such an array', input: undefined });
      return z.NEVER;
    }
    const found: ReferenceImage[] = [];
    for (const [index, sent] of value.entries()) {
      const text = entry.safeParse(present(sent));
      const parsed = one.safeParse(text.data);
      if (!parsed.success) {
        passIssues(parsed.error, context, [index]);
        return z.NEVER;
      }
      found.push({ image: parsed.data, parameter: `${name}[${index}]` });
    }
    return found;
  });
  const rule = 'the UUID of an image, an http(s) URL, a data URI, or base64, or an object with one of those as `image`';
  return described(schema.optional(), {
    type: 'array',
    rule: `an array of at most ${most} images`,
    entry: { type: 'string', rule },
  });
}
