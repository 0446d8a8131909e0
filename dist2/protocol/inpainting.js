/** Masks and outpainting: which parts of a seed image a task changes, or what it adds around it. */
import { integer, nested, refuse } from './parameters.js';

/** What an outpainted picture keeps of the seed image at least, in pixels each way. */
const LEAST_KEPT = 128;
const side = () => integer({ min: 0, max: 2048 - LEAST_KEPT, multipleOf: 64, default: 0 });
export const outpaint = nested(
  { top: side(), right: side(), bottom: side(), left: side(), blur: integer({ min: 0, max: 32, default: 0 }) },
  'an object of top, right, bottom, left and blur',
);
/** Fills in the sides that nothing is added to. */
export function outpaintOf(sides) {
  const { top = 0, right = 0, bottom = 0, left = 0, blur = 0 } = sides;
  return { top, right, bottom, left, blur };
}
/** What the seed image, the mask and the sides of outpainting ask of each other. */
export function checkPictures(task, context) {
  const { seedImage, maskImage, maskMargin, outpaint } = task;
  if (maskMargin !== undefined && maskImage === undefined) {
    refuse(context, 'missing', ['maskImage'], '`maskMargin` needs `maskImage`, around which it is measured.');
  }
  if (maskImage !== undefined && outpaint !== undefined) {
    refuse(context, 'invalid', ['maskImage'], 'Leave out `maskImage`: `outpaint` masks what it adds.');
  }
  if (maskImage !== undefined && seedImage === undefined) {
    refuse(context, 'missing', ['seedImage'], '`maskImage` needs `seedImage`, the picture that is changed there.');
  }
  if (outpaint === undefined) return;
  if (seedImage === undefined) {
    refuse(context, 'missing', ['seedImage'], '`outpaint` needs `seedImage`, the picture that is extended.');
  }
  const { top, right, bottom, left } = outpaint;
  if (top + right + bottom + left === 0) {
    refuse(context, 'invalid', ['outpaint'], '`outpaint` must be above 0 on one side at least.');
  }
  for (const [name, added, sides] of [
    ['width', left + right, '`left` and `right`'],
    ['height', top + bottom, '`top` and `bottom`'],
  ]) {
    const size = task[name];
    if (size === undefined) {
      refuse(context, 'missing', [name], `\`outpaint\` needs \`${name}\`, the final size with what is added.`);
    } else if (size - added < LEAST_KEPT) {
      const told = `${sides} of \`outpaint\` must leave ${LEAST_KEPT} pixels of \`${name}\` to the seed image.`;
      refuse(context, 'invalid', ['outpaint'], told);
    }
  }
}
//# sourceMappingURL=inpainting.js.map
