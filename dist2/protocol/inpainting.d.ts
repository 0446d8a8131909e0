/** Masks and outpainting: which parts of a seed image a task changes, or what it adds around it. */
import type * as z from 'zod';
import type { ImageReference } from './images.ts';
/** Pixels that the picture has more than the seed image, on each side; multiples of 64. */
export interface Outpaint {
  top: number;
  right: number;
  bottom: number;
  left: number;
  /** Pixels over which the old part fades into the new, 0 to 32. */
  blur: number;
}
export declare const outpaint: z.ZodOptional<
  z.ZodPreprocess<
    z.ZodObject<
      {
        top: z.ZodOptional<z.ZodInt>;
        right: z.ZodOptional<z.ZodInt>;
        bottom: z.ZodOptional<z.ZodInt>;
        left: z.ZodOptional<z.ZodInt>;
        blur: z.ZodOptional<z.ZodInt>;
      },
      z.core.$strip
    >,
    unknown
  >
>;
interface Pictures {
  seedImage?: ImageReference | undefined;
  maskImage?: ImageReference | undefined;
  maskMargin?: number | undefined;
  outpaint?: Outpaint | undefined;
  width?: number | undefined;
  height?: number | undefined;
}
/** Fills in the sides that nothing is added to. */
export declare function outpaintOf(
  sides: {
    [side in keyof Outpaint]?: number | undefined;
  },
): Outpaint;
/** What the seed image, the mask and the sides of outpainting ask of each other. */
export declare function checkPictures(task: Pictures, context: z.RefinementCtx): void;
