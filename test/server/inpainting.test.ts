import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../../server/images/decode.ts';
import { boundsOf, marginBox } from '../../server/images/inpaint.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { at, maskBytes, maskUri, noise, picture, pixelsOf, pngUri, toUri } from '../helpers/pictures.ts';
import { describeTestModel, imageTask, startTestServer } from '../helpers/server.ts';

const red = [255, 0, 0] as const;
const lossless = { outputFormat: 'PNG', outputType: 'base64Data' };
const limits = { maxBytes: 10_000_000, maxPixels: 10_000_000 };

/** Runs one task on a runtime that draws red, and gives its request and the pixels of its result. */
async function run(task: Record<string, unknown>, color: readonly [number, number, number] | 'as it was' = red) {
  const runtime = createFakeRuntime(color === 'as it was' ? {} : { color });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const result = await pixelsOf(await socket.ask(imageTask({ ...lossless, ...task })));
  return { request: runtime.requests[0]!, result };
}

async function errorOf(task: Record<string, unknown>) {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const sent = imageTask(task);
  socket.send(sent);
  const error = await socket.error(sent.taskUUID);
  expect(runtime.requests).toEqual([]);
  return error;
}

describe('a mask', () => {
  const seed = noise(128, 128);

  test('keeps every byte where it is black, takes what was drawn where it is white, and blends where it is grey', async () => {
    const value = (x: number, y: number) => (x < 32 ? 255 : x < 64 && y < 64 ? 100 : 0);
    const { request, result } = await run({
      seedImage: await pngUri(seed),
      maskImage: await maskUri(128, 128, value),
      strength: 0.5,
    });
    expect(request.image).toMatchObject({ strength: 0.5, pixels: { width: 128, height: 128 } });
    expect(Buffer.compare(request.image!.pixels.data, seed.data)).toBe(0);
    expect(request.mask).toHaveLength(128 * 128);
    const blended = picture(128, 128, (x, y) => {
      const share = value(x, y);
      return at(seed, x, y).map((old, color) => Math.round((old * (255 - share) + red[color]! * share) / 255));
    });
    expect(Buffer.compare(result.data, blended.data)).toBe(0);
    expect(request.mask!.every((share, pixel) => share === value(pixel % 128, Math.floor(pixel / 128)))).toBe(true);
  });

  test('of a family whose masks are of whole positions keeps no pixels, but does beside a margin', async () => {
    const runtime = createFakeRuntime({ color: red });
    await using server = await startTestServer({
      runtime,
      describe: async (folder) => ({ ...describeTestModel(folder), keepsPixels: false }),
    });
    const socket = await server.socket();
    const masked = {
      seedImage: await pngUri(seed),
      maskImage: await maskUri(128, 128, (x, y) => (x > 48 && x < 64 && y > 48 && y < 64 ? 255 : 0)),
    };
    const draw = async (more: object) => pixelsOf(await socket.ask(imageTask({ ...lossless, ...masked, ...more })));
    expect(at(await draw({}), 0, 0)).toEqual([...red]);
    expect(at(await draw({ maskMargin: 32 }), 0, 0)).toEqual(at(seed, 0, 0));
  });

  test('lies on a seed image of another size as it did before both were resized', async () => {
    const large = noise(300, 200);
    const seedImage = await pngUri(large);
    // The middle 200 × 200 are kept, so the left half of the result is what lies left of 150.
    const { request, result } = await run({
      seedImage,
      maskImage: await maskUri(300, 200, (x) => (x < 150 ? 255 : 0)),
    });
    const resized = await decodeImage(Buffer.from(seedImage.split(',')[1]!, 'base64'), limits, seed);
    expect(Buffer.compare(request.image!.pixels.data, resized.data)).toBe(0);
    for (let y = 0; y < 128; y++) {
      expect(at(result, 62, y)).toEqual([...red]);
      expect(at(result, 66, y)).toEqual(at(resized, 66, y));
      expect(at(result, 127, y)).toEqual(at(resized, 127, y));
    }
  });

  test('keeps every byte also where it was stored as JPG, whose black is not quite black', async () => {
    const jpg = await maskBytes(128, 128, (x, y) => ((x - 40) ** 2 + (y - 40) ** 2 < 400 ? 255 : 0))
      .jpeg({ quality: 90 })
      .toBuffer();
    const { request, result } = await run({ seedImage: await pngUri(seed), maskImage: toUri(jpg, 'jpeg') });
    const bounds = boundsOf(request.mask!, 128);
    expect(bounds.left).toBeGreaterThan(10);
    expect(bounds.left + bounds.width).toBeLessThan(70);
    for (let x = 72; x < 128; x++) expect(at(result, x, 100)).toEqual(at(seed, x, 100));
    expect(at(result, 40, 40)).toEqual([...red]);
  });

  test('is black where it is transparent, and takes colours by their brightness', async () => {
    const hole = await sharp({ create: { width: 128, height: 128, channels: 4, background: '#ffffff00' } })
      .composite([
        { input: { create: { width: 32, height: 32, channels: 4, background: '#ffffff' } }, top: 8, left: 16 },
      ])
      .png()
      .toBuffer();
    const { request } = await run({ seedImage: await pngUri(seed), maskImage: toUri(hole) });
    expect(boundsOf(request.mask!, 128)).toEqual({ left: 16, top: 8, width: 32, height: 32 });
  });

  test('may be white everywhere, but not black', async () => {
    const seedImage = await pngUri(seed);
    const { result } = await run({ seedImage, maskImage: await maskUri(64, 64, () => 255) });
    expect(result.data.every((value, index) => value === red[index % 3])).toBe(true);
    const error = await errorOf({ seedImage, maskImage: await maskUri(128, 128, () => 0) });
    expect(error).toMatchObject({ code: 'invalidMaskImage', parameter: 'maskImage' });
    expect(error.message).toContain('black everywhere');
  });

  test('is refused where it is no image', async () => {
    const seedImage = await pngUri(seed);
    expect(
      await errorOf({ seedImage, maskImage: Buffer.from('not an image at all').toString('base64') }),
    ).toMatchObject({ code: 'invalidMaskImage', parameter: 'maskImage' });
  });
});

describe('maskMargin', () => {
  test('cuts out the mask and its margin in the shape of the picture', () => {
    const size = { width: 256, height: 128 };
    // 16 × 16 with 32 around it is 80 × 80; twice as wide as high is 160 × 80, moved in from the left edge.
    expect(marginBox({ left: 40, top: 60, width: 16, height: 16 }, 32, size)).toEqual({
      left: 0,
      top: 28,
      width: 160,
      height: 80,
    });
  });

  test.each([
    [{ left: 0, top: 0, width: 8, height: 8 }, 32],
    [{ left: 248, top: 120, width: 8, height: 8 }, 128],
    [{ left: 0, top: 50, width: 256, height: 1 }, 32],
    [{ left: 100, top: 0, width: 3, height: 128 }, 100],
  ])('never leaves the picture, and always has the mask inside: %j', (mask, margin) => {
    const box = marginBox(mask, margin, { width: 256, height: 128 });
    expect(box.left).toBeGreaterThanOrEqual(0);
    expect(box.top).toBeGreaterThanOrEqual(0);
    expect(box.left + box.width).toBeLessThanOrEqual(256);
    expect(box.top + box.height).toBeLessThanOrEqual(128);
    expect(box.left).toBeLessThanOrEqual(mask.left);
    expect(box.top).toBeLessThanOrEqual(mask.top);
    expect(box.left + box.width).toBeGreaterThanOrEqual(mask.left + mask.width);
    expect(box.top + box.height).toBeGreaterThanOrEqual(mask.top + mask.height);
    expect(Math.abs(box.width / 2 - box.height)).toBeLessThanOrEqual(1);
  });

  test('runs enlarged, and changes nothing but the mask', async () => {
    const seed = noise(256, 256);
    const inside = (x: number, y: number) => x >= 100 && x < 132 && y >= 80 && y < 112;
    const { request, result } = await run({
      width: 256,
      height: 256,
      seedImage: await pngUri(seed),
      maskImage: await maskUri(256, 256, (x, y) => (inside(x, y) ? 255 : 0)),
      maskMargin: 48,
    });
    expect(request.image!.pixels).toMatchObject({ width: 256, height: 256 });
    // 32 pixels in a box of 128 that became 256: the mask begins at 48 · 2 and is 32 · 2 wide. Its edges are soft.
    const row = [...request.mask!.subarray(128 * 256, 129 * 256)];
    expect(row.slice(0, 94).every((value) => value === 0)).toBe(true);
    expect(row.slice(98, 158).every((value) => value === 255)).toBe(true);
    expect(row.slice(162).every((value) => value === 0)).toBe(true);
    const expected = picture(256, 256, (x, y) => (inside(x, y) ? red : at(seed, x, y)));
    expect(Buffer.compare(result.data, expected.data)).toBe(0);
  });

  test('puts what was drawn back where it was', async () => {
    // Without a step the runtime gives back what it got: after the way there and back the picture must be the same.
    const ramp = picture(256, 128, (x, y) => [x, 2 * y, 128]);
    const { request, result } = await run(
      {
        width: 256,
        height: 128,
        seedImage: await pngUri(ramp),
        maskImage: await maskUri(256, 128, (x, y) => (x > 60 && x < 100 && y > 50 && y < 70 ? 255 : 0)),
        maskMargin: 32,
        strength: 0,
      },
      'as it was',
    );
    expect(Buffer.compare(request.image!.pixels.data, ramp.data)).not.toBe(0);
    let shift = 0;
    for (let y = 52; y < 69; y++) {
      for (let x = 62; x < 99; x++) {
        const [across, down] = at(result, x, y);
        expect(Math.abs(across! - x)).toBeLessThanOrEqual(1);
        expect(Math.abs(down! - 2 * y)).toBeLessThanOrEqual(2);
        shift += down! - 2 * y;
      }
    }
    // On the whole it is nowhere near the half pixel that enlarging alone would move it.
    expect(Math.abs(shift / (17 * 37) / 2)).toBeLessThan(0.15);
  });
});

describe('outpaint', () => {
  const seed = noise(128, 128);

  test('sets the seed image into a larger picture, mirrored around it, and masks what is new', async () => {
    const { request, result } = await run({
      width: 192,
      height: 256,
      seedImage: await pngUri(seed),
      outpaint: { left: 64, top: 64, bottom: 64 },
    });
    const { pixels, strength } = request.image!;
    expect(pixels).toMatchObject({ width: 192, height: 256 });
    expect(strength).toBe(1);
    const isOld = (x: number, y: number) => x >= 64 && y >= 64 && y < 192;
    const expected = picture(192, 256, (x, y) => (isOld(x, y) ? at(seed, x - 64, y - 64) : red));
    expect(Buffer.compare(result.data, expected.data)).toBe(0);
    const mask = request.mask!.map((share, pixel) =>
      isOld(pixel % 192, Math.floor(pixel / 192)) ? share : 255 - share,
    );
    expect(mask.every((share) => share === 0)).toBe(true);
    expect(at(pixels, 100, 100)).toEqual(at(seed, 36, 36));
    expect(at(pixels, 63, 100)).toEqual(at(seed, 0, 36));
    expect(at(pixels, 10, 100)).toEqual(at(seed, 53, 36));
    expect(at(pixels, 100, 192)).toEqual(at(seed, 36, 127));
  });

  test('resizes the seed image to what the new sides leave', async () => {
    const { request } = await run({
      width: 256,
      height: 128,
      seedImage: await pngUri(noise(256, 256)),
      outpaint: { left: 64, right: 64 },
    });
    const half = await decodeImage(Buffer.from((await pngUri(noise(256, 256))).split(',')[1]!, 'base64'), limits, {
      width: 128,
      height: 128,
    });
    expect(at(request.image!.pixels, 64, 0)).toEqual(at(half, 0, 0));
    expect(at(request.image!.pixels, 191, 127)).toEqual(at(half, 127, 127));
  });

  test('blends over as many pixels of the old picture as are asked for, at new edges only', async () => {
    const { request, result } = await run({
      width: 192,
      height: 128,
      seedImage: await pngUri(seed),
      outpaint: { left: 64, blur: 16 },
    });
    const row = [...request.mask!.subarray(50 * 192, 51 * 192)];
    expect(row.slice(0, 64).every((value) => value === 255)).toBe(true);
    const blend = row.slice(64, 80);
    expect(blend).toEqual(blend.toSorted((a, b) => b - a));
    expect(blend.every((value) => value > 0 && value < 255)).toBe(true);
    expect(row.slice(80).every((value) => value === 0)).toBe(true);
    for (let x = 80; x < 192; x++) for (const y of [0, 64, 127]) expect(at(result, x, y)).toEqual(at(seed, x - 64, y));
  });
});
