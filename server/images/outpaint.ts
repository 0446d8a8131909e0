import sharp from 'sharp';
import type { Outpaint } from '../../protocol/inpainting.ts';
import type { Pixels } from '../../runtime/index.ts';
import { type Canvas, layInto } from './canvas.ts';

/**
 * Adds area around a picture. There the run starts from the picture mirrored at its edges, so that colours and light
 * continue. The old area stays unchanged except for the blend along the new edges.
 */
export async function outpaintCanvas(picture: Pixels, extension: Outpaint): Promise<Canvas> {
  const { top, right, bottom, left } = extension;
  const width = left + picture.width + right;
  const height = top + picture.height + bottom;
  const data = await sharp(picture.data, { raw: { width: picture.width, height: picture.height, channels: 3 } })
    .extend({ top, right, bottom, left, extendWith: 'mirror' })
    .raw()
    .toBuffer();
  const image = { width, height, data };
  const mask = extensionMask(picture, extension);
  return { image, mask, finish: (drawn) => layInto(image, drawn, mask, { left: 0, top: 0, width, height }) };
}

/** 255 in the new area, falling to 0 over `blur` pixels of the old one. */
export function extensionMask(old: { width: number; height: number }, extension: Outpaint): Uint8Array {
  const { top, right, bottom, left, blur } = extension;
  const across = profile(left, old.width, right, blur);
  const down = profile(top, old.height, bottom, blur);
  const mask = new Uint8Array(across.length * down.length);
  for (const [y, value] of down.entries()) {
    const row = mask.subarray(y * across.length, (y + 1) * across.length);
    row.set(across);
    if (value > 0) for (let x = 0; x < row.length; x++) row[x] = Math.max(row[x]!, value);
  }
  return mask;
}

/** The mask along one side: `before` new pixels, `old` ones, `after` new ones. */
function profile(before: number, old: number, after: number, blur: number): Uint8Array {
  const line = new Uint8Array(before + old + after).fill(255);
  for (let pixel = 0; pixel < old; pixel++) {
    // Sampled at the centre of the pixel; a side without new area has no blend.
    const fromEdge = Math.min(
      before > 0 ? pixel + 0.5 : Number.POSITIVE_INFINITY,
      after > 0 ? old - pixel - 0.5 : Number.POSITIVE_INFINITY,
    );
    line[before + pixel] = fromEdge < blur ? Math.round(255 * (1 - fromEdge / blur)) : 0;
  }
  return line;
}
