/** Reference images: pictures that the prompt refers to, for models that draw by them. */
import * as z from 'zod';
import { type ImageReference } from './images.ts';
/** A picture that the prompt refers to, and where the task names it. */
export interface ReferenceImage {
  image: ImageReference;
  /** For errors: `inputs.referenceImages[1]`. */
  parameter: string;
}
/**
 * An array of images, each by itself or as `{ image }`.
 *
 * @param name - where errors say it stands
 */
export declare function referenceImages(
  name: string,
): z.ZodOptional<z.ZodPipe<z.ZodUnknown, z.ZodTransform<ReferenceImage[], unknown>>>;
