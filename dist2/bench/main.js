var __addDisposableResource =
  (this && this.__addDisposableResource) ||
  ((env, value, async) => {
    if (value !== null && value !== void 0) {
      if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError('Object expected.');
      var dispose, inner;
      if (async) {
        if (!Symbol.asyncDispose) throw new TypeError('Symbol.asyncDispose is not defined.');
        dispose = value[Symbol.asyncDispose];
      }
      if (dispose === void 0) {
        if (!Symbol.dispose) throw new TypeError('Symbol.dispose is not defined.');
        dispose = value[Symbol.dispose];
        if (async) inner = dispose;
      }
      if (typeof dispose !== 'function') throw new TypeError('Object not disposable.');
      if (inner)
        dispose = function () {
          try {
            inner.call(this);
          } catch (e) {
            return Promise.reject(e);
          }
        };
      env.stack.push({ value: value, dispose: dispose, async: async });
    } else if (async) {
      env.stack.push({ async: true });
    }
    return value;
  });
var __disposeResources =
  (this && this.__disposeResources) ||
  ((SuppressedError) => (env) => {
    function fail(e) {
      env.error = env.hasError ? new SuppressedError(e, env.error, 'An error was suppressed during disposal.') : e;
      env.hasError = true;
    }
    var r,
      s = 0;
    function next() {
      while ((r = env.stack.pop())) {
        try {
          if (!r.async && s === 1) return (s = 0), env.stack.push(r), Promise.resolve().then(next);
          if (r.dispose) {
            var result = r.dispose.call(r.value);
            if (r.async)
              return (
                (s |= 2),
                Promise.resolve(result).then(next, (e) => {
                  fail(e);
                  return next();
                })
              );
          } else s |= 1;
        } catch (e) {
          fail(e);
        }
      }
      if (s === 1) return env.hasError ? Promise.reject(env.error) : Promise.resolve();
      if (env.hasError) throw env.error;
    }
    return next();
  })(
    typeof SuppressedError === 'function'
      ? SuppressedError
      : (error, suppressed, message) => {
          var e = new Error(message);
          return (e.name = 'SuppressedError'), (e.error = error), (e.suppressed = suppressed), e;
        },
  );

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
import { BenchServer } from './benchServer.js';
import { Child } from './child.js';
import { BenchClient } from './client.js';
import { median, pairedRatio, printTable, quantile } from './figures.js';
import { readOptions, text, whole } from './options.js';
import { promptOf } from './tasks.js';

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
const figures = [];
const megabytes = (bytes) => bytes / 1024 ** 2;
/** Never the same one twice, so that texts are encoded each time. */
const freshPrompt = (n) => `${promptOf(n)}, take ${n}`;
const startServer = () => BenchServer.start(['--device', provider]);
console.error('start-up to first picture …');
const startups = [];
const firsts = [];
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
/** What a side adds to the bare loop, each step and each task, by the line through the two lengths. */
function added(side) {
  const step = rounds.map(({ bare, [side]: server }) => {
    return (server[many] - bare[many] - (server[few] - bare[few])) / (many - few);
  });
  const task = rounds.map(({ bare, [side]: server }, n) => server[few] - bare[few] - few * step[n]);
  return { step, task };
}
/** The median, with the quartiles and all values between which it lies. */
function spread(name, values, unit, goal) {
  const told = [0.25, 0.75, 0, 1].map((q) => quantile(values, q).toFixed(2));
  return {
    name,
    value: median(values),
    unit,
    goal,
    detail: `quartiles ${told[0]} and ${told[1]}, all from ${told[2]} to ${told[3]}`,
  };
}
var server,
  client,
  pictures,
  serverRun,
  batches,
  bare,
  _bare,
  bareRun,
  lengths,
  sides,
  rounds,
  stepMs,
  firstPreviewSteps,
  previewCount,
  previewBytes,
  bareMemory,
  loop,
  runtimeMemory,
  at,
  quiet,
  previewed,
  results,
  file,
  machine;
const env_1 = { stack: [], error: void 0, hasError: false };
try {
  server = __addDisposableResource(env_1, await startServer(), true);
  client = await BenchClient.connect(server.url);
  pictures = 0;
  serverRun = (count, more = {}) => {
    const n = pictures++;
    return client.run({ positivePrompt: freshPrompt(n), width: 256, height: 256, steps: count, seed: n, ...more });
  };
  for (let n = 0; n < 3; n++) await serverRun(steps, { previews });
  // Both sides make calls of as many rows.
  batches = join(server.dataDir, 'batches.json');
  ({ child: bare } = await Child.start('./bareLoop.js', [join(root, 'models/pocket'), provider, batches]));
  _bare = __addDisposableResource(env_1, bare, true);
  bareRun = (count) => {
    const n = pictures++;
    return bare.ask({ prompt: freshPrompt(n), seed: n, steps: count });
  };
  for (let n = 0; n < 3; n++) await bareRun(steps);
  console.error('server tax, preview cost, first preview …');
  lengths = [few, steps, many];
  sides = ['bare', 'quiet', 'previewed'];
  rounds = [];
  stepMs = [];
  firstPreviewSteps = [];
  previewCount = 0;
  previewBytes = 0;
  bareMemory = 0;
  for (let n = 0; n < pairs; n++) {
    const round = { bare: {}, quiet: {}, previewed: {} };
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
  loop = await server.measure();
  runtimeMemory = (await server.health()).runtime.memoryBytes;
  at = (side, length = steps) => rounds.map((round) => round[side][length]);
  [quiet, previewed] = [added('quiet'), added('previewed')];
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
  results = join(root, 'bench/results');
  await mkdir(results, { recursive: true });
  file = join(results, `${new Date().toISOString().replaceAll(':', '-')}.json`);
  machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, platform: process.platform };
  await writeFile(file, JSON.stringify({ machine, pairs, steps, few, many, provider, figures, rounds }, null, 2));
  console.log(`\nwritten to ${file}`);
} catch (e_1) {
  env_1.error = e_1;
  env_1.hasError = true;
} finally {
  const result_1 = __disposeResources(env_1);
  if (result_1) await result_1;
}
//# sourceMappingURL=main.js.map
