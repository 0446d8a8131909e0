import sharp from 'sharp';
import type { Pixels } from '../../runtime/index.ts';

/** What a run starts from, and how what it drew becomes the result. */
export interface Canvas {
  image: Pixels;
  /** One byte a pixel: 255 is drawn anew, 0 is kept, what lies between is a blend. Absent: all is drawn anew. */
  mask?: Uint8Array;
  finish(drawn: Pixels): Promise<Pixels>;
}

/** Of whole pixels, from the top left corner. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Image-to-image: the result is what was drawn. */
export function wholeCanvas(image: Pixels): Canvas {
  return { image, finish: async (drawn) => drawn };
}

/** Cuts out a box and enlarges it to a size. Everything moves half a pixel right and down: so libvips enlarges. */
export async function enlarge(
  { width, height, data }: Pixels,
  channels: 1 | 3,
  box: Box,
  size: { width: number; height: number },
): Promise<Uint8Array> {
  // A mask must not overshoot at its edges.
  const kernel = channels === 1 ? 'linear' : 'lanczos3';
  const image = sharp(data, { raw: { width, height, channels } })
    .extract(box)
    .resize(size.width, size.height, { fit: 'fill', kernel });
  // Without the colour space one channel comes back as three.
  return await (channels === 1 ? image.toColourspace('b-w') : image).raw().toBuffer();
}

/** The way back from `enlarge`: takes the half pixel back, as the mean of neighbours, then reduces, which moves nothing. */
export async function reduce(
  { width, height, data }: Pixels,
  size: { width: number; height: number },
): Promise<Pixels> {
  const moved = await sharp(data, { raw: { width, height, channels: 3 } })
    .convolve({ width: 3, height: 3, kernel: [0, 0, 0, 0, 1, 1, 0, 1, 1] })
    .raw()
    .toBuffer();
  const reduced = await sharp(moved, { raw: { width, height, channels: 3 } })
    .resize(size.width, size.height, { fit: 'fill' })
    .raw()
    .toBuffer();
  return { width: size.width, height: size.height, data: reduced };
}

/**
 * The picture with what was drawn laid into a box of it, as much as the mask says. Where the mask is 0 every byte is
 * the picture's, where it is 255 the drawing's. About 20 ms for 2048 × 2048.
 *
 * @param drawn - as large as the box
 * @param mask - as large as the picture
 */
export function layInto(picture: Pixels, drawn: Pixels, mask: Uint8Array, box: Box): Pixels {
  const data = new Uint8Array(picture.data);
  for (let y = 0; y < box.height; y++) {
    let from = y * box.width * 3;
    let pixel = (box.top + y) * picture.width + box.left;
    for (const end = pixel + box.width; pixel < end; pixel++, from += 3) {
      const share = mask[pixel]!;
      if (share === 0) continue;
      for (let color = 0; color < 3; color++) {
        const at = pixel * 3 + color;
        // Rounded to the nearest; both ends are exact.
        data[at] = (data[at]! * (255 - share) + drawn.data[from + color]! * share + 127) / 255;
      }
    }
  }
  return { width: picture.width, height: picture.height, data };
}
