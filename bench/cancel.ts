/**
 * `npm run bench:cancel`: from the frame that cancels a task until its run has stopped, alone and beside other runs, and
 * until a waiting task is out of the queue. The server's process tells when each run ended, on a clock that it shares with
 * this one, which is the load generator.
 *
 *     npm run bench:cancel -- --trials 100 --others 0,4,15 --size 256 --provider cpu
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchServer } from './benchServer.ts';
import { BenchClient } from './client.ts';
import { type Figure, median, printTable, quantile } from './figures.ts';
import { flag, numbers, readOptions, text, whole } from './options.ts';
import { now } from './process.ts';
import { promptOf, seeded } from './tasks.ts';
import type { RunEnded } from './watchedServer.ts';

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
const longTask = (seed: number) => ({
  positivePrompt: promptOf(seed),
  width: options.size,
  height: options.size,
  steps: 100,
  seed,
  progress: true,
});

const endedAt = new Map<bigint, number>();
const waitingFor = new Map<bigint, () => void>();
/** When pictures of others were decoded: such a call is longer than a step, and nothing interrupts it either. */
const decodings: { from: number; to: number }[] = [];

function onEnded({ seed, at, decodingFrom }: RunEnded): void {
  endedAt.set(seed, at);
  if (decodingFrom !== undefined) decodings.push({ from: decodingFrom, to: at });
  waitingFor.get(seed)?.();
}

async function endOf(seed: number): Promise<number> {
  const key = BigInt(seed);
  if (!endedAt.has(key)) await new Promise<void>((resolve) => waitingFor.set(key, resolve));
  return endedAt.get(key)!;
}

let seeds = 0;

/** Runs that go on for as long as they are needed, each of a client of its own. */
class Others implements AsyncDisposable {
  readonly stepsAt: number[] = [];
  #over = false;
  #running: Promise<void>[] = [];

  static async start(url: string, count: number): Promise<Others> {
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
  }
}

interface Cancelled {
  /** When the cancel was sent. */
  at: number;
  /** From the cancel's frame until the runtime said that the run is over. */
  stoppedMs: number;
  /** Until the client was told. */
  toldMs: number;
  /** Told of after the cancel was sent. */
  stepsAfter: number;
}

/** Milliseconds from one step of a run that is alone to the next. */
async function stepAlone(client: BenchClient): Promise<number> {
  const at: number[] = [];
  const task = client.start({ ...longTask(seeds++), steps: 30 }, (event) => {
    if (event.event === 'stepped') at.push(performance.now());
  });
  await task.ended;
  return median(at.slice(1).map((ms, index) => ms - at[index]!));
}

/** What a step takes in company: runs that share a call are told of their steps together, so it lies between two calls. */
function stepTogether(stepsAt: readonly number[], aloneMs: number): { ms: number; runs: number } {
  const gaps = stepsAt.slice(1).map((ms, index) => ms - stepsAt[index]!);
  const calls = gaps.filter((ms) => ms > aloneMs / 5);
  return { ms: median(calls), runs: stepsAt.length / calls.length };
}

/** Starts a run, lets it make some steps, and cancels it at any point of one. */
async function cancelRunning(client: BenchClient, stepMs: number): Promise<Cancelled> {
  const seed = seeds++;
  let onStep = () => {};
  let stepsAfter = 0;
  let sent = false;
  const stepped = new Promise<void>((resolve) => (onStep = resolve));
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
  return { at, stoppedMs: (await endOf(seed)) - at, toldMs, stepsAfter };
}

/** All but the first of many tasks of one client are waiting when they are cancelled. */
async function cancelWaiting(client: BenchClient): Promise<number[]> {
  let onTaken = () => {};
  const taken = new Promise<void>((resolve) => (onTaken = resolve));
  const tasks = Array.from({ length: 60 }, (_, n) => client.start(longTask(seeds++), () => n === 59 && onTaken()));
  await taken;
  const toldMs: number[] = [];
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

await using server = await BenchServer.start(['--device', options.provider], './watchedServer.js');
server.child.listen<RunEnded>(onEnded);
const client = await BenchClient.connect(server.url);
const figures: Figure[] = [];
console.error('a step alone …');
await stepAlone(client);
for (const count of options.others) {
  console.error(`beside ${count} others …`);
  const aloneMs = await stepAlone(client);
  await using others = await Others.start(server.url, count);
  // Batches are found out before anything counts.
  const from = count * 6;
  while (others.stepsAt.length < from) await sleep(20);
  const cancelled: Cancelled[] = [];
  for (let trial = 0; trial < trials; trial++) cancelled.push(await cancelRunning(client, aloneMs));
  const metDecoding = ({ at, stoppedMs }: Cancelled) =>
    decodings.some(({ from, to }) => from < at + stoppedMs && to > at);
  const stopped = cancelled.filter((each) => !metDecoding(each)).map(({ stoppedMs }) => stoppedMs);
  const besideDecoding = cancelled.filter(metDecoding).map(({ stoppedMs }) => stoppedMs);
  const told = cancelled.map(({ toldMs }) => toldMs);
  const step = count === 0 ? { ms: aloneMs, runs: 1 } : stepTogether(others.stepsAt.slice(from), aloneMs);
  const who = count === 0 ? 'alone' : `beside ${count}`;
  const inSteps = (q: number, goal?: string): Figure => {
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
    ...(besideDecoding.length === 0
      ? []
      : [
          {
            name: `${who}: run stopped, at most, where another picture was decoded`,
            value: Math.max(...besideDecoding) / step.ms,
            unit: 'steps',
            detail: `${besideDecoding.length} cancels; ${Math.max(...besideDecoding).toFixed(1)} ms`,
          },
        ]),
    {
      name: `${who}: client told, p99`,
      value: quantile(told, 0.99),
      unit: 'ms',
      detail: `steps told of after the cancel was sent, at most: ${Math.max(...cancelled.map(({ stepsAfter }) => stepsAfter))}`,
    },
  );
}
console.error('waiting tasks …');
const waiting = await cancelWaiting(client);
figures.push(
  { name: 'a waiting task: out of the queue, p50', value: median(waiting), unit: 'ms' },
  { name: 'a waiting task: out of the queue, p99', value: quantile(waiting, 0.99), unit: 'ms' },
);
client.close();
printTable(figures);
