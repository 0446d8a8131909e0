/** Sizes of pictures. Browsers load this file as it is. */

/** Pixels on a side of a picture that a task may ask for. */
export const sideRange = { min: 64, max: 2048 };

export interface Size {
  width: number;
  height: number;
}

/**
 * The size of a picture, or of one of its shape with no more pixels that a task could ask for, cut to multiples: as diffusers'
 * FLUX.2 does where it is given a picture and no size.
 */
export function sizeLike({ width, height }: Size, multiple: number, mostPixels: number): Size {
  const [shorter, longer] = [Math.min(width, height), Math.max(width, height)];
  const scale = Math.min(1, Math.sqrt(mostPixels / (width * height)), sideRange.max / longer);
  const cut = (side: number) => Math.floor(side / multiple) * multiple;
  const enough = Math.ceil(sideRange.min / multiple) * multiple;
  const short = Math.max(enough, cut(Math.floor(shorter * scale)));
  const long = Math.max(enough, cut(Math.min(Math.floor(longer * scale), mostPixels / short)));
  return width < height ? { width: short, height: long } : { width: long, height: short };
}
