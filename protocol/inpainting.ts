/** Masks and outpainting: which parts of a seed image a task changes, or what it adds around it. */

import type * as z from 'zod';
import type { ImageReference } from './images.ts';
import { integer, nested, refuse } from './parameters.ts';

/** Pixels that the picture has more than the seed image, on each side; multiples of 64. */
export interface Outpaint {
  top: number;
  right: number;
  bottom: number;
  left: number;
  /** Pixels over which the old part fades into the new, 0 to 32. */
  blur: number;
}

/** What an outpainted picture keeps of the seed image at least, in pixels each way. */
const LEAST_KEPT = 128;

const side = () => integer({ min: 0, max: 2048 - LEAST_KEPT, multipleOf: 64, default: 0 });

export const outpaint = nested(
  { top: side(), right: side(), bottom: side(), left: side(), blur: integer({ min: 0, max: 32, default: 0 }) },
  'an object of top, right, bottom, left and blur',
);

interface Pictures {
  seedImage?: ImageReference | undefined;
  maskImage?: ImageReference | undefined;
  maskMargin?: number | undefined;
  outpaint?: Outpaint | undefined;
  width?: number | undefined;
  height?: number | undefined;
}

/** Fills in the sides that nothing is added to. */
export function outpaintOf(sides: { [side in keyof Outpaint]?: number | undefined }): Outpaint {
  const { top = 0, right = 0, bottom = 0, left = 0, blur = 0 } = sides;
  return { top, right, bottom, left, blur };
}

/** What the seed image, the mask and the sides of outpainting ask of each other. */
export function checkPictures(task: Pictures, context: z.RefinementCtx): void {
  const { seedImage, maskImage, maskMargin, outpaint } = task;
  if (maskMargin !== undefined && maskImage === undefined) {
    refuse(context, 'missing', ['maskImage'], '`maskMargin` needs `maskImage`.');
  }
  if (maskImage !== undefined && outpaint !== undefined) {
    refuse(context, 'invalid', ['maskImage'], 'Leave out `maskImage`: `outpaint` makes its own mask.');
  }
  if (maskImage !== undefined && seedImage === undefined) {
    refuse(context, 'missing', ['seedImage'], '`maskImage` needs `seedImage`, the picture to change.');
  }
  if (outpaint === undefined) return;
  if (seedImage === undefined) {
    refuse(context, 'missing', ['seedImage'], '`outpaint` needs `seedImage`, the picture to extend.');
  }
  const { top, right, bottom, left } = outpaint;
  if (top + right + bottom + left === 0) {
    refuse(context, 'invalid', ['outpaint'], '`outpaint` must be above 0 on at least one side.');
  }
  for (const [name, added, sides] of [
    ['width', left + right, '`left` and `right`'],
    ['height', top + bottom, '`top` and `bottom`'],
  ] as const) {
    const size = task[name];
    if (size === undefined) {
      refuse(context, 'missing', [name], `\`outpaint\` needs \`${name}\`, the final size of the picture.`);
    } else if (size - added < LEAST_KEPT) {
      const told = `${sides} of \`outpaint\` must leave ${LEAST_KEPT} pixels of \`${name}\` to the seed image.`;
      refuse(context, 'invalid', ['outpaint'], told);
    }
  }
}
