import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { openUpscaler, type Upscaler } from '../../runtime/checkpoints/upscaler.ts';
import type { Pixels, UpscaleRequest } from '../../runtime/messages.ts';
import { LANCZOS } from '../../runtime/messages.ts';
import { ModelCache } from '../../runtime/pipelines/modelCache.ts';
import { macsOf, planTiles, TILE_BYTES, tileBytes } from '../../runtime/pipelines/tiles.ts';
import { planesOf, upscale } from '../../runtime/pipelines/upscale.ts';
import { floats } from '../../runtime/tensors/tensor.ts';
import { cpu, expectClose, openWritten } from '../helpers/graphs.ts';
import { noise, picture } from '../helpers/pictures.ts';
import { drive } from '../helpers/trajectories.ts';
import {
  readUpscalerCases,
  renamedTensors,
  rrdbLayouts,
  type UpscalerCase,
  type UpscalerName,
  unpackUpscalers,
  upscalerBytes,
  upscalerInput,
} from '../helpers/upscalers.ts';

let folder: string;
let input: Pixels;
beforeAll(async () => {
  folder = await unpackUpscalers(await mkdtemp(join(tmpdir(), 'upscalers-')));
  input = await upscalerInput();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const fileOf = (name: UpscalerName) => join(folder, `${name}.safetensors`);
const cases = readUpscalerCases();

/** What a network makes of a whole picture, in one call. */
async function whole({ source, sizes, write }: Upscaler, image: Pixels) {
  const { unshuffle } = sizes;
  const [width, height] = [image.width, image.height].map((side) => Math.ceil(side / unshuffle) * unshuffle);
  const window = { left: 0, top: 0, width: width!, height: height! };
  const graph = await openWritten(write(source.tensors));
  const shape = [1, 3 * unshuffle ** 2, height! / unshuffle, width! / unshuffle];
  const { enlarged } = await graph.run({ sample: floats(planesOf(image, window, unshuffle), shape) });
  await graph.close();
  return enlarged!;
}

const request = (image: Pixels, model: string, factor: number): UpscaleRequest => ({
  kind: 'upscale',
  ...{ model, image, width: image.width * factor, height: image.height * factor },
});

async function enlarged(request: UpscaleRequest): Promise<Pixels> {
  const modelCache = new ModelCache({ provider: cpu, onLoaded: () => {} });
  return (await drive(upscale(modelCache, request))).pixels;
}

/** Largest difference of two pictures, in levels of 255. */
function largestDifference(a: Pixels, b: Pixels): number {
  expect([a.width, a.height, a.data.length]).toEqual([b.width, b.height, b.data.length]);
  return a.data.reduce((most, value, at) => Math.max(most, Math.abs(value - b.data[at]!)), 0);
}

describe('a network that enlarges pictures', () => {
  test.each(cases)('makes of a picture what PyTorch made: $name', async ({ name, scale, output }: UpscalerCase) => {
    const upscaler = await openUpscaler(fileOf(name));
    expect(upscaler.sizes.scale).toBe(scale);
    expectClose(await whole(upscaler, input), output, 1e-4);
  });

  test.each(Object.keys(rrdbLayouts))('has the names of %s', async (layout) => {
    const file = join(folder, 'layout.safetensors');
    await writeFile(file, renamedTensors(upscalerBytes('rrdb-x4'), rrdbLayouts[layout]!));
    const upscaler = await openUpscaler(file);
    expect(upscaler.className).toBe('RRDBNet');
    expectClose(await whole(upscaler, input), cases.find(({ name }) => name === 'rrdb-x4')!.output, 1e-4);
  });

  test.each([
    ['rrdb-x4', { scale: 4, unshuffle: 1, reach: 34 }],
    ['rrdb-x2', { scale: 2, unshuffle: 2, reach: 67 }],
    ['compact-x4', { scale: 4, unshuffle: 1, reach: 5 }],
    ['compact-x2', { scale: 2, unshuffle: 1, reach: 4 }],
  ] as const)('is described by its tensors: %s', async (name, sizes) => {
    const { kind, available, reason, upscaler } = await describeModel(fileOf(name));
    expect({ kind, available, reason }).toEqual({ kind: 'upscaler', available: true, reason: undefined });
    expect(upscaler).toMatchObject(sizes);
  });

  test.each([
    ['lacks a layer', (name: string) => (name.startsWith('conv_hr') ? undefined : name), 'no tensor "conv_hr.weight"'],
    [
      'has another tensor',
      (name: string) => (name === 'conv_hr.bias' ? 'conv_hr.scale' : name),
      'no tensor "conv_hr.bias"',
    ],
    ['has its layers in other places', (name: string) => swapped(name), 'instead of'],
  ] as const)('is refused if it %s', async (_what, rename, told) => {
    const file = join(folder, 'broken.safetensors');
    await writeFile(file, renamedTensors(upscalerBytes('rrdb-x4'), rename));
    const { kind, available, reason } = await describeModel(file);
    expect({ kind, available }).toEqual({ kind: 'upscaler', available: false });
    expect(reason).toContain(told);
  });
});

function swapped(name: string): string {
  return name.replace(/^conv_(last|hr)\./, (_all, which) => `conv_${which === 'hr' ? 'last' : 'hr'}.`);
}

describe('tiles', () => {
  test.each([
    ['compact-x4', 700, 40],
    ['rrdb-x4', 480, 20],
  ] as const)('join to what %s makes of the whole picture', async (name, width, height) => {
    const image = noise(width, height);
    const upscaler = await openUpscaler(fileOf(name));
    expect(planTiles(image, request(image, '', 4), upscaler.sizes).length).toBeGreaterThan(1);
    const { data } = await whole(upscaler, image);
    const expected = new Uint8ClampedArray(width * height * 16 * 3);
    const area = width * height * 16;
    for (let at = 0; at < area * 3; at++) expected[at] = Number(data[(at % 3) * area + Math.floor(at / 3)]) * 255;
    const made = await enlarged(request(image, fileOf(name), 4));
    expect(largestDifference(made, { ...made, data: new Uint8Array(expected.buffer) })).toBeLessThanOrEqual(1);
  });

  test.each([2, 3])('give a factor of %s by interpolation of four times the size', async (factor) => {
    const image = noise(600, 24);
    const narrow = await enlarged(request(image, fileOf('compact-x4'), factor));
    // The same from four times the size in one piece.
    const large = await enlarged(request(image, fileOf('compact-x4'), 4));
    const { lanczosBox } = await import('../../runtime/tensors/resample.ts');
    const size = { width: narrow.width, height: narrow.height };
    const expected = lanczosBox(large, { left: 0, top: 0 }, large, size, { left: 0, top: 0, ...size });
    expect(largestDifference(narrow, expected)).toBeLessThanOrEqual(1);
  });

  test('cover every pixel of the result once, within the memory of a tile', () => {
    for (const sizes of [
      undefined,
      { scale: 4, unshuffle: 1, reach: 34, macsPerPixel: 1, floatsPerPixel: 3 * 64 * 16 },
      { scale: 2, unshuffle: 2, reach: 700, macsPerPixel: 1, floatsPerPixel: 3 * 64 * 4 },
    ]) {
      for (const [width, height] of [
        [1, 1],
        [1023, 517],
      ] as const) {
        for (const times of [1, 1.37, 2]) {
          const result = { width: Math.ceil(width * times), height: Math.ceil(height * times) };
          const seen = new Uint8Array(result.width * result.height);
          for (const { box } of planTiles({ width, height }, result, sizes)) {
            for (let y = box.top; y < box.top + box.height; y++) {
              for (let x = box.left; x < box.left + box.width; x++) seen[y * result.width + x]!++;
            }
          }
          expect(seen.every((count) => count === 1)).toBe(true);
          expect(tileBytes({ width, height }, result, sizes)).toBeLessThanOrEqual(TILE_BYTES);
        }
      }
    }
  });

  test('cost what the network computes', () => {
    const sizes = { scale: 4, unshuffle: 1, reach: 5, macsPerPixel: 1e6, floatsPerPixel: 100 };
    const [image, result] = [
      { width: 100, height: 50 },
      { width: 400, height: 200 },
    ];
    expect(macsOf(image, result, sizes) - macsOf(image, result, undefined)).toBe(100 * 50 * 1e6);
  });
});

describe('interpolation', () => {
  test('is that of Lanczos, with pixels between those of the picture', async () => {
    const image = picture(40, 3, (x) => [x * 6, 255 - x * 6, x === 20 ? 255 : 0]);
    const { data, width, height } = await enlarged(request(image, LANCZOS, 4));
    expect([width, height]).toEqual([160, 12]);
    const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
    const lanczos = (x: number) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0);
    for (let x = 16; x < 144; x++) {
      const center = (x + 0.5) / 4 - 0.5;
      // A slope stays one, but for the ripple of the kernel.
      expect(Math.abs(data[(6 * width + x) * 3]! - center * 6)).toBeLessThan(1.5);
      const sum = Array.from({ length: 9 }, (_, i) => lanczos(center - Math.floor(center) + 4 - i)).reduce(
        (a, b) => a + b,
      );
      const impulse = Math.min(255, Math.max(0, (255 * lanczos(center - 20)) / sum));
      expect(Math.abs(data[(6 * width + x) * 3 + 2]! - impulse)).toBeLessThan(1.01);
    }
  });

  test('leaves the picture where nothing is enlarged', async () => {
    const image = noise(300, 200);
    expect(largestDifference(await enlarged(request(image, LANCZOS, 1)), image)).toBe(0);
  });

  test('refuses a result that is smaller than the picture', async () => {
    const image = noise(8, 8);
    await expect(enlarged({ ...request(image, LANCZOS, 1), width: 7 })).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'width',
    });
  });
});
