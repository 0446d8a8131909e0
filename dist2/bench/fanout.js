/**
 * `npm run bench:fanout`: what the server adds to a bare `ws` sender of the same frames, with 1,000 readers of the previews
 * of one task. This process is the load generator; the two senders are others, measured in turn. No model is involved.
 *
 *     npm run bench:fanout -- --sockets 1000 --rounds 9 --seconds 1
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from './child.js';
import { median, pairedRatio, printTable, quantile } from './figures.js';
import { readOptions, whole } from './options.js';
import { RawReader } from './rawReader.js';

const {
  sockets: count,
  rounds,
  seconds,
} = readOptions({
  sockets: whole(1000, 1, 10_000),
  rounds: whole(9, 1, 10),
  seconds: whole(1, 1, 2),
});
/** Ten looks a second, as a model of some size makes them. */
const calmMs = 100;
const calmTurns = 20;
/** Node raises the soft limit to the hard one when it starts, so this is what there is. */
function checkFileLimit() {
  const report = process.report?.getReport();
  const limit = Number(report?.userLimits?.open_files?.soft);
  if (!(limit < count + 100)) return;
  console.error(
    `This shell allows ${limit} open files, and ${count} sockets take ${count + 100}: run \`ulimit -n ${count + 100}\` first, or ask for fewer with --sockets.`,
  );
  process.exit(2);
}
/** One sender with its readers. */
class Side {
  tally = { frames: 0, bytes: 0, timed: false, arrivals: [], target: undefined };
  readers = [];
  #child;
  #url;
  constructor(child, url) {
    this.#child = child;
    this.#url = url;
  }
  static async start(module, argument) {
    const { child, first } = await Child.start(module, [argument]);
    return new Side(child, first.url);
  }
  async connect(sockets) {
    for (let left = sockets; left > 0; left -= 50) {
      const opening = Array.from({ length: Math.min(50, left) }, () => RawReader.open(this.#url, this.tally));
      this.readers.push(...(await Promise.all(opening)));
    }
  }
  async disconnect() {
    await Promise.all(this.readers.splice(0).map((reader) => reader.close()));
    await sleep(200);
  }
  measure(collectGarbage = false) {
    return this.#child.ask({ type: 'measure', collectGarbage });
  }
  next() {
    this.#child.tell({ type: 'next' });
  }
  /**
   * Sends for a while as fast as frames are taken: the next one is made when half of the readers have the last one, so
   * that there is always work and never a frame too many, which would be given up.
   */
  async flood() {
    const before = await this.measure();
    const first = this.tally.frames;
    const begun = performance.now();
    const end = begun + seconds * 1000;
    let asked = 0;
    while (performance.now() < end) {
      this.next();
      asked++;
      await this.#taken(first + (asked - 0.5) * count);
    }
    await this.#taken(first + asked * count);
    const took = performance.now() - begun;
    const { cpuMs } = await this.measure();
    const frames = asked * count;
    return { framesPerSecond: (frames / took) * 1000, cpuMsPerFrame: (cpuMs - before.cpuMs) / frames };
  }
  /** Milliseconds from the making of a frame to its arrival, at a pace that is no trouble. */
  async delays() {
    await this.measure();
    const first = this.tally.frames;
    this.tally.timed = true;
    for (let made = 0; made < calmTurns; made++) {
      this.next();
      await sleep(calmMs);
    }
    await this.#taken(first + calmTurns * count);
    this.tally.timed = false;
    const { madeAt } = await this.measure();
    const delays = this.tally.arrivals.map(({ step, at }) => at - madeAt.get(step));
    this.tally.arrivals = [];
    return delays;
  }
  /** Memory for each of the sockets while nothing is sent, in bytes. */
  async idle() {
    // So that code and buffers that any socket needs are not counted as theirs.
    await this.connect(Math.min(count, 200));
    await this.disconnect();
    await sleep(1000);
    const before = await this.measure(true);
    await this.connect(count);
    await sleep(300);
    const after = await this.measure(true);
    return { rss: (after.rssBytes - before.rssBytes) / count, heap: (after.heapBytes - before.heapBytes) / count };
  }
  async close() {
    await this.disconnect();
    await this.#child[Symbol.asyncDispose]();
  }
  /** Until so many frames have come. */
  #taken(frames) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`Only ${this.tally.frames} of ${frames} frames came.`)), 10_000);
      const reached = () => {
        clearTimeout(late);
        resolve();
      };
      if (this.tally.frames >= frames) reached();
      else this.tally.target = { frames, reached };
    });
  }
}
checkFileLimit();
const dataDir = await mkdtemp(join(tmpdir(), 'latentwire-bench-'));
const sides = [];
try {
  console.error(`memory of ${count} idle sockets …`);
  const server = await Side.start('./fanoutServer.js', dataDir);
  sides.push(server);
  const idle = await server.idle();
  // All of them ask for the same, so they all watch one task.
  const task = {
    taskType: 'imageInference',
    taskUUID: randomUUID(),
    positivePrompt: 'noise',
    width: 256,
    height: 256,
    seed: 1,
    previews: { delivery: 'binary', quality: 70 },
  };
  for (const reader of server.readers) reader.send(JSON.stringify([task]));
  for (let waited = 0; server.tally.frames < count; waited++) {
    if (waited > 50) throw new Error('The server sends no previews.');
    server.next();
    await sleep(100);
  }
  await sleep(500);
  const frameBytes = server.tally.bytes / server.tally.frames;
  const bare = await Side.start('./fanoutBare.js', String(Math.round(frameBytes)));
  sides.push(bare);
  const bareIdle = await bare.idle();
  console.error('frames per second …');
  const floods = { server: [], bare: [] };
  for (let round = 0; round < rounds; round++) {
    // The order turns around each time, so that neither side always follows the other.
    const order = [
      ['server', server],
      ['bare', bare],
    ];
    for (const [name, side] of round % 2 === 0 ? order : [...order].reverse()) floods[name].push(await side.flood());
  }
  console.error('delay …');
  const delays = { server: await server.delays(), bare: await bare.delays() };
  const rates = (name) => floods[name].map(({ framesPerSecond }) => framesPerSecond);
  const costs = (name) => floods[name].map(({ cpuMsPerFrame }) => cpuMsPerFrame);
  const kilobytes = (bytes) => bytes / 1024;
  const figures = [
    {
      name: 'fan-out',
      value: pairedRatio(rates('server'), rates('bare')),
      unit: '×',
      goal: '≥ 0.8',
      detail: `frames a second, server / bare ws; ${rounds} in turn, ${count} sockets`,
    },
    { name: 'server', value: median(rates('server')), unit: 'frames/s', detail: `of ${Math.round(frameBytes)} bytes` },
    { name: 'bare ws', value: median(rates('bare')), unit: 'frames/s' },
    {
      name: 'processor time of a frame',
      value: pairedRatio(costs('server'), costs('bare')),
      unit: '×',
      detail: 'server / bare ws',
    },
    {
      name: 'delay, p50',
      value: quantile(delays.server, 0.5),
      unit: 'ms',
      detail: `a preview every ${calmMs} ms to all sockets, from its pixels on`,
    },
    { name: 'delay, p99', value: quantile(delays.server, 0.99), unit: 'ms' },
    { name: 'bare ws: delay, p50', value: quantile(delays.bare, 0.5), unit: 'ms' },
    { name: 'bare ws: delay, p99', value: quantile(delays.bare, 0.99), unit: 'ms' },
    {
      name: 'memory of an idle socket',
      value: idle.rss / bareIdle.rss,
      unit: '×',
      goal: '≤ 1.5',
      detail: 'server / bare ws, resident',
    },
    {
      name: 'server: resident',
      value: kilobytes(idle.rss),
      unit: 'KiB',
      detail: `heap and buffers ${kilobytes(idle.heap).toFixed(1)} KiB`,
    },
    {
      name: 'bare ws: resident',
      value: kilobytes(bareIdle.rss),
      unit: 'KiB',
      detail: `heap and buffers ${kilobytes(bareIdle.heap).toFixed(1)} KiB`,
    },
  ];
  printTable(figures);
} finally {
  for (const side of sides) await side.close();
  await rm(dataDir, { recursive: true, force: true });
}
//# sourceMappingURL=fanout.js.map
