/**
 * `npm run bench`: what the server adds to the bare denoising loop, on the embedded model: for each task and for each step,
 * without previews and with a linear preview of every step. In each round the bare loop and the server draw a picture of few
 * steps, of 20, and of many, in turn, so that a machine whose speed drifts is as slow for both sides. Medians over the
 * rounds are told, with their quartiles. Needs an otherwise idle machine; two to five minutes.
 *
 *     npm run bench -- --pairs 12 --steps 20 --few 5 --many 60 --provider cpu
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

const { pairs, steps, few, many, provider } = readOptions({
  /** Rounds, each of a picture of every length from every side. */
  pairs: whole(12, 1, 1000),
  /** Of the tasks whose ratios are told. */
  steps: whole(20, 1, 100),
  /** Slopes lie between these two. */
  few: whole(5, 1, 50),
  many: whole(60, 2, 100),
  provider: text('cpu'),
});
if (few >= many) throw new Error('--few must be less than --many');
const root = fileURLToPath(new URL('../../', import.meta.url));
const previews = { every: 1, delivery: 'binary' };
const figures: Figure[] = [];
const megabytes = (bytes: number) => bytes / 1024 ** 2;
/** Never the same one twice, so that texts are encoded each time. */
const freshPrompt = (n: number) => `${promptOf(n)}, take ${n}`;
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
let pictures = 0;
const serverRun = (count: number, more: object = {}) => {
  const n = pictures++;
  return client.run({ positivePrompt: freshPrompt(n), width: 256, height: 256, steps: count, seed: n, ...more });
};
for (let n = 0; n < 3; n++) await serverRun(steps, { previews });
// Both sides make calls of as many rows.
const batches = join(server.dataDir, 'batches.json');
const { child: bare } = await Child.start('./bareLoop.js', [join(root, 'models/pocket'), provider, batches]);
await using _bare = bare;
const bareRun = (count: number) => {
  const n = pictures++;
  return bare.ask<BareAnswer>({ prompt: freshPrompt(n), seed: n, steps: count } satisfies BareQuestion);
};
for (let n = 0; n < 3; n++) await bareRun(steps);

console.error('server tax, preview cost, first preview …');
const lengths = [few, steps, many] as const;
const sides = ['bare', 'quiet', 'previewed'] as const;
/** Milliseconds of the pictures of a round, by side and length. */
type Round = Record<(typeof sides)[number], Record<number, number>>;
const rounds: Round[] = [];
const stepMs: number[] = [];
const firstPreviewSteps: number[] = [];
let previewCount = 0;
let previewBytes = 0;
let bareMemory = 0;
for (let n = 0; n < pairs; n++) {
  const round: Round = { bare: {}, quiet: {}, previewed: {} };
  rounds.push(round);
  for (const length of new Set(lengths)) {
    // The order turns around each time, so that no side always follows the same other one.
    for (const side of n % 2 === 0 ? sides : [...sides].reverse()) {
      if (side === 'bare') {
        const answer = await bareRun(length);
        round.bare[length] = answer.totalMs;
        stepMs.push(answer.stepMs);
        bareMemory = answer.memoryBytes;
      } else if (side === 'quiet') round.quiet[length] = (await serverRun(length)).totalMs;
      else {
        const times = await serverRun(length, { previews });
        round.previewed[length] = times.totalMs;
        if (length !== steps) continue;
        previewCount += times.previews;
        previewBytes += times.bytes;
        firstPreviewSteps.push((times.firstPreviewMs ?? Number.NaN) / (stepMs.at(-1) ?? median(stepMs)));
      }
    }
  }
}
console.error('event loop …');
await server.measure();
for (let n = 0; n < 5; n++) await serverRun(steps, { previews });
const loop = await server.measure();
const runtimeMemory = (await server.health()).runtime.memoryBytes;

/** What a side adds to the bare loop, each step and each task, by the line through the two lengths. */
function added(side: 'quiet' | 'previewed'): { step: number[]; task: number[] } {
  const step = rounds.map(({ bare, [side]: server }) => {
    return (server[many]! - bare[many]! - (server[few]! - bare[few]!)) / (many - few);
  });
  const task = rounds.map(({ bare, [side]: server }, n) => server[few]! - bare[few]! - few * step[n]!);
  return { step, task };
}

/** The median, with the quartiles and all values between which it lies. */
function spread(name: string, values: readonly number[], unit: string, goal: string): Figure {
  const told = [0.25, 0.75, 0, 1].map((q) => quantile(values, q).toFixed(2));
  return {
    name,
    value: median(values),
    unit,
    goal,
    detail: `quartiles ${told[0]} and ${told[1]}, all from ${told[2]} to ${told[3]}`,
  };
}

const at = (side: (typeof sides)[number], length = steps) => rounds.map((round) => round[side][length]!);
const [quiet, previewed] = [added('quiet'), added('previewed')];
figures.push(
  spread('added by a step', quiet.step, 'ms', '≤ 0.2'),
  spread('added by a step with a preview', previewed.step, 'ms', '≤ 0.6'),
  spread('added by a task', quiet.task, 'ms', '≤ 5'),
  spread('added by a task with previews', previewed.task, 'ms', '≤ 5'),
  {
    name: 'server tax',
    value: pairedRatio(at('previewed'), at('bare')),
    unit: '×',
    goal: '≤ 1.03',
    detail: 'task with a preview every step / bare loop',
  },
  {
    name: 'server tax without previews',
    value: pairedRatio(at('quiet'), at('bare')),
    unit: '×',
    detail: `medians of ${pairs} in turn, ${steps} steps, 256×256; slopes between ${few} and ${many} steps`,
  },
  {
    name: 'preview cost',
    value: pairedRatio(at('previewed'), at('quiet')),
    unit: '×',
    goal: '≤ 1.02',
    detail: 'a preview every step / none',
  },
  { name: 'bare loop', value: median(at('bare')), unit: 'ms', detail: 'text, steps, decoding' },
  { name: 'bare step', value: median(stepMs), unit: 'ms', detail: 'guided' },
  { name: 'task without previews', value: median(at('quiet')), unit: 'ms' },
  { name: 'task with previews', value: median(at('previewed')), unit: 'ms' },
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
await writeFile(file, JSON.stringify({ machine, pairs, steps, few, many, provider, figures, rounds }, null, 2));
console.log(`\nwritten to ${file}`);
