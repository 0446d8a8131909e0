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
 * `npm run bench:interactive`: somebody draws, and every stroke supersedes the picture of the one before, alone and while
 * others generate. How soon the last stroke of a movement is seen, and what was computed for pictures nobody waits for.
 * This process is the load generator.
 *
 *     npm run bench:interactive -- --seconds 30 --rate 20 --others 4 --provider cpu
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchServer } from './benchServer.js';
import { BenchClient } from './client.js';
import { median, printTable, quantile } from './figures.js';
import { flag, readOptions, text, whole } from './options.js';
import { mixedTask, promptOf, seeded } from './tasks.js';

const options = readOptions({
  /** Of drawing, pauses between movements left out, for each of the two parts. */
  seconds: whole(30, 2, 600),
  /** Strokes a second. */
  rate: whole(20, 1, 100),
  others: whole(4, 1, 15),
  provider: text('cpu'),
  quick: flag(),
});
const { rate, others } = options;
const seconds = options.quick ? 6 : options.seconds;
const previews = { every: 1, delivery: 'binary' };
const picture = { width: 256, height: 256, steps: 8 };
async function draw(server, beside, random) {
  const drawing = {
    lastFirstMs: [],
    lastTotalMs: [],
    firstMs: [],
    strokes: 0,
    supersedingMs: [],
    steps: 0,
    usefulSteps: 0,
    mostUnfinished: 0,
  };
  // Two rows a guided step. Steps of runs that were superseded meanwhile are told to nobody, so they are counted there.
  const computed = async () => (await server.metric('latentwire_batch_rows_sum', 'graph="unet"')) / 2;
  const before = await computed();
  let over = false;
  const generating = Array.from({ length: beside }, async () => {
    const client = await BenchClient.connect(server.url);
    while (!over) {
      const { steps } = await client.run({ ...mixedTask(random), progress: true });
      drawing.usefulSteps += steps;
    }
    client.close();
  });
  const watching = (async () => {
    while (!over) {
      const { waiting, running } = (await server.health()).queue;
      drawing.mostUnfinished = Math.max(drawing.mostUnfinished, waiting + running);
      await sleep(100);
    }
  })();
  const client = await BenchClient.connect(server.url);
  const stroke = (n) => client.start({ ...picture, positivePrompt: promptOf(n), seed: n, lane: 'canvas', previews });
  for (let drawnMs = 0; drawnMs < seconds * 1000; ) {
    // Half a second to two and a half, so that the last stroke meets the others at any point of their work.
    const movementMs = 500 + 2000 * random();
    const strokes = [];
    const begun = performance.now();
    for (let n = 0; n * (1000 / rate) < movementMs; n++) {
      await sleep(Math.max(0, begun + n * (1000 / rate) - performance.now()));
      strokes.push({ task: stroke(drawing.strokes++), at: performance.now() });
    }
    drawnMs += movementMs;
    const ended = await Promise.all(strokes.map(({ task }) => task.ended));
    for (const [index, times] of ended.entries()) {
      if (times.firstPreviewMs !== undefined) drawing.firstMs.push(times.firstPreviewMs);
      if (times.outcome !== 'superseded') continue;
      const [{ at }, next] = [strokes[index], strokes[index + 1]];
      drawing.supersedingMs.push(times.totalMs - (next.at - at));
    }
    const last = ended.at(-1);
    drawing.lastFirstMs.push(last.firstPreviewMs ?? last.totalMs);
    drawing.lastTotalMs.push(last.totalMs);
    drawing.usefulSteps += picture.steps;
    await sleep(200 + 300 * random());
  }
  over = true;
  client.close();
  await Promise.all([...generating, watching]);
  drawing.steps = (await computed()) - before;
  return drawing;
}
function figuresOf(who, drawing) {
  const { lastFirstMs, lastTotalMs, firstMs, strokes, supersedingMs, steps, usefulSteps } = drawing;
  const percent = (part, whole) => (100 * part) / whole;
  return [
    {
      name: `${who}: last stroke to its first look, p50`,
      value: median(lastFirstMs),
      unit: 'ms',
      detail: `${lastFirstMs.length} movements, ${strokes} strokes, ${rate} a second`,
    },
    { name: `${who}: last stroke to its first look, p99`, value: quantile(lastFirstMs, 0.99), unit: 'ms' },
    { name: `${who}: last stroke to its picture, p50`, value: median(lastTotalMs), unit: 'ms' },
    {
      name: `${who}: strokes seen`,
      value: percent(firstMs.length, strokes),
      unit: '%',
      detail: `first look after ${Math.round(median(firstMs))} ms, p99 ${Math.round(quantile(firstMs, 0.99))}`,
    },
    {
      name: `${who}: a superseded stroke's end, p99`,
      value: quantile(supersedingMs, 0.99),
      unit: 'ms',
      detail: 'from the newer stroke sent to the older told that it is over',
    },
    {
      name: `${who}: wasted`,
      value: percent(steps - usefulSteps, steps),
      unit: '% of all steps',
      detail: `${steps - usefulSteps} steps for superseded strokes, ${usefulSteps} for pictures`,
    },
    {
      name: `${who}: unfinished at once, at most`,
      value: drawing.mostUnfinished,
      unit: 'results',
      detail: 'waiting or handed over, of everybody; a look every 100 ms',
    },
  ];
}
var server, warm, figures;
const env_1 = { stack: [], error: void 0, hasError: false };
try {
  server = __addDisposableResource(env_1, await BenchServer.start(['--device', options.provider]), true);
  console.error('warming up …');
  warm = await Promise.all(Array.from({ length: others + 1 }, () => BenchClient.connect(server.url)));
  for (const size of [128, 192, 256]) {
    const task = { positivePrompt: promptOf(size), width: size, height: size, steps: 10 };
    await Promise.all(warm.map((client, seed) => client.run({ ...task, seed })));
  }
  for (const client of warm) client.close();
  figures = [];
  for (const beside of [0, others]) {
    const who = beside === 0 ? 'alone' : `beside ${beside}`;
    console.error(`drawing ${who} …`);
    figures.push(...figuresOf(who, await draw(server, beside, seeded(beside))));
  }
  printTable(figures);
} catch (e_1) {
  env_1.error = e_1;
  env_1.hasError = true;
} finally {
  const result_1 = __disposeResources(env_1);
  if (result_1) await result_1;
}
//# sourceMappingURL=interactive.js.map
