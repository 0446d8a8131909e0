import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Question } from '../../bench/gpu/cases.ts';
import { measure } from '../../bench/gpu/measuring.ts';
import { type Part, parts, shareOf } from '../../bench/gpu/parts.ts';
import { counterparts, Report, type Row, tableOf } from '../../bench/gpu/report.ts';
import { decoderOperations, halfBytes, shapes, unetOperations } from '../../bench/gpu/shapes.ts';
import { writeWeights } from '../../bench/gpu/weights.ts';
import { stableDiffusionXL } from '../../runtime/families/stableDiffusionXL.ts';
import { fromFloat16 } from '../../runtime/tensors/float16.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-bench-gpu-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const part = (name: string, seconds: number, leastSeconds = 1): Part => ({
  name,
  seconds,
  leastSeconds,
  by: 'latentwire',
});

describe('the time', () => {
  test('is divided in proportion, and what a part leaves over is for the later ones', () => {
    const [a, b, c] = [part('a', 10), part('b', 20), part('c', 10)];
    expect(shareOf([a, b, c], 80_000)).toBe(20_000);
    // The first took half of its time.
    expect(shareOf([b, c], 70_000)).toBeCloseTo(46_667, 0);
    expect(shareOf([c], 70_000)).toBe(70_000);
  });

  test('is not given to a part that cannot use so little', () => {
    expect(shareOf([part('a', 10, 5), part('b', 10)], 8000)).toBeUndefined();
    expect(shareOf([part('b', 10)], 8000)).toBe(8000);
    expect(shareOf([part('b', 10)], -3)).toBeUndefined();
  });

  test('of four minutes is enough for every part', () => {
    let left = 240_000;
    for (const [index] of parts.entries()) {
      const share = shareOf(parts.slice(index), left);
      expect(share, parts[index]!.name).toBeDefined();
      left -= share!;
    }
    expect(left).toBeCloseTo(0);
  });
});

describe('a measuring process', () => {
  const run = async (program: string, limitMs = 60_000) => {
    const file = join(folder, 'child.mjs');
    await writeFile(file, `const tell = (told) => console.log(JSON.stringify(told));\n${program}`);
    const rows: Omit<Row, 'part'>[] = [];
    const ended = await measure({
      command: process.execPath,
      args: [file],
      limitMs,
      onRow: (row) => rows.push(row),
    });
    return { rows, ended };
  };
  const begun = `tell({ begin: 'first' });
    tell({ row: { state: 'measured', name: 'first', value: 1 } });
    tell({ begin: 'second' });`;

  test('leaves what it found when it hangs, and the case that it hung in', async () => {
    // 2 s is what the process gets, not what anything is expected to take.
    const { rows, ended } = await run(`${begun} for (;;) {}`, 2000);
    expect(rows).toEqual([{ state: 'measured', name: 'first', value: 1 }]);
    expect(ended).toEqual({ death: 'took longer than 2 s', begun: ['first', 'second'], dead: 'second' });
  });

  test('is ended when a case takes longer than it may', async () => {
    const program = `${begun} tell({ row: { state: 'measured', name: 'second' } });
      tell({ begin: 'quick', limitMs: 300 });
      tell({ row: { state: 'measured', name: 'quick' } });
      setTimeout(() => { tell({ begin: 'third', limitMs: 300 }); for (;;) {} }, 600);`;
    const { rows, ended } = await run(program);
    // The limit of a case that has ended is no more.
    expect(rows.map(({ name }) => name)).toEqual(['first', 'second', 'quick']);
    expect(ended).toMatchObject({ death: 'took longer than 0.3 s', dead: 'third' });
  });

  test('leaves what it found when it crashes, and how', async () => {
    const { rows, ended } = await run(`${begun} process.kill(process.pid, 'SIGSEGV'); for (;;) {}`);
    expect(rows).toHaveLength(1);
    expect(ended).toMatchObject({ death: 'the process was ended by SIGSEGV', dead: 'second' });
  });

  test('tells the last words of an error', async () => {
    const { ended } = await run(`${begun} throw new Error('the device is lost');`);
    expect(ended.death).toMatch(/^the process ended with 1: .*the device is lost/);
  });

  test('may say other things, and end well', async () => {
    const { rows, ended } = await run(`console.log('{"level":50,"msg":"a log line"}'); console.log('{'); ${begun}`);
    expect(rows).toHaveLength(1);
    expect(ended).toMatchObject({ death: undefined, dead: undefined });
  });

  test('that cannot be started is told of', async () => {
    const ended = await measure({ command: join(folder, 'nothing'), args: [], limitMs: 60_000, onRow: () => {} });
    expect(ended.death).toMatch(/^could not be started: .*ENOENT/);
  });
});

describe('the report', () => {
  const measured: Row = { part: 'peak', name: 'product', state: 'measured', value: 12.34567, unit: 'TFLOP/s' };
  const failed: Row = { part: 'peak', name: 'traffic', state: 'failed', detail: 'lost | device\nat once' };

  test('is a table with one line for each row, whatever an error said', () => {
    const lines = tableOf([measured, failed]).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[2]).toMatch(/^\| peak +\| product +\| 12\.35 TFLOP\/s +\|/);
    expect(lines[3]).toMatch(/\| failed +\| lost \/ device at once +\|$/);
  });

  test('is whole on disk after every row', async () => {
    const report = new Report(folder, { device: 'cpu' });
    const onDisk = async () => JSON.parse(await readFile(join(folder, 'bench-gpu.json'), 'utf8'));
    report.add(measured);
    await report.write();
    expect(await onDisk()).toEqual({ device: 'cpu', rows: [measured] });
    report.add(failed);
    await report.write();
    expect((await onDisk()).rows).toHaveLength(2);
    expect(await readFile(join(folder, 'bench-gpu.md'), 'utf8')).toContain('traffic');
  });
});

test('a row of PyTorch is compared with ours of the same work, in 16 and in 4 bits', () => {
  const row = (part: string, name: string, value?: number): Row => ({ part, name, state: 'measured', value });
  const rows = [
    row('klein', 'step', 5),
    row('klein', 'step, 4 bits', 6),
    row('klein', 'step, 2 rows', 9),
    row('pytorch', 'step', 4),
    { part: 'klein', name: 'text', state: 'failed' } as const,
  ];
  const ours = (name: string, value?: number) =>
    counterparts(rows, row('pytorch', name, value)).map((own) => own.value);
  expect(ours('step', 4)).toEqual([5, 6]);
  expect(ours('step, torch.compile', 4)).toEqual([5, 6]);
  expect(ours('step, 2 rows', 4)).toEqual([9]);
  expect(ours('text', 4)).toEqual([]);
  expect(ours('step')).toEqual([]);
});

test('the networks have as many weights as the published ones', () => {
  // Parameters of the UNets in the weights of runwayml/stable-diffusion-v1-5 and stabilityai/stable-diffusion-xl-base-1.0.
  expect(halfBytes(shapes.sd15.unet.plan()) / 2).toBe(859_520_964);
  expect(halfBytes(shapes.sdxl.unet.plan()) / 2).toBe(2_567_463_684);
});

test('their weights are written, and graphs for all of them', async () => {
  for (const { unet, decoder, encoder } of Object.values(shapes)) {
    for (const { component, config, plan } of [unet, decoder, encoder]) {
      // Where the bytes are does not matter for writing a graph.
      const tensors = new Map(
        plan().map(({ name, shape }) => {
          const length = 2 * shape.reduce((product, dim) => product * dim, 1);
          return [name, { dtype: 'F16', shape, file: '/weights.bin', offset: 0, length }] as const;
        }),
      );
      const { weightBytes } = stableDiffusionXL.networks[component]!.write(config, tensors, {
        precision: 'float16',
        attention: 'plain',
      });
      // No weight is left over.
      expect(weightBytes).toBe(halfBytes(plan()));
    }
  }
  const small = [
    { name: 'a', shape: [3, 5], spread: 0.5 },
    { name: 'b', shape: [7], spread: 'one' },
    { name: 'c', shape: [2, 2], spread: 0.5 },
  ] as const;
  const tensors = await writeWeights(folder, small);
  const bytes = await readFile(tensors.get('a')!.file);
  const valuesOf = (name: string) => {
    const { offset, length } = tensors.get(name)!;
    return [...fromFloat16(new Uint16Array(Uint8Array.from(bytes.subarray(offset, offset + length)).buffer))];
  };
  expect(valuesOf('a')).toHaveLength(15);
  // Tensors of one spread share their bytes; scales lie around one.
  expect(valuesOf('c')).toEqual(valuesOf('a').slice(0, 4));
  expect(valuesOf('b').every((value) => value > 0.8 && value < 1.2)).toBe(true);
  expect(new Set(valuesOf('b')).size).toBeGreaterThan(5);
});

test('arithmetic is counted for each position of each layer', () => {
  const conv = { shape: [8, 4, 3, 3], spread: 1 } as const;
  const weights = [
    { ...conv, name: 'conv_in.weight' },
    { ...conv, name: 'down_blocks.1.resnets.0.conv1.weight' },
  ];
  // Two operations for each of 288 weights: at 16×16 positions, and at 8×8 one block further down.
  expect(unetOperations(weights, 16)).toBe(2 * 288 * (256 + 64));
  // The last convolution of a decoder is of the picture's size, eight times the latents'.
  expect(decoderOperations([{ ...conv, name: 'decoder.conv_out.weight' }], 16)).toBe(2 * 288 * 128 ** 2);
});

describe('a run', () => {
  const run = async (...args: string[]) => {
    const main = join(import.meta.dirname, '../../dist/bench/gpu/main.js');
    const { stdout } = await promisify(execFile)(process.execPath, [main, ...args, '--out', folder]);
    const { rows, ended } = JSON.parse(await readFile(join(folder, 'bench-gpu.json'), 'utf8'));
    expect(ended).toBeDefined();
    const find = (name: string) => (rows as Row[]).find((row) => row.name === name);
    return { stdout, find };
  };

  test('compares the embedded model with the CPU, and tells what it left out', async () => {
    const only = ['--only', 'adapter,correctness,pytorch', '--python', 'none'];
    const { stdout, find } = await run('--device', 'cpu', '--minutes', '5', ...only);
    expect(find('provider')?.value).toBe('cpu');
    // The reference is the same provider, so float32 is the same to the bit.
    expect(find('embedded unet, float32')).toMatchObject({ state: 'measured', value: 0 });
    expect(find('embedded text_encoder, float32')).toMatchObject({ state: 'measured', value: 0 });
    for (const family of ['SD 3.5', 'FLUX.1', 'FLUX.2 klein', 'Z-Image']) {
      expect(find(`tiny transformer like ${family}, float32`), family).toMatchObject({ state: 'measured', value: 0 });
    }
    // On the CPU products of blocks round what they multiply to 8 bits.
    const rounded = find('tiny transformer like FLUX.2 klein in Q4_0, float32')?.value;
    expect(rounded).toBeGreaterThan(1e-4);
    expect(rounded).toBeLessThan(0.1);
    expect(find('pytorch')).toMatchObject({ state: 'skipped', detail: '--python none' });
    expect(stdout).toContain('embedded unet, float32');
  });

  test('measures transformers and their text encoders, in half precision and in 4 bits', async () => {
    const { find } = await run('--device', 'cpu', '--minutes', '5', '--only', 'klein,z-image', '--tiny');
    for (const title of ['tiny FLUX.2 klein', 'tiny Z-Image']) {
      for (const ending of ['', ', 4 bits']) {
        for (const work of [' step, 64², 1 row', ' step, 128², 2 rows', ' text']) {
          const row = find(`${title}${work}${ending}`);
          expect(row, `${title}${work}${ending}`).toMatchObject({ state: 'measured', unit: 'ms' });
          expect(row!.detail).not.toContain('not finite');
        }
        expect(find(`${title}, opening${ending}`)).toMatchObject({ state: 'measured', unit: 's' });
        expect(find(`${title}, memory${ending}`)).toMatchObject({ state: 'measured', unit: 'GiB' });
      }
    }
    const bytesOf = (name: string) => find(name)?.numbers?.weightBytes as number;
    const [whole, few] = ['', ', 4 bits'].map((ending) => bytesOf(`tiny Z-Image step, 64², 1 row${ending}`));
    // On the CPU scales are float32: five bits for each weight of a matrix.
    expect(few! / whole!).toBeCloseTo(5 / 16, 1);
  });

  test('goes on behind what a process died of, but not with more of the same', async () => {
    const title = 'tiny FLUX.2 klein';
    const died = [`${title} step, 128², 1 row`];
    const done = [`${title}, opening`, ...died, ...[`${title} text`, `${title} text, 4 bits`]];
    const asked = { kind: 'klein', device: 'cpu', budgetMs: 120_000, speed: {}, slow: false, half: true, tiny: true };
    const question: Question = { ...asked, temp: folder, done, died };
    const rows: Omit<Row, 'part'>[] = [];
    const child = join(import.meta.dirname, '../../dist/bench/gpu/child.js');
    const onRow = (row: Omit<Row, 'part'>) => rows.push(row);
    const args = [child, JSON.stringify(question)];
    await measure({ command: process.execPath, args, limitMs: 120_000, onRow });
    const states = Object.fromEntries(rows.map(({ name, state }) => [name, state]));
    expect(states).toMatchObject({
      [`${title} step, 64², 1 row`]: 'measured',
      [`${title} step, 64², 2 rows`]: 'skipped',
      [`${title} step, 128², 2 rows`]: 'skipped',
      [`${title} step, 128², 1 row, 4 bits`]: 'measured',
    });
    for (const name of done) expect(states).not.toHaveProperty([name]);
  });

  test('says why a device does not start, and leaves out what needs it', async () => {
    // A name that chooseProvider refuses everywhere, whatever the machine has.
    const { find } = await run('--device', 'nothing', '--minutes', '1', '--only', 'adapter,peak,mixed');
    expect(find('provider')).toMatchObject({ state: 'failed', detail: expect.stringContaining('nothing') });
    expect(find('peak')).toMatchObject({ state: 'skipped', detail: 'nothing does not start' });
    expect(find('mixed')).toMatchObject({ state: 'skipped' });
  });
});
