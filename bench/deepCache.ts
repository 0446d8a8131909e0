/**
 * `npm run bench:deep`: what DeepCache spares and what it costs. Guided pictures of a model are drawn with and without it in
 * turn; medians of the denoising's processor time against that of the same picture without, and of how far the pictures
 * are apart. With `--steps-only 5`, so many pairs of one whole and one shallow call instead (for models that do not draw).
 *
 *     npm run bench:deep -- --model models/pocket --size 256 --steps 20 --intervals 2,3,5 --pictures 8 --sheet OUT.png
 */
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pixels } from '../runtime/messages.ts';
import { ModelCache } from '../runtime/pipelines/modelCache.ts';
import { floats, type Tensor } from '../runtime/tensors/tensor.ts';
import { apart, type Drawn, draw, promptOf, writeSheet } from './drawing.ts';
import { type Figure, median, pairedRatio, printTable } from './figures.ts';
import { numbers, readOptions, text, whole } from './options.ts';
import { cpuMs } from './process.ts';

const options = readOptions({
  model: text(join(fileURLToPath(new URL('../../', import.meta.url)), 'models/pocket')),
  size: whole(256, 64, 2048),
  steps: whole(20, 1, 100),
  intervals: numbers([2, 3, 5]),
  pictures: whole(8, 1, 1000),
  scheduler: text(),
  threads: whole(1, 1, 1024),
  /** Pairs of calls in place of pictures; 0 draws. */
  stepsOnly: whole(0, 0, 1000),
  sheet: text(),
});
const { size, steps, pictures, intervals, scheduler, sheet } = options;
const model = resolve(options.model);
const modelCache = new ModelCache({ provider: { name: 'cpu', threads: options.threads }, onLoaded: () => {} });

/** @param interval - of shallow steps; absent: all steps are whole */
function drawWith(prompt: string, seed: number, interval?: number): Promise<Drawn> {
  return draw(modelCache, {
    model,
    prompt,
    width: size,
    height: size,
    steps,
    seed: BigInt(seed),
    ...(scheduler !== undefined && { scheduler }),
    ...(interval !== undefined && { deepCache: { interval, startStep: 0, endStep: steps } }),
  });
}

async function comparePictures(): Promise<Figure[]> {
  const plainMs: number[] = [];
  const sides = intervals.map((interval) => ({
    interval,
    ms: [] as number[],
    means: [] as number[],
    psnrs: [] as number[],
  }));
  const order = [0, ...intervals];
  const columns = order.map(() => [] as Pixels[]);
  // Both graphs are loaded, and warm.
  await drawWith('', 0, intervals[0]);
  for (let n = 0; n < pictures; n++) {
    const drawn = new Map<number, Drawn>();
    // The order turns around each time.
    for (const interval of n % 2 === 0 ? order : order.toReversed()) {
      drawn.set(interval, await drawWith(promptOf(n), 100 + n, interval || undefined));
    }
    const plain = drawn.get(0)!;
    plainMs.push(plain.denoisingMs);
    for (const { interval, ms, means, psnrs } of sides) {
      const { mean, psnr } = apart(drawn.get(interval)!.pixels, plain.pixels);
      ms.push(drawn.get(interval)!.denoisingMs);
      means.push(mean);
      psnrs.push(psnr);
    }
    for (const [at, side] of order.entries()) columns[at]!.push(drawn.get(side)!.pixels);
  }
  if (sheet !== undefined) await writeSheet(sheet, columns);
  const each = `median of ${pictures}, ${steps} guided steps, ${size}×${size}`;
  return [
    { name: 'denoising without', value: median(plainMs), unit: 'ms', detail: each },
    ...sides.flatMap(({ interval, ms, means, psnrs }): Figure[] => [
      { name: `interval ${interval}: denoising`, value: pairedRatio(ms, plainMs), unit: '×' },
      {
        name: `interval ${interval}: mean difference`,
        value: median(means),
        unit: 'of 255',
        detail: `most: ${Math.max(...means).toFixed(1)}`,
      },
      {
        name: `interval ${interval}: PSNR`,
        value: median(psnrs),
        unit: 'dB',
        detail: `least: ${Math.min(...psnrs).toFixed(1)}`,
      },
    ]),
  ];
}

async function compareSteps(pairs: number): Promise<Figure[]> {
  const opened = await modelCache.model(model);
  const whole = await opened.network('denoiser').graph({ deep: true });
  const before = process.memoryUsage.rss();
  const shallow = await opened.shallowDenoiser().graph();
  const grownMiB = (process.memoryUsage.rss() - before) / 2 ** 20;
  const latents = size / opened.configs.latentScale;
  const free: Record<string, number> = {
    batch: 2,
    length: 77,
    height: latents,
    width: latents,
    time_ids_count: 6,
    text_embeds_width: 1280,
  };
  const feeds: Record<string, Tensor> = {};
  for (const { name, shape } of whole.inputs) {
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : (free[dim] ?? 1)));
    const length = dims.reduce((product, dim) => product * dim, 1);
    feeds[name] = floats(
      Float32Array.from({ length }, () => (name === 'timestep' ? 500 : Math.random() - 0.5)),
      dims,
    );
  }
  const sides = { whole: [] as number[], shallow: [] as number[] };
  for (let n = -1; n < pairs; n++) {
    let begun = cpuMs();
    const { deep_features } = await whole.run(feeds);
    const wholeMs = cpuMs() - begun;
    begun = cpuMs();
    await shallow.run({ ...feeds, deep_features: deep_features! }, ['out_sample']);
    // The first round only warms up.
    if (n < 0) continue;
    sides.whole.push(wholeMs);
    sides.shallow.push(cpuMs() - begun);
  }
  return [
    {
      name: 'whole step',
      value: median(sides.whole),
      unit: 'ms',
      detail: `guided, ${size}×${size}, median of ${pairs}`,
    },
    { name: 'shallow step', value: median(sides.shallow), unit: 'ms' },
    { name: 'shallow / whole', value: pairedRatio(sides.shallow, sides.whole), unit: '×' },
    { name: 'memory of the shallow graph', value: grownMiB, unit: 'MiB' },
  ];
}

printTable(options.stepsOnly === 0 ? await comparePictures() : await compareSteps(options.stepsOnly));
