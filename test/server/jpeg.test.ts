import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { Pixels } from '../../runtime/index.ts';
import { encodeSmallJpeg } from '../../server/images/jpeg.ts';

/** Slow waves in all colours, and where `noisy` the least smooth picture there is. */
function picture(width: number, height: number, noisy = false): Pixels {
  const data = new Uint8Array(width * height * 3);
  let state = 1;
  for (let at = 0; at < data.length; at++) {
    const [x, y, colour] = [Math.floor(at / 3) % width, Math.floor(at / 3 / width), at % 3];
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    data[at] = noisy ? state >>> 24 : 128 + 120 * Math.sin(x / (5 + colour) + y / (9 - colour) + colour);
  }
  return { width, height, data };
}

/** Decibels of what was decoded against the picture. */
async function psnr(jpeg: Buffer, { data }: Pixels): Promise<number> {
  const decoded = await sharp(jpeg).raw().toBuffer();
  expect(decoded.length).toBe(data.length);
  let sum = 0;
  for (let at = 0; at < data.length; at++) sum += (data[at]! - decoded[at]!) ** 2;
  return 10 * Math.log10(255 ** 2 / (sum / data.length));
}

test.for([
  { width: 32, height: 32, quality: 80 },
  { width: 64, height: 64, quality: 60 },
  { width: 64, height: 64, quality: 95 },
  { width: 17, height: 33, quality: 80 },
  { width: 17, height: 33, quality: 92 },
  { width: 1, height: 1, quality: 75 },
  { width: 40, height: 24, quality: 1 },
  { width: 40, height: 24, quality: 100 },
  { width: 32, height: 32, quality: 100, noisy: true },
  { width: 32, height: 32, quality: 30, noisy: true },
])('$width×$height at quality $quality is as near to the picture as libjpeg comes', async (each) => {
  const { width, height, quality, noisy } = each;
  const pixels = picture(width, height, noisy);
  const jpeg = encodeSmallJpeg(pixels, quality);
  expect(await sharp(jpeg).metadata()).toMatchObject({ format: 'jpeg', width, height, channels: 3 });
  const raw = { raw: { width, height, channels: 3 as const } };
  const theirs = await sharp(pixels.data, raw)
    .jpeg({ quality, chromaSubsampling: quality >= 90 ? '4:4:4' : '4:2:0' })
    .toBuffer();
  // Both round the same transform, one in floats and one in whole numbers. libjpeg fits its codes to the picture.
  expect(await psnr(jpeg, pixels)).toBeGreaterThan((await psnr(theirs, pixels)) - 0.5);
  expect(jpeg.length).toBeLessThan(1.4 * theirs.length + 450);
});
