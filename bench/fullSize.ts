/**
 * `npm run bench:full`: large models with random weights of their full shape in blocks of 4 or 8 bits, on the CPU: seconds
 * for a step and for the text, memory, and processor time against that of as many multiplications in plain float32 products.
 *
 *     npm run bench:full -- --networks "klein,klein text,z-image,z-image text" --dtype Q4_0 --size 512 --calls 1
 *
 * Written under the system's folder for temporary files (up to 5 GB), and removed at the end.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';
import { median } from './figures.ts';
import type { FullSizeCall, FullSizeOpened, FullSizeQuestion } from './fullSizeChild.ts';
import { decoderOperations, unetOperations, shapes as unets } from './gpu/shapes.ts';
import { readOptions, text, whole } from './options.ts';
import { planVae } from './randomModel.ts';
import { wideNetwork } from './wideNetworks.ts';

const options = readOptions({
  /** Also: decoder, sd15, sdxl, whose weights are stored as F16. */
  networks: text('layers,klein text,klein,z-image text,z-image'),
  dtype: text('Q4_0'),
  /** How weights are held, see `--weights` of the server. */
  weights: text('auto'),
  size: whole(512, 64, 2048),
  calls: whole(1, 1, 100),
  threads: whole(0, 0, 1024),
});
const { size, calls } = options;
const dtype = options.dtype as FullSizeQuestion['dtype'];
const weights = options.weights as FullSizeQuestion['weights'];
const folder = await mkdtemp(join(tmpdir(), 'latentwire-full-'));
const threads = options.threads === 0 ? undefined : options.threads;
const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(2);

function row(...cells: (string | number)[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}

async function measure(question: Omit<FullSizeQuestion, 'size' | 'threads' | 'folder' | 'weights'>, repeats: number) {
  const asked: FullSizeQuestion = { ...question, size, threads, folder, weights };
  const started = await Child.start('./fullSizeChild.js', [JSON.stringify(asked)]);
  await using child = started.child;
  const calls: FullSizeCall[] = [];
  for (let i = 0; i < repeats; i++) calls.push(await child.ask<FullSizeCall>('call'));
  const last = calls.at(-1)!;
  if (!last.areNumbers) throw new Error(`${question.network} returned NaN or infinite values.`);
  return {
    opened: started.first as FullSizeOpened,
    ms: median(calls.map(({ ms }) => ms)),
    cpuMs: median(calls.map(({ cpuMs }) => cpuMs)),
    memory: last.memory,
  };
}

const layer = { rows: 1536, inner: 3072, out: 9216 };
const productsOf = { layer: layer.rows * layer.inner * layer.out };

/** Multiplications of one call, in matrices alone. */
function products(network: FullSizeQuestion['network']): number {
  switch (network) {
    case 'decoder':
      return decoderOperations(planVae({ width: 128, latents: 16 }), size / 8) / 2;
    case 'sd15':
    case 'sdxl':
      return unetOperations(unets[network].unet.plan(), size / 8) / 2;
    case 'layer':
      return productsOf.layer;
    default:
      return wideNetwork(network).multiplications(size).matrices;
  }
}

try {
  if (options.networks.split(',').includes('layers')) {
    console.log(
      `One linear layer, milliseconds of processor time (medians of 9), float32 / ${['Q4_0', 'Q8_0'].join(' / ')}:\n`,
    );
    row('channels', 'rows', 'float32', 'Q4_0', 'Q8_0', 'Q4_0 : float32', 'Q8_0 : float32');
    row('---', '---', '---', '---', '---', '---', '---');
    for (const out of [3072, 9216]) {
      for (const rows of [1, 256, 1536]) {
        const shape = { rows, inner: 3072, out };
        const [float, four, eight] = [
          await measure({ network: 'layer', dtype: 'F32', layer: shape }, 9),
          await measure({ network: 'layer', dtype: 'Q4_0', layer: shape }, 9),
          await measure({ network: 'layer', dtype: 'Q8_0', layer: shape }, 9),
        ].map(({ cpuMs }) => cpuMs) as [number, number, number];
        row(
          `3072 → ${out}`,
          rows,
          float.toFixed(2),
          four.toFixed(2),
          eight.toFixed(2),
          (four / float).toFixed(2),
          (eight / float).toFixed(2),
        );
      }
    }
    console.log();
  }
  row(
    'network',
    'stored',
    'held',
    'weights GiB',
    'first opening s',
    'call s',
    'processor s',
    'float32 products s',
    'ratio',
    'peak GiB',
    'own GiB',
    'mapped GiB',
  );
  row(...new Array<string>(12).fill('---'));
  for (const network of options.networks
    .split(',')
    .filter((name) => name !== 'layers') as FullSizeQuestion['network'][]) {
    // Before and after, as the machine's speed drifts.
    const speed = async () => productsOf.layer / (await measure({ network: 'layer', dtype: 'F32', layer }, 5)).cpuMs;
    const before = await speed();
    const { opened, ms, cpuMs, memory } = await measure({ network, dtype }, calls);
    const float = products(network) / ((before + (await speed())) / 2);
    row(
      network,
      /^(decoder|sd)/.test(network) ? 'F16' : dtype,
      weights,
      gib(opened.weightBytes),
      (opened.openMs / 1000).toFixed(1),
      (ms / 1000).toFixed(1),
      (cpuMs / 1000).toFixed(1),
      (float / 1000).toFixed(1),
      (cpuMs / float).toFixed(2),
      gib(memory.peak),
      gib(memory.anonymous),
      gib(memory.mapped),
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
