/**
 * `npm run bench:model`: what it takes to open a model of Stable Diffusion 1.5's size and to compute one guided step and
 * one picture with it, against other ways to do the same. bench/README.md has figures and how to read them.
 *
 *     npm run bench:model -- --pairs 5 --python /path/to/python
 *
 * The model has random weights and is written under the system's folder for temporary files (6 GB, 10 with --python), and
 * removed at the end.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Child } from './child.ts';
import { median, pairedRatio } from './figures.ts';
import type { ModelQuestion, OpenAnswer, StepAnswer } from './modelChild.ts';
import { readOptions, text, whole } from './options.ts';
import type { ResidentMemory } from './process.ts';
import { writeRandomModel } from './randomModel.ts';

const options = readOptions({
  /** Pairs of steps, the sides in turn. */
  pairs: whole(5, 1, 1000),
  /** Latents on each side; 64 is 512 × 512 pixels. */
  latents: whole(64, 1, 1024),
  /** Channels of the UNet's first block: 320 is Stable Diffusion 1.5, 40 a quick try. */
  width: whole(320, 8, 1024),
  /** Threads of onnxruntime; 0: as many as there are cores. */
  threads: whole(0, 0, 1024),
  /** A Python with torch, numpy and onnx, for the other side of the comparison. */
  python: text(),
  /** Which parts to do: load, unet, vae. */
  only: text('load,unet,vae'),
  /** Use this folder (with `F32`, `F16` and `export` inside) and keep it. */
  folder: text(),
});
const { pairs, latents, width, python } = options;
const only = options.only.split(',');
const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'latentwire-model-')));
const run = promisify(execFile);
const mib = (bytes: number) => Math.round(bytes / 2 ** 20);

type Side = Pick<ModelQuestion, 'way' | 'path'>;

function start(component: ModelQuestion['component'], side: Side): Promise<{ child: Child; first: OpenAnswer }> {
  const threads = options.threads === 0 ? undefined : options.threads;
  const question = JSON.stringify({ component, latents, threads, ...side } satisfies ModelQuestion);
  return Child.start('./modelChild.js', [question]) as Promise<{ child: Child; first: OpenAnswer }>;
}

/** Makes the system forget what it holds of a file, so that the next reader goes to the disk. */
async function forget(file: string): Promise<void> {
  await run('dd', [`if=${file}`, 'iflag=nocache', 'count=0']);
}

function row(...cells: (string | number)[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}

function head(...cells: string[]): void {
  console.log();
  row(...cells);
  row(...cells.map(() => '---'));
}

const memoryCells = ({ peak, anonymous, mapped }: ResidentMemory) => [mib(peak), mib(anonymous), mib(mapped)];

async function loading(): Promise<void> {
  head(
    'opening',
    'disk',
    'open ms',
    'peak MiB',
    'own',
    'mapped',
    'to the end of the first step, ms',
    'peak MiB',
    'own',
    'mapped',
  );
  const [full, half] = [join(folder, 'F32'), join(folder, 'F16')];
  const weights = 'diffusion_pytorch_model.safetensors';
  const cases: [string, ModelQuestion['component'], Side, string][] = [
    ['UNet, F32', 'denoiser', { way: 'runtime', path: full }, join(full, 'unet', weights)],
    ['UNet, F32, all optimizations', 'denoiser', { way: 'optimized', path: full }, join(full, 'unet', weights)],
    ['UNet, F32, bytes in memory', 'denoiser', { way: 'memory', path: full }, join(full, 'unet', weights)],
    ['UNet, F16', 'denoiser', { way: 'runtime', path: half }, join(half, 'unet', weights)],
    ['text encoder, F32', 'text_encoder', { way: 'runtime', path: full }, join(full, 'text_encoder/model.safetensors')],
    ['VAE decoder, F32', 'vae_decoder', { way: 'runtime', path: full }, join(full, 'vae', weights)],
  ];
  for (const [name, component, side, file] of cases) {
    for (const disk of ['cold', 'warm'] as const) {
      if (disk === 'cold') await forget(file);
      const begun = performance.now();
      const { child, first } = await start(component, side);
      await using _ = child;
      const step = await child.ask<StepAnswer>('step');
      const firstMs = Math.round(performance.now() - begun);
      row(name, disk, Math.round(first.openMs), ...memoryCells(first.memory), firstMs, ...memoryCells(step.memory));
    }
  }
}

/** Steps of several sides in turn; each ratio is to the last side, pair by pair. */
async function compare(
  title: string,
  component: ModelQuestion['component'],
  sides: Record<string, Side>,
): Promise<void> {
  head(
    title,
    'open ms',
    'median ms',
    'least ms',
    'CPU ms',
    'ratio',
    'CPU ratio',
    'peak MiB',
    'ratio',
    'largest difference',
  );
  const running: { name: string; child: Child; openMs: number; steps: StepAnswer[]; first: StepAnswer }[] = [];
  try {
    for (const [name, side] of Object.entries(sides)) {
      const { child, first } = await start(component, side);
      // One step for each before it counts: pages are read and memory is laid out.
      running.push({ name, child, openMs: first.openMs, steps: [], first: await child.ask<StepAnswer>('step') });
    }
    for (let pair = 0; pair < pairs; pair++) {
      for (const side of pair % 2 === 0 ? running : running.toReversed()) {
        side.steps.push(await side.child.ask<StepAnswer>('step'));
      }
    }
    const reference = running.at(-1)!;
    const times = (steps: StepAnswer[]) => steps.map(({ ms }) => ms);
    const cpuTimes = (steps: StepAnswer[]) => steps.map(({ cpuMs }) => cpuMs);
    const peakOf = (steps: StepAnswer[]) => Math.max(...steps.map(({ memory }) => memory.peak));
    for (const { name, openMs, steps, first } of running) {
      const difference = first.output.reduce(
        (largest, value, i) => Math.max(largest, Math.abs(value - reference.first.output[i]!)),
        0,
      );
      row(
        name,
        Math.round(openMs),
        Math.round(median(times(steps))),
        Math.round(Math.min(...times(steps))),
        Math.round(median(cpuTimes(steps))),
        pairedRatio(times(steps), times(reference.steps)).toFixed(2),
        pairedRatio(cpuTimes(steps), cpuTimes(reference.steps)).toFixed(2),
        mib(peakOf(steps)),
        (peakOf(steps) / peakOf(reference.steps)).toFixed(2),
        difference.toExponential(1),
      );
    }
  } finally {
    for (const { child } of running) await child[Symbol.asyncDispose]();
  }
}

try {
  if (!options.folder) {
    console.error('writing models of random weights …');
    await writeRandomModel(join(folder, 'F32'), { width });
    if (only.includes('load')) await writeRandomModel(join(folder, 'F16'), { width, dtype: 'F16', parts: ['unet'] });
    if (python) {
      console.error('exporting the reference …');
      const script = fileURLToPath(new URL('../../bench/reference/unet.py', import.meta.url));
      await run(python, [script, join(folder, 'F32'), join(folder, 'export')]);
    }
  }
  const load = () => readFileSync('/proc/loadavg', 'utf8').split(' ')[0];
  console.log(`${cpus().length} cores, node ${process.version}; load of the machine before: ${load()}`);
  if (only.includes('load')) await loading();
  const full = join(folder, 'F32');
  const sides = (component: string): Record<string, Side> => ({
    'as the runtime opens it': { way: 'runtime', path: full },
    ...((python || options.folder) && {
      'exported by PyTorch': { way: 'export', path: join(folder, 'export', component, 'model.onnx') },
    }),
  });
  if (only.includes('unet')) await compare('guided step', 'denoiser', sides('unet'));
  if (only.includes('vae')) await compare('decoding', 'vae_decoder', sides('vae_decoder'));
  console.log(`\nload of the machine after: ${load()}`);
} finally {
  if (!options.folder) await rm(folder, { recursive: true, force: true });
}
