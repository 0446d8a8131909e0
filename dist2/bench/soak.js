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
 * `npm run bench:soak`: some minutes of everything at once, with links that break, clients that cancel, supersede and stop
 * reading, and a runtime that is killed. Counts what was sent, came once, was lost and came twice, and how memory grows.
 * Ends with status 1 when anything is lost, comes twice, or is left behind. This process is the load generator.
 *
 *     npm run bench:soak -- --minutes 10 --provider cpu --seed 1
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cuts, frailLink } from '../test/helpers/frailLink.js';
import { BenchServer } from './benchServer.js';
import { median, printTable, slope } from './figures.js';
import { flag, readOptions, text, whole } from './options.js';
import { newCounts, SoakClient } from './soakClient.js';
import { pick, promptOf, seeded } from './tasks.js';

const options = readOptions({
  minutes: whole(10, 1, 600),
  seed: whole(1, 0, 2 ** 31),
  provider: text('cpu'),
  /** One minute. */
  quick: flag(),
});
const minutes = options.quick ? 1 : options.minutes;
const begun = performance.now();
const endsAt = begun + minutes * 60_000;
/** Model and batches are loaded and found out, and the first tasks are forgotten by the server, before memory counts. */
const warmAt = begun + minutes * 60_000 * 0.25;
/** Kills come in the first half, so that one process lives long enough to tell how its memory grows. */
const killsUntil = begun + minutes * 60_000 * 0.5;
const isOver = () => performance.now() >= endsAt;
/** Without news for so long, what has not come will not. */
const silenceMs = 60_000;
/** Longer than any link is down, however starved the machine is. */
const sessionKeepMs = 45_000;
const mib = (bytes) => bytes / 2 ** 20;
/** Small pictures of few steps: what breaks does so between tasks and around them, not within the steps. */
function smallTask(random) {
  const size = pick(random, [128, 128, 192]);
  const seed = seeds++;
  const steps = 1 + Math.floor(random() * 4);
  return { positivePrompt: promptOf(seed), width: size, height: size, steps, CFGScale: pick(random, [1, 4]), seed };
}
/** Settles with the task, and asks for one of which nothing comes: errors of asynchronous ones are told only then. */
async function endOf(client, task) {
  while (task.state === 'open' && !isOver()) {
    const enough = new AbortController();
    await Promise.race([task.ended, sleep(5_000, undefined, { signal: enough.signal }).catch(() => {})]);
    enough.abort();
    if (task.state === 'open' && task.task.deliveryMethod === 'async') client.ask(task);
  }
}
/** One after another, of all kinds of answers. */
async function generate(client, random) {
  while (!isOver()) {
    const task = client.send({
      ...smallTask(random),
      numberResults: pick(random, [1, 1, 2, 3]),
      outputType: pick(random, ['URL', 'base64Data']),
      deliveryMethod: pick(random, ['sync', 'sync', 'async']),
    });
    await endOf(client, task);
  }
}
/** Sends several and cancels one of them at any time. */
async function cancel(client, random) {
  while (!isOver()) {
    const tasks = Array.from({ length: 3 }, () => client.send(smallTask(random)));
    await sleep(random() * 1500);
    client.cancel(pick(random, tasks));
    for (const task of tasks) await endOf(client, task);
  }
}
/** Strokes, ten a second, for a while. */
async function draw(client, random) {
  while (!isOver()) {
    const strokes = [];
    for (let left = 5 + Math.floor(random() * 20); left > 0; left--) {
      strokes.push(client.send({ ...smallTask(random), lane: 'canvas' }));
      await sleep(100);
    }
    for (const stroke of strokes) await endOf(client, stroke);
    await sleep(random() * 2000);
  }
}
/** Stops reading now and then, while a pile of answers and some results wait. */
async function dawdle(client, random) {
  while (!isOver()) {
    // Answers of half a megabyte: the system's buffers hold some megabytes before the server's own list grows.
    const more = { width: 256, height: 256, numberResults: 4, outputType: 'base64Data', outputFormat: 'PNG' };
    const large = client.send({ ...smallTask(random), ...more });
    await endOf(client, large);
    if (large.state !== 'finished') continue;
    const tasks = Array.from({ length: 2 }, () => client.send(smallTask(random)));
    client.ask(large, 300);
    await client.stopReading(2_000 + random() * 6_000);
    for (const task of tasks) await endOf(client, task);
    await sleep(random() * 5_000);
  }
}
async function breakLinks(link, random) {
  while (!isOver()) {
    await sleep(1_000 + random() * 8_000);
    cutCount++;
    if (random() < 0.2) {
      link.down();
      await sleep(random() * 3_000);
      link.mend();
    } else link.cut(pick(random, cuts));
  }
  link.mend();
}
/** Kills the process that draws; not before it has drawn again, or its model would rightly be set aside. */
async function killRuntime(random) {
  while (performance.now() < killsUntil) {
    await sleep(8_000 + random() * 12_000);
    const from = counts.finished;
    while (counts.finished < from + 3 && !isOver()) await sleep(100);
    const { pid } = (await server.health()).runtime;
    if (pid === undefined || performance.now() >= killsUntil) continue;
    process.kill(pid, 'SIGKILL');
    kills++;
  }
}
async function sample() {
  while (!isOver()) {
    const { rssBytes, heapBytes, loopMaxMs } = await server.measure(true);
    const { memoryBytes, pid } = (await server.health()).runtime;
    samples.push({
      at: performance.now(),
      tasks: counts.tasks,
      serverRss: rssBytes,
      serverHeap: heapBytes,
      runtimeRss: memoryBytes,
      runtimePid: pid,
      loopMaxMs,
    });
    await sleep(Math.min(5_000, minutes * 500));
  }
}
/** Growth of one of the figures by time and by tasks, in MiB. */
function growth(name, of, from) {
  const told = from.filter((each) => of(each) !== undefined);
  const sizes = told.map((each) => mib(of(each)));
  const hours = slope(
    told.map(({ at }) => at / 3_600_000),
    sizes,
  );
  const thousands = slope(
    told.map(({ tasks }) => tasks / 1000),
    sizes,
  );
  return {
    name: `memory, ${name}`,
    value: hours,
    unit: 'MiB an hour',
    detail: `${thousands.toFixed(2)} MiB for 1000 tasks; from ${sizes[0]?.toFixed(1)} to ${sizes.at(-1)?.toFixed(1)} MiB, at most ${Math.max(...sizes).toFixed(1)}, ${sizes.length} looks`,
  };
}
/** Waits for what is under way; gives up when nothing has ended for a while. */
async function drain() {
  let [left, since] = [Number.POSITIVE_INFINITY, performance.now()];
  while (performance.now() - since < silenceMs) {
    const open = clients.flatMap((client) => client.open);
    if (open.length === 0) return;
    if (open.length < left) [left, since] = [open.length, performance.now()];
    for (const client of clients) {
      for (const task of client.open) if (task.task.deliveryMethod === 'async') client.ask(task);
    }
    await sleep(1_000);
  }
}
var server,
  counts,
  links,
  clients,
  cutCount,
  kills,
  seeds,
  samples,
  kinds,
  work,
  story,
  unanswered,
  queue,
  runtime,
  sessionsGoneBy,
  sessions,
  warm,
  lastLife,
  list,
  total,
  expectedErrors,
  must;
const env_1 = { stack: [], error: void 0, hasError: false };
try {
  server = __addDisposableResource(
    env_1,
    await BenchServer.start([
      ...['--device', options.provider, '--task-keep-ms', '120000'],
      ...['--session-keep-ms', String(sessionKeepMs), '--slow-reader-ms', '3000'],
    ]),
    true,
  );
  counts = newCounts();
  links = [];
  clients = [];
  cutCount = 0;
  kills = 0;
  seeds = 0;
  samples = [];
  kinds = [generate, generate, generate, cancel, draw, dawdle];
  work = kinds.map(async (kind, at) => {
    const random = seeded(1000 * options.seed + at);
    const link = await frailLink(server.url);
    const client = new SoakClient(link.url, counts);
    links.push(link);
    clients.push(client);
    // Who stops reading is cut off by the server, and not by the link.
    await Promise.all([
      kind(client, random),
      ...(kind === dawdle ? [] : [breakLinks(link, seeded(random() * 2 ** 32))]),
    ]);
  });
  story = setInterval(() => {
    const left = Math.max(0, Math.round((endsAt - performance.now()) / 1000));
    console.error(
      `${left} s left: ${counts.tasks} tasks, ${counts.finished} finished, ${cutCount} cuts, ${kills} kills`,
    );
  }, 30_000);
  await Promise.all([...work, sample(), killRuntime(seeded(options.seed))]);
  clearInterval(story);
  console.error('waiting for the rest …');
  await drain();
  unanswered = clients.flatMap((client) => client.open);
  ({ queue, runtime } = await server.health());
  for (const client of clients) client.close();
  for (const link of links) await link[Symbol.asyncDispose]();
  sessionsGoneBy = performance.now() + sessionKeepMs + 30_000;
  sessions = await server.metric('latentwire_sessions');
  while (sessions > 0 && performance.now() < sessionsGoneBy) {
    await sleep(1_000);
    sessions = await server.metric('latentwire_sessions');
  }
  warm = samples.filter(({ at }) => at >= warmAt);
  lastLife = warm.filter(({ at, runtimePid }) => runtimePid === samples.at(-1)?.runtimePid && at >= killsUntil);
  list = (of) => [...of].map(([what, count]) => `${what}: ${count}`).join(', ');
  total = (of) => [...of.values()].reduce((sum, count) => sum + count, 0);
  // Twice the process died of something that was none of the task's making: it is told so, and may be sent again.
  expectedErrors = counts.failed.get('runtimeLost') ?? 0;
  must = [
    { name: 'tasks without an answer', value: unanswered.length, unit: '' },
    { name: 'results twice', value: counts.twice, unit: '' },
    {
      name: 'errors but runtimeLost',
      value: total(counts.failed) - expectedErrors,
      unit: '',
      detail: list(counts.failed),
    },
    { name: 'other wrongs', value: total(counts.wrong), unit: '', detail: list(counts.wrong) },
    { name: 'left in the queue', value: queue.waiting + queue.running, unit: '' },
    {
      name: 'left sessions',
      value: sessions,
      unit: '',
      detail: `${sessionKeepMs / 1000} s after their clients had gone`,
    },
  ].map((figure) => ({ ...figure, goal: '0' }));
  printTable([
    {
      name: 'tasks sent',
      value: counts.tasks,
      unit: '',
      detail: `in ${minutes} min: ${counts.finished} finished, ${counts.cancelled} cancelled, ${counts.superseded} superseded, ${total(counts.failed)} failed`,
    },
    { name: 'results once', value: counts.once, unit: '' },
    {
      name: 'results again, unproven',
      value: counts.twiceUnproven,
      unit: '',
      detail: 'the link broke between the result and its proof',
    },
    {
      name: 'links broken',
      value: cutCount,
      unit: '',
      detail: `${counts.connections} connections; ${counts.slowCloses} closed for reading too little`,
    },
    {
      name: 'runtime killed',
      value: kills,
      unit: 'times',
      detail: `${runtime.restarts} restarts; ${expectedErrors} tasks were lost with it twice, and told so`,
    },
    ...must,
    {
      name: 'event loop delay of the server, max',
      value: Math.max(...warm.map(({ loopMaxMs }) => loopMaxMs)),
      unit: 'ms',
      detail: `median of the looks' maxima ${median(warm.map(({ loopMaxMs }) => loopMaxMs)).toFixed(1)}`,
    },
    growth('server process, resident', ({ serverRss }) => serverRss, warm),
    growth('server process, heap and buffers', ({ serverHeap }) => serverHeap, warm),
    growth('runtime process, last life', ({ runtimeRss }) => runtimeRss, lastLife),
  ]);
  if (unanswered.length > 0) console.error(`Without an answer: ${JSON.stringify(unanswered.map(({ task }) => task))}`);
  if (must.some(({ value }) => value !== 0)) {
    console.error('The soak has failed.');
    process.exitCode = 1;
  }
} catch (e_1) {
  env_1.error = e_1;
  env_1.hasError = true;
} finally {
  const result_1 = __disposeResources(env_1);
  if (result_1) await result_1;
}
//# sourceMappingURL=soak.js.map
