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
 * `npm run bench:cancel`: from the frame that cancels a task until its run has stopped, alone and beside other runs, and
 * until a waiting task is out of the queue. The server's process tells when each run ended, on a clock that it shares with
 * this one, which is the load generator.
 *
 *     npm run bench:cancel -- --trials 100 --others 0,4,15 --size 256 --provider cpu
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchServer } from './benchServer.js';
import { BenchClient } from './client.js';
import { median, printTable, quantile } from './figures.js';
import { flag, numbers, readOptions, text, whole } from './options.js';
import { now } from './process.js';
import { promptOf, seeded } from './tasks.js';

const options = readOptions({
  /** Cancels of a running task, for each number of others. */
  trials: whole(100, 1, 10_000),
  /** Other runs under way; with 15 all places are taken. */
  others: numbers([0, 4, 15]),
  /** Pixels on each side, of all tasks. */
  size: whole(256, 128, 2048),
  provider: text('cpu'),
  quick: flag(),
});
const trials = options.quick ? 15 : options.trials;
const random = seeded(4);
/** Long enough that no run ends before it is cancelled. */
const longTask = (seed) => ({
  positivePrompt: promptOf(seed),
  width: options.size,
  height: options.size,
  steps: 100,
  seed,
  progress: true,
});
const endedAt = new Map();
const waitingFor = new Map();
function onEnded({ seed, at }) {
  endedAt.set(seed, at);
  waitingFor.get(seed)?.();
}
async function endOf(seed) {
  const key = BigInt(seed);
  if (!endedAt.has(key)) await new Promise((resolve) => waitingFor.set(key, resolve));
  return endedAt.get(key);
}
let seeds = 0;
/** Runs that go on for as long as they are needed, each of a client of its own. */
class Others {
  stepsAt = [];
  #over = false;
  #running = [];
  static async start(url, count) {
    const others = new Others();
    const clients = await Promise.all(Array.from({ length: count }, () => BenchClient.connect(url)));
    others.#running = clients.map(async (client) => {
      while (!others.#over) {
        const task = client.start(longTask(seeds++), (event) => {
          if (event.event === 'stepped') others.stepsAt.push(now());
          if (others.#over) void client.cancel(task.taskUUID);
        });
        await task.ended;
      }
      client.close();
    });
    return others;
  }
  async [Symbol.asyncDispose]() {
    this.#over = true;
    await Promise.all(this.#running);
  }
}
/** Milliseconds from one step of a run that is alone to the next. */
async function stepAlone(client) {
  const at = [];
  const task = client.start({ ...longTask(seeds++), steps: 30 }, (event) => {
    if (event.event === 'stepped') at.push(performance.now());
  });
  await task.ended;
  return median(at.slice(1).map((ms, index) => ms - at[index]));
}
/** What a step takes in company: runs that share a call are told of their steps together, so it lies between two calls. */
function stepTogether(stepsAt, aloneMs) {
  const gaps = stepsAt.slice(1).map((ms, index) => ms - stepsAt[index]);
  const calls = gaps.filter((ms) => ms > aloneMs / 5);
  return { ms: median(calls), runs: stepsAt.length / calls.length };
}
/** Starts a run, lets it make some steps, and cancels it at any point of one. */
async function cancelRunning(client, stepMs) {
  const seed = seeds++;
  let onStep = () => {};
  let stepsAfter = 0;
  let sent = false;
  const stepped = new Promise((resolve) => (onStep = resolve));
  const task = client.start(longTask(seed), (event) => {
    if (event.event !== 'stepped') return;
    if (sent) stepsAfter++;
    else onStep();
  });
  await stepped;
  await sleep(random() * 2 * stepMs);
  const at = now();
  sent = true;
  void client.cancel(task.taskUUID);
  await task.ended;
  const toldMs = now() - at;
  return { stoppedMs: (await endOf(seed)) - at, toldMs, stepsAfter };
}
/** All but the first of many tasks of one client are waiting when they are cancelled. */
async function cancelWaiting(client) {
  let onTaken = () => {};
  const taken = new Promise((resolve) => (onTaken = resolve));
  const tasks = Array.from({ length: 60 }, (_, n) => client.start(longTask(seeds++), () => n === 59 && onTaken()));
  await taken;
  const toldMs = [];
  // At most 12 of one client are handed over.
  for (const task of tasks.slice(20).reverse()) {
    const begun = performance.now();
    void client.cancel(task.taskUUID);
    await task.ended;
    toldMs.push(performance.now() - begun);
  }
  await client.cancel(...tasks.map(({ taskUUID }) => taskUUID));
  await Promise.all(tasks.map(({ ended }) => ended));
  return toldMs;
}
var server, client, figures, waiting;
const env_1 = { stack: [], error: void 0, hasError: false };
try {
  server = __addDisposableResource(
    env_1,
    await BenchServer.start(['--device', options.provider], './watchedServer.js'),
    true,
  );
  server.child.listen(onEnded);
  client = await BenchClient.connect(server.url);
  figures = [];
  console.error('a step alone …');
  await stepAlone(client);
  for (const count of options.others) {
    const env_2 = { stack: [], error: void 0, hasError: false };
    try {
      console.error(`beside ${count} others …`);
      const aloneMs = await stepAlone(client);
      const others = __addDisposableResource(env_2, await Others.start(server.url, count), true);
      // Batches are found out before anything counts.
      const from = count * 6;
      while (others.stepsAt.length < from) await sleep(20);
      const cancelled = [];
      for (let trial = 0; trial < trials; trial++) cancelled.push(await cancelRunning(client, aloneMs));
      const stopped = cancelled.map(({ stoppedMs }) => stoppedMs);
      const told = cancelled.map(({ toldMs }) => toldMs);
      const step = count === 0 ? { ms: aloneMs, runs: 1 } : stepTogether(others.stepsAt.slice(from), aloneMs);
      const who = count === 0 ? 'alone' : `beside ${count}`;
      const inSteps = (q, goal) => {
        const ms = quantile(stopped, q);
        const detail = `${ms.toFixed(1)} ms, ${(ms / aloneMs).toFixed(2)} steps of a run alone`;
        return {
          name: `${who}: run stopped, p${100 * q}`,
          value: ms / step.ms,
          unit: 'steps',
          detail,
          ...(goal !== undefined && { goal }),
        };
      };
      figures.push(
        {
          name: `${who}: a step`,
          value: step.ms,
          unit: 'ms',
          detail: `${step.runs.toFixed(1)} runs share a call; alone ${aloneMs.toFixed(1)} ms; ${trials} cancels`,
        },
        inSteps(0.5),
        inSteps(0.99, '≤ 1.1'),
        {
          name: `${who}: client told, p99`,
          value: quantile(told, 0.99),
          unit: 'ms',
          detail: `steps told of after the cancel was sent, at most: ${Math.max(...cancelled.map(({ stepsAfter }) => stepsAfter))}`,
        },
      );
    } catch (e_1) {
      env_2.error = e_1;
      env_2.hasError = true;
    } finally {
      const result_1 = __disposeResources(env_2);
      if (result_1) await result_1;
    }
  }
  console.error('waiting tasks …');
  waiting = await cancelWaiting(client);
  figures.push(
    { name: 'a waiting task: out of the queue, p50', value: median(waiting), unit: 'ms' },
    { name: 'a waiting task: out of the queue, p99', value: quantile(waiting, 0.99), unit: 'ms' },
  );
  client.close();
  printTable(figures);
} catch (e_2) {
  env_1.error = e_2;
  env_1.hasError = true;
} finally {
  const result_2 = __disposeResources(env_1);
  if (result_2) await result_2;
}
//# sourceMappingURL=cancel.js.map
