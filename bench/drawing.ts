import sharp from 'sharp';
import { Batcher } from '../runtime/batcher.ts';
import type { GenerateRequest, Pixels } from '../runtime/messages.ts';
import { generate } from '../runtime/pipelines/generate.ts';
import type { ModelCache } from '../runtime/pipelines/modelCache.ts';
import { cpuMs } from './process.ts';

export interface Drawn {
  pixels: Pixels;
  /** Processor time. */
  denoisingMs: number;
}

/** Draws one picture of a guided request. */
export async function draw(
  modelCache: ModelCache,
  request: Omit<GenerateRequest, 'negativePrompt' | 'guidanceScale'>,
): Promise<Drawn> {
  let [begun, denoisingMs] = [0, 0];
  let pixels: Pixels | undefined;
  await modelCache.use(() =>
    new Batcher().drive({
      run: generate(modelCache, { ...request, negativePrompt: '', guidanceScale: 4 }),
      signal: new AbortController().signal,
      emit: async (event) => {
        if (event.type === 'staged' && event.stage === 'denoising') begun = cpuMs();
        if (event.type === 'staged' && event.stage === 'decoding') denoisingMs = cpuMs() - begun;
        if (event.type === 'finished') pixels = event.pixels;
      },
    }),
  );
  return { pixels: pixels!, denoisingMs };
}

const colours = ['red', 'golden', 'purple', 'blue', 'green', 'orange', 'yellow', 'white'];
const things = [
  'potion on a blue table',
  'sword',
  'gem',
  'shield in a forest',
  'key on sand',
  'heart',
  'star',
  'crown',
];

/** A prompt that the embedded model can draw; they repeat after eight. */
export function promptOf(index: number): string {
  return `a ${colours[index % 8]} ${things[index % 8]}`;
}

/** Mean and largest absolute difference, of 255, and peak signal-to-noise ratio in dB. */
export function apart(a: Pixels, b: Pixels): { mean: number; most: number; psnr: number } {
  let [sum, squares, most] = [0, 0, 0];
  for (const [at, value] of a.data.entries()) {
    const difference = Math.abs(value - b.data[at]!);
    sum += difference;
    squares += difference ** 2;
    most = Math.max(most, difference);
  }
  const count = a.data.length;
  return { mean: sum / count, most, psnr: 10 * Math.log10(255 ** 2 / (squares / count)) };
}

/** Writes pictures of one size into one PNG: a column for each list. */
export async function writeSheet(file: string, columns: readonly (readonly Pixels[])[]): Promise<void> {
  const { width, height } = columns[0]![0]!;
  const raw = { width, height, channels: 3 } as const;
  const sheet = { width: width * columns.length, height: height * columns[0]!.length, channels: 3 } as const;
  await sharp({ create: { ...sheet, background: '#fff' } })
    .composite(
      columns.flatMap((pictures, column) =>
        pictures.map(({ data }, row) => ({ input: Buffer.from(data), raw, left: column * width, top: row * height })),
      ),
    )
    .png()
    .toFile(file);
}
