// Draws pictures with what ships: the built runtime (npm run build) and an exported model folder. Used by judge.py.
//
//     node generate.mjs --model FOLDER --jobs JOBS.json --to PICTURES.u8 [--seeds SEEDS.u8] [--masks MASKS.u8] [--threads 1] [--processes 2]
//
// JOBS.json is an array of { prompt, negativePrompt?, seed, width?, height?, steps?, guidanceScale?, scheduler?, image?, strength?, mask? };
// `image` and `mask` are places in SEEDS.u8 (three bytes a pixel) and MASKS.u8 (one byte, 255: to change). All jobs have one size.
// Pictures come out as bytes, one after the other, in the order of the jobs; --times names a file for the milliseconds of each.
import { open, readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    dist: { type: 'string', default: new URL('../../../dist', import.meta.url).pathname },
    model: { type: 'string', default: new URL('..', import.meta.url).pathname },
    jobs: { type: 'string' },
    to: { type: 'string' },
    seeds: { type: 'string' },
    masks: { type: 'string' },
    times: { type: 'string' },
    threads: { type: 'string' },
    processes: { type: 'string', default: '1' },
  },
});
const { startRuntime } = await import(resolve(values.dist, 'runtime/index.js'));
const jobs = JSON.parse(await readFile(values.jobs, 'utf8'));
const { width = 256, height = 256 } = jobs[0] ?? {};
const [seeds, masks] = await Promise.all([values.seeds, values.masks].map((file) => file && readFile(file)));
const pixels = width * height;

function request(job) {
  const { image, mask, strength, seed, ...rest } = job;
  return {
    model: resolve(values.model),
    negativePrompt: '',
    steps: 20,
    guidanceScale: 4,
    ...rest,
    width,
    height,
    seed: BigInt(seed),
    ...(image !== undefined && {
      image: {
        pixels: { width, height, data: new Uint8Array(seeds.subarray(3 * pixels * image, 3 * pixels * (image + 1))) },
        strength,
      },
    }),
    ...(mask !== undefined && { mask: new Uint8Array(masks.subarray(pixels * mask, pixels * (mask + 1))) }),
  };
}

const output = await open(values.to, 'w');
const times = [];
let [next, done] = [0, 0];
async function work() {
  const runtime = startRuntime({
    provider: 'cpu',
    log: () => {},
    ...(values.threads !== undefined && { threads: Number(values.threads) }),
  });
  try {
    while (next < jobs.length) {
      const at = next++;
      const begun = performance.now();
      for await (const event of runtime.generate(request(jobs[at]), new AbortController().signal)) {
        if (event.type !== 'finished') continue;
        await output.write(event.pixels.data, 0, 3 * pixels, 3 * pixels * at);
        times[at] = { wallMs: performance.now() - begun, ...event.timings };
      }
      if (++done % 50 === 0) console.error(`${done} of ${jobs.length}`);
    }
  } finally {
    await runtime.close();
  }
}
await Promise.all(Array.from({ length: Number(values.processes) }, work));
await output.close();
if (values.times) await writeFile(values.times, JSON.stringify(times));
