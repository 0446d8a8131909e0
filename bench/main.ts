/**
 * `npm run bench`: what the server adds to the bare denoising loop, on the embedded model. Both sides of a ratio are
 * measured in turn in one run, and medians are told, because machines are noisy. Needs an otherwise idle machine.
 *
 *     npm run bench -- --pairs 15 --steps 20 --provider cpu
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BareAnswer, BareQuestion } from './bareLoop.ts';
import { BenchServer } from './benchServer.ts';
import { Child } from './child.ts';
import { BenchClient } from './client.ts';
import { type Figure, median, pairedRatio, printTable, quantile } from './figures.ts';
import { readOptions, text, whole } from './options.ts';
import { promptOf } from './tasks.ts';

const { pairs, steps, provider } = readOptions({
  pairs: whole(15, 1, 1000),
  steps: whole(20, 1, 100),
  provider: text('cpu'),
});
const root = fileURLToPath(new URL('../../', import.meta.url));
const previews = { every: 1, delivery: 'binary' };
const figures: Figure[] = [];
const megabytes = (bytes: number) => bytes / 1024 ** 2;
const startServer = () => BenchServer.start(['--device', provider]);

console.error('start-up to first picture …');
const startups: number[] = [];
const firsts: number[] = [];
for (let n = 0; n < 3; n++) {
  const begun = performance.now();
  const server = await startServer();
  const client = await BenchClient.connect(server.url);
  await client.run({ positivePrompt: promptOf(n), width: 256, height: 256, steps, seed: n });
  firsts.push(performance.now() - begun);
  startups.push(server.startedMs);
  client.close();
  await server[Symbol.asyncDispose]();
}

await using server = await startServer();
const client = await BenchClient.connect(server.url);
const { child: bare } = await Child.start('./bareLoop.js', [join(root, 'models/pocket'), provider]);
await using _bare = bare;
const bareRun = (n: number) => bare.ask<BareAnswer>({ prompt: promptOf(n), seed: n, steps } satisfies BareQuestion);
const serverRun = (n: number, more: object = {}) =>
  client.run({ positivePrompt: promptOf(n), width: 256, height: 256, steps, seed: n, ...more });

for (let n = 0; n < 2; n++) {
  await bareRun(n);
  await serverRun(n, { previews });
}

console.error('server tax, preview cost, first preview, event loop …');
await server.measure();
const bareMs: number[] = [];
const stepMs: number[] = [];
const quietMs: number[] = [];
const previewMs: number[] = [];
const firstPreviewSteps: number[] = [];
let previewCount = 0;
let previewBytes = 0;
let bareMemory = 0;
for (let n = 0; n < pairs; n++) {
  // The order turns around each time, so that neither side always follows the other.
  const order = n % 2 === 0 ? [0, 1, 2] : [2, 1, 0];
  for (const side of order) {
    if (side === 0) {
      const answer = await bareRun(n);
      bareMs.push(answer.totalMs);
      stepMs.push(answer.stepMs);
      bareMemory = answer.memoryBytes;
    } else if (side === 1) quietMs.push((await serverRun(n)).totalMs);
    else {
      const times = await serverRun(n, { previews });
      previewMs.push(times.totalMs);
      previewCount += times.previews;
      previewBytes += times.bytes;
      firstPreviewSteps.push((times.firstPreviewMs ?? Number.NaN) / (stepMs.at(-1) ?? median(stepMs)));
    }
  }
}
const loop = await server.measure();
const runtimeMemory = (await server.health()).runtime.memoryBytes;

const each = `medians of ${pairs} in turn, ${steps} steps, 256×256`;
figures.push(
  {
    name: 'server tax',
    value: pairedRatio(previewMs, bareMs),
    unit: '×',
    goal: '≤ 1.05',
    detail: 'task with a preview every step / bare loop',
  },
  { name: 'server tax without previews', value: pairedRatio(quietMs, bareMs), unit: '×', detail: each },
  {
    name: 'preview cost',
    value: pairedRatio(previewMs, quietMs),
    unit: '×',
    goal: '≤ 1.02',
    detail: 'a preview every step / none',
  },
  { name: 'bare loop', value: median(bareMs), unit: 'ms', detail: 'text, steps, decoding' },
  { name: 'bare step', value: median(stepMs), unit: 'ms', detail: 'guided' },
  { name: 'task without previews', value: median(quietMs), unit: 'ms' },
  { name: 'task with previews', value: median(previewMs), unit: 'ms' },
  {
    name: 'first preview',
    value: median(firstPreviewSteps),
    unit: 'steps',
    goal: '≤ 2',
    detail: 'from sending the task, prompt encoding included',
  },
  { name: 'first preview, p90', value: quantile(firstPreviewSteps, 0.9), unit: 'steps' },
  {
    name: 'previews received',
    value: previewCount / pairs,
    unit: 'a task',
    detail: `of ${steps}; ${Math.round(previewBytes / Math.max(1, previewCount))} bytes each`,
  },
  {
    name: 'event loop delay, p99',
    value: loop.loopP99Ms,
    unit: 'ms',
    goal: '< 5',
    detail: 'server process, while generating (1 ms timer included)',
  },
  { name: 'event loop delay, max', value: loop.loopMaxMs, unit: 'ms' },
  { name: 'start-up to listening', value: median(startups), unit: 'ms' },
  {
    name: 'start-up to first picture',
    value: median(firsts),
    unit: 'ms',
    detail: 'process start, model load, one task',
  },
  { name: 'memory, server process', value: megabytes(loop.rssBytes), unit: 'MiB' },
  ...(runtimeMemory === undefined
    ? []
    : [{ name: 'memory, runtime process', value: megabytes(runtimeMemory), unit: 'MiB' }]),
  { name: 'memory, bare loop process', value: megabytes(bareMemory), unit: 'MiB' },
);
client.close();

printTable(figures);
const results = join(root, 'bench/results');
await mkdir(results, { recursive: true });
const file = join(results, `${new Date().toISOString().replaceAll(':', '-')}.json`);
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, platform: process.platform };
await writeFile(file, JSON.stringify({ machine, pairs, steps, provider, figures }, null, 2));
console.log(`\nwritten to ${file}`);
