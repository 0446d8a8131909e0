/**
 * `npm run bench:interactive`: somebody draws, and every stroke supersedes the picture of the one before, alone and while
 * others generate. How soon the last stroke of a movement is seen, and what was computed for pictures nobody waits for.
 * This process is the load generator.
 *
 *     npm run bench:interactive -- --seconds 30 --rate 20 --others 4 --provider cpu
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchServer } from './benchServer.ts';
import { BenchClient, type StartedTask } from './client.ts';
import { type Figure, median, printTable, quantile } from './figures.ts';
import { flag, readOptions, text, whole } from './options.ts';
import { mixedTask, promptOf, type Random, seeded } from './tasks.ts';

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

interface Drawing {
  /** From a movement's last stroke to the first look at it, and to its picture. */
  lastFirstMs: number[];
  lastTotalMs: number[];
  /** The same of all strokes that were seen at all. */
  firstMs: number[];
  strokes: number;
  /** From a stroke to the end of the one it superseded. */
  supersedingMs: number[];
  /** Computed, for everybody. */
  steps: number;
  /** Of tasks that were finished. */
  usefulSteps: number;
  /** Waiting and handed over, at most. */
  mostUnfinished: number;
}

async function draw(server: BenchServer, beside: number, random: Random): Promise<Drawing> {
  const drawing: Drawing = {
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
  const stroke = (n: number): StartedTask =>
    client.start({ ...picture, positivePrompt: promptOf(n), seed: n, lane: 'canvas', previews });
  for (let drawnMs = 0; drawnMs < seconds * 1000; ) {
    // Half a second to two and a half, so that the last stroke meets the others at any point of their work.
    const movementMs = 500 + 2000 * random();
    const strokes: { task: StartedTask; at: number }[] = [];
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
      const [{ at }, next] = [strokes[index]!, strokes[index + 1]!];
      drawing.supersedingMs.push(times.totalMs - (next.at - at));
    }
    const last = ended.at(-1)!;
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

function figuresOf(who: string, drawing: Drawing): Figure[] {
  const { lastFirstMs, lastTotalMs, firstMs, strokes, supersedingMs, steps, usefulSteps } = drawing;
  const percent = (part: number, whole: number) => (100 * part) / whole;
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

await using server = await BenchServer.start(['--device', options.provider]);
console.error('warming up …');
const warm = await Promise.all(Array.from({ length: others + 1 }, () => BenchClient.connect(server.url)));
for (const size of [128, 192, 256]) {
  const task = { positivePrompt: promptOf(size), width: size, height: size, steps: 10 };
  await Promise.all(warm.map((client, seed) => client.run({ ...task, seed })));
}
for (const client of warm) client.close();
const figures: Figure[] = [];
for (const beside of [0, others]) {
  const who = beside === 0 ? 'alone' : `beside ${beside}`;
  console.error(`drawing ${who} …`);
  figures.push(...figuresOf(who, await draw(server, beside, seeded(beside))));
}
printTable(figures);
