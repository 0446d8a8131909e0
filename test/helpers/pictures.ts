import sharp, { type Sharp } from 'sharp';
import type { Pixels } from '../../runtime/index.ts';

/** Every pixel another, and the same ones each time (a linear congruential generator). */
export function noise(width: number, height: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  let state = 1;
  for (let at = 0; at < data.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[at] = state >>> 24;
  }
  return { width, height, data };
}

/** Red, green and blue from a function of the place. */
export function picture(width: number, height: number, color: (x: number, y: number) => readonly number[]): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) data.set(color(x, y), (y * width + x) * 3);
  return { width, height, data };
}

/** As a task carries it; lossless. */
export async function pngUri({ width, height, data }: Pixels): Promise<string> {
  return toUri(
    await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer(),
  );
}

/** Grey values from a function of the place. */
export function maskBytes(width: number, height: number, value: (x: number, y: number) => number): Sharp {
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) data[y * width + x] = value(x, y);
  return sharp(data, { raw: { width, height, channels: 1 } });
}

export async function maskUri(width: number, height: number, value: (x: number, y: number) => number): Promise<string> {
  return toUri(await maskBytes(width, height, value).png().toBuffer());
}

export function toUri(bytes: Buffer, type = 'png'): string {
  return `data:image/${type};base64,${bytes.toString('base64')}`;
}

/** The pixels of a result that came as base64. */
export async function pixelsOf(item: { taskType: string; imageBase64Data?: string }): Promise<Pixels> {
  const bytes = Buffer.from(item.imageBase64Data!, 'base64');
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** Red, green and blue of one pixel. */
export function at({ width, data }: Pixels, x: number, y: number): number[] {
  return [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
}
