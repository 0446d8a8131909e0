import type { Pixels } from '../../runtime/index.ts';
import { type Box, type Canvas, enlarge, layInto, reduce } from './canvas.ts';
import { decodeGrey, type ImageLimits } from './decode.ts';
import { ImageError } from './imageError.ts';

/** Tolerance for JPEG artifacts in black and white, so that the picture outside a mask stays unchanged. */
const nearBlack = 8;
const nearWhite = 247;

/** Decodes a mask: 255 where the picture changes. Throws ImageError for a mask that is black everywhere. */
export async function decodeMask(
  bytes: Uint8Array,
  limits: ImageLimits,
  size: { width: number; height: number },
): Promise<Uint8Array> {
  const mask = await decodeGrey(bytes, limits, size);
  let anything = false;
  for (let pixel = 0; pixel < mask.length; pixel++) {
    const value = mask[pixel]!;
    if (value < nearBlack) mask[pixel] = 0;
    else {
      anything = true;
      if (value > nearWhite) mask[pixel] = 255;
    }
  }
  if (!anything) throw new ImageError('The mask is black everywhere. Paint the parts to change white.');
  return mask;
}

/**
 * Changes the picture where the mask is white, and blends where it is grey. With a margin the run sees only the masked
 * part and that many pixels around it, enlarged to the size of the picture, so small objects get the full resolution.
 *
 * @param keepsPixels - whether pixels under black stay unchanged; else they come from the run
 */
export async function inpaintCanvas(
  picture: Pixels,
  mask: Uint8Array,
  margin: number | undefined,
  keepsPixels: boolean,
): Promise<Canvas> {
  const whole = { left: 0, top: 0, width: picture.width, height: picture.height };
  const box = margin === undefined ? whole : marginBox(boundsOf(mask, picture.width), margin, picture);
  if (box.width === picture.width && box.height === picture.height) {
    return {
      image: picture,
      mask,
      finish: async (drawn) => (keepsPixels ? await layInto(picture, drawn, mask, whole) : drawn),
    };
  }
  const { width, height } = picture;
  return {
    image: { width, height, data: await enlarge(picture, 3, box, picture) },
    mask: await enlarge({ width, height, data: mask }, 1, box, picture),
    finish: async (drawn) => layInto(picture, await reduce(drawn, box), mask, box),
  };
}

/** The smallest box around all pixels that are not 0; there must be one. */
export function boundsOf(mask: Uint8Array, width: number): Box {
  const height = mask.length / width;
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      if (mask[pixel] === 0) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** The box with a margin on all sides, extended to the shape of the picture and moved inside it. */
export function marginBox(box: Box, margin: number, picture: { width: number; height: number }): Box {
  const left = Math.max(0, box.left - margin);
  const top = Math.max(0, box.top - margin);
  const right = Math.min(picture.width, box.left + box.width + margin);
  const bottom = Math.min(picture.height, box.top + box.height + margin);
  const scale = Math.max((right - left) / picture.width, (bottom - top) / picture.height);
  const width = Math.min(picture.width, Math.ceil(scale * picture.width));
  const height = Math.min(picture.height, Math.ceil(scale * picture.height));
  return {
    left: place((left + right - width) / 2, picture.width - width),
    top: place((top + bottom - height) / 2, picture.height - height),
    width,
    height,
  };
}

function place(wanted: number, last: number): number {
  return Math.min(last, Math.max(0, Math.floor(wanted)));
}
