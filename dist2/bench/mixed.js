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
 * `npm run bench:mixed`: many clients that ask for pictures of different sizes and steps, against the same server drawing
 * them one by one in the order they came; and what a greedy client leaves to others. This process is the load generator;
 * the servers are others, measured in turn with the same tasks.
 *
 *     npm run bench:mixed -- --clients 1,4,16 --rounds 3 --seconds 15 --provider cpu
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchServer } from './benchServer.js';
import { BenchClient } from './client.js';
import { median, pairedRatio, printTable, quantile } from './figures.js';
import { flag, numbers, readOptions, text, whole } from './options.js';
import { mixedTask, promptOf, seeded, workOf } from './tasks.js';

const options = readOptions({
  clients: numbers([1, 4, 16]),
  /** Each with other tasks, and both servers once. */
  rounds: whole(3, 1, 100),
  /** Watching a greedy client and others, for each size and number of others; 0 leaves that out. */
  seconds: whole(10, 0, 600),
  others: numbers([1, 3]),
  /** Other flags of the server that is compared, as one text. */
  flags: text(''),
  provider: text('cpu'),
  quick: flag(),
});
const rounds = options.quick ? 1 : options.rounds;
const seconds = options.quick ? Math.min(5, options.seconds) : options.seconds;
/** Enough for each client to come back a few times. */
const tasksOf = (clients) => (options.quick ? 1.5 : 4) * Math.max(clients, 2);
const previews = { every: 1, delivery: 'binary' };
/** Clients take tasks off one list, each the next when its last one has ended, until all are done. */
async function workOff(server, clients, tasks) {
  const left = [...tasks];
  const times = [];
  const sockets = await Promise.all(Array.from({ length: clients }, () => BenchClient.connect(server.url)));
  const cpuBefore = await server.runtimeCpuMs();
  const begun = performance.now();
  await Promise.all(
    sockets.map(async (socket) => {
      for (let task = left.shift(); task; task = left.shift()) times.push(await socket.run({ ...task, previews }));
    }),
  );
  const took = performance.now() - begun;
  const cpuAfter = await server.runtimeCpuMs();
  for (const socket of sockets) socket.close();
  return {
    workPerSecond: (tasks.reduce((sum, task) => sum + workOf(task), 0) / took) * 1000,
    cpuMs: cpuBefore === undefined || cpuAfter === undefined ? undefined : cpuAfter - cpuBefore,
    tasks: times,
  };
}
/** Models are loaded, and batches are found out, before anything counts. */
async function warmUp(server) {
  for (const size of [128, 192, 256]) {
    const tasks = Array.from({ length: 16 }, (_, n) => ({
      positivePrompt: promptOf(n),
      width: size,
      height: size,
      steps: 10,
      seed: n,
    }));
    await workOff(server, 16, tasks);
  }
}
async function compare(clients, fair, arrival) {
  const [ours, theirs] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const random = seeded(1000 * clients + round);
    const tasks = Array.from({ length: tasksOf(clients) }, () => mixedTask(random));
    const sides = [
      [fair, ours],
      [arrival, theirs],
    ];
    // The order turns around each time, so that neither side always follows the other.
    for (const [server, into] of round % 2 === 0 ? sides : [...sides].reverse()) {
      into.push(await workOff(server, clients, tasks));
    }
  }
  const firsts = (side) => side.flatMap(({ tasks }) => tasks.map((task) => task.firstPreviewMs));
  const totals = (side) => side.flatMap(({ tasks }) => tasks.map(({ totalMs }) => totalMs));
  const rates = (side) => side.map(({ workPerSecond }) => workPerSecond);
  const cpu = (side) => side.flatMap(({ cpuMs }) => cpuMs ?? []);
  const who = clients === 1 ? '1 client' : `${clients} clients`;
  const against = (name, q, of, goal) => {
    const [mine, other] = [quantile(of(ours), q), quantile(of(theirs), q)];
    const detail = `${Math.round(mine)} ms against ${Math.round(other)} ms`;
    return { name: `${who}: ${name}`, value: other / mine, unit: '× sooner', detail, ...(goal && { goal }) };
  };
  return [
    {
      name: `${who}: throughput`,
      value: pairedRatio(rates(ours), rates(theirs)),
      unit: '×',
      goal: '≥ 0.98',
      detail: `${median(rates(ours)).toFixed(2)} against ${median(rates(theirs)).toFixed(2)} megapixel steps a second; ${rounds} in turn, ${tasksOf(clients)} tasks each`,
    },
    ...(cpu(ours).length < rounds
      ? []
      : [
          {
            name: `${who}: processor time`,
            value: pairedRatio(cpu(ours), cpu(theirs)),
            unit: '×',
            detail: `of the runtime for the same tasks; ${Math.round(median(cpu(ours)))} ms against ${Math.round(median(cpu(theirs)))}`,
          },
        ]),
    against('first preview, p50', 0.5, firsts),
    against('first preview, p99', 0.99, firsts, clients === 16 ? '≥ 5' : undefined),
    against('picture, p50', 0.5, totals),
    against('picture, p99', 0.99, totals),
  ];
}
/** A greedy client sends 100 tasks at once, others one after another; what share of the steps each of them gets. */
async function shareOut(server, size, count) {
  const sockets = await Promise.all(Array.from({ length: 1 + count }, () => BenchClient.connect(server.url)));
  const [greedy, ...others] = sockets;
  const steps = sockets.map(() => 0);
  const task = (n) => ({
    positivePrompt: promptOf(n),
    width: size,
    height: size,
    steps: 20,
    seed: n,
    progress: true,
  });
  const counted = (who) => (event) => {
    if (event.event === 'stepped') steps[who] += 1;
  };
  const batch = Array.from({ length: 100 }, (_, n) => greedy.start(task(n), counted(0)));
  await Promise.race(batch.map(({ ended }) => ended));
  let over = false;
  const sequences = others.map(async (socket, at) => {
    for (let n = 0; !over; n++) await socket.run(task(1000 * at + n), counted(at + 1));
  });
  await Promise.all(others.map((_, at) => waitFor(() => steps[at + 1] > 0)));
  const before = [...steps];
  await sleep(seconds * 1000);
  const had = steps.map((count, at) => count - before[at]);
  const unfinished = batch.some(({ times }) => times.totalMs === 0);
  over = true;
  await greedy.cancel(...batch.map(({ taskUUID }) => taskUUID));
  await Promise.all([...sequences, ...batch.map(({ ended }) => ended)]);
  for (const socket of sockets) socket.close();
  if (!unfinished) console.error('The greedy client ran out of tasks: ask for fewer --seconds.');
  const all = had.reduce((sum, count) => sum + count, 0);
  return {
    name: `greedy beside ${count}, ${size}×${size}`,
    value: Math.min(...had) / (all / had.length),
    unit: 'of a fair share',
    goal: '≥ 0.9',
    detail: `steps in ${seconds} s: ${had[0]} of the greedy client, ${had.slice(1).join(', ')} of the others`,
  };
}
async function waitFor(isSo) {
  while (!isSo()) await sleep(5);
}
const flags = options.flags === '' ? [] : options.flags.split(' ');
var fair, arrival, figures;
const env_1 = { stack: [], error: void 0, hasError: false };
try {
  fair = __addDisposableResource(env_1, await BenchServer.start(['--device', options.provider, ...flags]), true);
  arrival = __addDisposableResource(
    env_1,
    await BenchServer.start([...['--device', options.provider], ...['--concurrency', '1', '--queue-order', 'arrival']]),
    true,
  );
  console.error('warming up …');
  for (const server of options.clients.length > 0 ? [fair, arrival] : [fair]) await warmUp(server);
  figures = [];
  for (const clients of options.clients) {
    console.error(`${clients} clients …`);
    figures.push(...(await compare(clients, fair, arrival)));
  }
  for (const size of seconds > 0 ? [128, 256] : []) {
    for (const count of options.others) {
      console.error(`a greedy client beside ${count}, ${size}×${size} …`);
      figures.push(await shareOut(fair, size, count));
    }
  }
  printTable(figures);
} catch (e_1) {
  env_1.error = e_1;
  env_1.hasError = true;
} finally {
  const result_1 = __disposeResources(env_1);
  if (result_1) await result_1;
}
//# sourceMappingURL=mixed.js.map
