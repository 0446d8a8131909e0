import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeModel, startDescriber } from '../../runtime/index.ts';
import { ManualClock } from '../helpers/clock.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';

let folder: string;
/** Does what the last word of a path says. */
let program: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-describer-'));
  program = join(folder, 'program.mjs');
  await writeFile(
    program,
    `import { writeFileSync } from 'node:fs';
    process.on('disconnect', () => process.exit(0));
    process.on('message', ({ id, path }) => {
      if (path.endsWith('die')) process.kill(process.pid, 'SIGKILL');
      if (path.endsWith('hang')) {
        writeFileSync(path, '');
        // The regular expression of a hostile file, which no signal but SIGKILL ends.
        /^(a+)+$/.test('a'.repeat(60) + '!');
      }
      process.send({ id, model: { folder: path, description: String(process.pid) } });
    });`,
  );
});
afterAll(() => rm(folder, { recursive: true }));

test('says what describeModel says, of good folders, good files, and what is not there', async () => {
  await using describer = startDescriber();
  const paths = [
    modelFolder('tiny-sd15'),
    join(modelsFolder, 'tiny-sd15-lora.safetensors'),
    join(modelsFolder, 'tiny-taesd'),
    join(modelsFolder, 'nothing'),
    join(modelsFolder, 'README.md'),
  ];
  const described = await Promise.all(paths.map((path) => describer.describe(path)));
  expect(described).toEqual(await Promise.all(paths.map((path) => describeModel(path))));
  expect(described.map(({ available }) => available)).toEqual([true, true, true, false, false]);
});

test('files that take too long are unavailable, and those behind them are described', async () => {
  const clock = new ManualClock();
  await using describer = startDescriber({ limitMs: 5_000, clock }, program);
  const hanging = join(folder, 'hang');
  const described = Promise.all([describer.describe(hanging), describer.describe('/next')]);
  await expect.poll(async () => (await import('node:fs')).existsSync(hanging), { timeout: 20_000 }).toBe(true);
  await clock.advance(5_000);
  expect(await described).toMatchObject([
    { folder: hanging, available: false, reason: 'Reading its files took longer than 5 s.' },
    { folder: '/next' },
  ]);
});

test('files that take the process down are unavailable, and those behind them are described', async () => {
  await using describer = startDescriber({}, program);
  const described = await Promise.all(['/a', '/die', '/b'].map((path) => describer.describe(path)));
  expect(described).toMatchObject([
    { folder: '/a' },
    {
      folder: '/die',
      available: false,
      reason: expect.stringMatching(/^The process that read its files ended \(SIGKILL\)/),
    },
    { folder: '/b' },
  ]);
  const pids = [described[0]!, described[2]!].map(({ description }) => description);
  expect(pids[0]).not.toBe(pids[1]);
});

test('the process ends when it has had nothing to do for a while, and another one begins when there is', async () => {
  const clock = new ManualClock();
  await using describer = startDescriber({ restMs: 1_000, clock }, program);
  const pidOf = async () => (await describer.describe('/a')).description;
  const first = await pidOf();
  await clock.advance(999);
  expect(await pidOf()).toBe(first);
  await clock.advance(1_000);
  expect(await pidOf()).not.toBe(first);
});

test('what is asked for when it is closed ends too', async () => {
  const describer = startDescriber({}, program);
  const asked = [describer.describe(join(folder, 'hang')), describer.describe('/b')];
  await describer.close();
  expect(await Promise.all(asked)).toMatchObject([{ available: false }, { available: false }]);
  expect(await describer.describe('/c')).toMatchObject({ available: false, reason: 'The server is stopping.' });
});
