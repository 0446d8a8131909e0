/**
 * `npm run bench:gpu`: what is worth knowing about a GPU, in the order of worth, within a time. It needs no network, and
 * rows are written as they are found, so that a run that is cut leaves the best. bench/README.md tells what they mean.
 *
 *     npm run bench:gpu -- --minutes 8 --device webgpu --out bench/results
 *
 * On a machine without Node: bench/gpu/pack and bench/gpu/run.
 */
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { flag, minutes, readOptions, text } from '../options.ts';
import { type Question, seconds } from './cases.ts';
import { killAll, type Measured, measure } from './measuring.ts';
import { type PartName, parts, shareOf } from './parts.ts';
import { counterparts, FOUR_BITS, Report, type Row, tableOf } from './report.ts';
import { shapes } from './shapes.ts';
import { transformerForPython, transformerNames } from './transformerShapes.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const options = readOptions({
  /** For everything; each part has its share. */
  minutes: minutes(8, 0.1, 240),
  device: text('webgpu'),
  /** A Python with torch, for the other side of the comparison; `none` leaves it out. */
  python: text('python3'),
  /** Names of parts, with commas between them. */
  only: text(parts.map(({ name }) => name).join(',')),
  /** Transformers in a tiny size, to try everything where there is no GPU; their figures mean nothing. */
  tiny: flag(),
  /** The folder for bench-gpu.json and bench-gpu.md. */
  out: text(join(root, 'bench/results')),
});
const only = options.only.split(',');
const unknown = only.filter((name) => !parts.some((part) => part.name === name));
if (unknown.length > 0) {
  console.error(`--only has no part "${unknown[0]}"; there are ${parts.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}
const endsAt = performance.now() + options.minutes * 60_000;
const leftMs = () => endsAt - performance.now();
/** What the last process has to end by itself. */
const spareMs = 1500;
await mkdir(options.out, { recursive: true });
const temp = await realpath(await mkdtemp(join(tmpdir(), 'latentwire-gpu-')));
const report = new Report(options.out, {
  begun: new Date().toISOString(),
  minutes: options.minutes,
  device: options.device,
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    killAll();
    await finish(`It was stopped by ${signal}.`);
    process.exit(1);
  });
}

const chosen = parts.filter(({ name }) => only.includes(name));
for (const [index, part] of chosen.entries()) {
  const before = performance.now();
  const budgetMs = shareOf(chosen.slice(index), leftMs());
  const lacking = whyNot(part.name);
  if (lacking !== undefined || budgetMs === undefined) {
    const tooLittle = `needs ${part.leastSeconds} s at least; ${seconds(Math.max(0, leftMs()))} are left for this and what follows`;
    report.add({ part: part.name, name: part.name, state: 'skipped', detail: lacking ?? tooLittle });
  } else {
    console.error(`${part.name}: up to ${seconds(budgetMs)} of ${seconds(leftMs())} …`);
    if (part.by === 'pytorch') await pytorch(part.name, budgetMs);
    else await latentwire(part.name, budgetMs);
  }
  console.log(`\n${tableOf(report.of(part.name))}\n${part.name}: ${seconds(performance.now() - before)}`);
  await report.write();
}
await finish();

/** Why a part makes no sense after what was found; undefined when it does. */
function whyNot(name: PartName): string | undefined {
  if (name === 'pytorch' && options.python === 'none') return '--python none';
  if (name === 'adapter' || name === 'pytorch') return undefined;
  const provider = report.rows.find((row) => row.part === 'adapter' && row.name === 'provider');
  return provider?.state === 'failed' ? `${options.device} does not start` : undefined;
}

/** Measures with our own runtime; a process that dies is replaced by one that goes on behind the case it died of. */
async function latentwire(part: PartName, budgetMs: number): Promise<void> {
  const until = performance.now() + budgetMs;
  const done: string[] = [];
  const died: string[] = [];
  for (let tries = 0; tries < 12; tries++) {
    const left = until - performance.now();
    const question: Question = {
      kind: part,
      device: options.device,
      budgetMs: Math.min(left, leftMs() - spareMs),
      done,
      died,
      tiny: options.tiny,
      temp,
      ...known(),
    };
    const ended = await measure({
      command: process.execPath,
      args: [fileURLToPath(new URL('./child.js', import.meta.url)), JSON.stringify(question)],
      env: { ...process.env, TMPDIR: temp },
      limitMs: limitOf(left),
      onRow: (row) => {
        report.add({ part, ...row });
        done.push(row.name);
      },
    });
    done.push(...ended.begun);
    if (ended.death === undefined) return;
    report.add(deathOf(part, ended));
    if (ended.dead === undefined || until - performance.now() < 3000) return;
    died.push(ended.dead);
  }
}

/** The same work in PyTorch, and the ratio of each row to ours. */
async function pytorch(part: PartName, budgetMs: number): Promise<void> {
  const theirs: Row[] = [];
  // Alone it measures everything.
  const measured = chosen.length > 1 ? only : parts.map(({ name }) => name);
  const transformers = transformerNames.filter((name) => measured.includes(name));
  const ended = await measure({
    command: options.python,
    args: [
      '-u',
      join(root, 'bench/gpu/pytorch.py'),
      '--seconds',
      String(Math.floor(Math.min(budgetMs, leftMs() - spareMs) / 1000)),
      '--unets',
      measured.filter((name) => name in shapes).join(','),
      '--transformers',
      JSON.stringify(Object.fromEntries(transformers.map((name) => [name, transformerForPython(name, options.tiny)]))),
    ],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', TORCHINDUCTOR_CACHE_DIR: join(temp, 'inductor') },
    limitMs: limitOf(budgetMs),
    onRow: (row) => {
      report.add({ part, ...row });
      theirs.push({ part, ...row });
    },
  });
  if (ended.death !== undefined) report.add(deathOf(part, ended));
  for (const row of theirs) {
    for (const ours of counterparts(report.rows, row)) {
      report.add({
        part,
        name: `${row.name}: ours${ours.name.endsWith(FOUR_BITS) ? FOUR_BITS : ''}`,
        state: 'measured',
        value: Number(ours.value) / Number(row.value),
        unit: row.unit === 'ms' ? "× PyTorch's time" : "× PyTorch's speed",
        detail: `${Number(ours.value).toPrecision(4)} against ${Number(row.value).toPrecision(4)} ${row.unit ?? ''}`,
      });
    }
  }
}

/**
 * When a process with so much time is ended: a call cannot be stopped, and one may take longer than it was thought to. But
 * never later than the run, whose machine may be rented by the minute.
 */
function limitOf(budgetMs: number): number {
  return Math.min(budgetMs * 1.2 + 2000, leftMs());
}

function deathOf(part: PartName, { death, dead }: Measured): Row {
  return { part, name: dead ?? part, state: 'failed', detail: death };
}

/** What earlier parts found out about the device. */
function known(): Pick<Question, 'speed' | 'bandwidth' | 'slow' | 'half' | 'provider'> {
  const find = (name: string) => report.rows.find((row) => row.name === name);
  const speed: Question['speed'] = {};
  for (const precision of ['float16', 'float32'] as const) {
    const found = find(`product of matrices, ${precision}`)?.numbers?.operationsPerSecond;
    if (typeof found === 'number') speed[precision] = found;
  }
  const provider = find('provider')?.provider;
  const traffic = find('memory traffic')?.numbers?.bytesPerSecond;
  const bandwidth = typeof traffic === 'number' ? traffic : undefined;
  const slow = report.of('peak').length > 0 && speed[provider?.precision ?? 'float32'] === undefined;
  return { speed, bandwidth, slow, half: (find('half precision')?.value ?? 'yes') === 'yes', provider };
}

async function finish(remark?: string): Promise<void> {
  report.about.ended = new Date().toISOString();
  if (remark !== undefined) report.about.remark = remark;
  await report.write();
  await rm(temp, { recursive: true, force: true });
  console.log(`\n${tableOf(report.rows)}\n`);
  if (remark !== undefined) console.log(remark);
  console.log(`written to ${join(options.out, 'bench-gpu.json')} and bench-gpu.md`);
}
