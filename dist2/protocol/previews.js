/** `previews` and `progress`: what a client wants to hear before the result, per task or as its session's default. */
import * as z from 'zod';
import { choice, described, integer, passIssues, present } from './parameters.js';
export const IMAGE_FORMATS = ['JPG', 'PNG', 'WEBP'];
/** A format for images, JPG unless something else is said; some clients write `JPEG`. */
export const imageFormat = () => choice(IMAGE_FORMATS, 'JPG', new Map([['jpeg', 'JPG']]));
/** A linear map of the latents, or a tiny network. */
export const PREVIEW_DECODERS = ['linear', 'tiny'];
const shape = {
  every: integer({ min: 1, max: 100, default: 1 }),
  size: integer({ min: 16, max: 2048 }),
  format: imageFormat(),
  quality: integer({ min: 20, max: 99, default: 70 }),
  delivery: choice(['base64', 'binary'], 'base64'),
  decoder: choice(PREVIEW_DECODERS, 'linear'),
};
const options = z.object(shape);
/** `true` is every default; `false` switches off what the session switched on; absent leaves it to the session. */
export const previews = described(
  z
    .unknown()
    .transform((value, context) => {
      if (value === false) return false;
      const parsed = options.safeParse(value === true ? {} : present(value));
      if (!parsed.success) {
        passIssues(parsed.error, context);
        return z.NEVER;
      }
      const { every = 1, size, format = 'JPG', quality = 70, delivery = 'base64', decoder = 'linear' } = parsed.data;
      return { every, ...(size === undefined ? {} : { size }), format, quality, delivery, decoder };
    })
    .optional(),
  {
    type: 'object',
    rule: 'true, false or an object of every, size, format, quality, delivery, decoder',
    children: shape,
  },
);
//# sourceMappingURL=previews.js.map
