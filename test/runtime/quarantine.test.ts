import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MODEST_PIXELS, Quarantine } from '../../runtime/process/quarantine.ts';
import { ManualClock } from '../helpers/clock.ts';

let folder: string;
let files: string[];
let clock: ManualClock;
let quarantine: Quarantine;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-quarantine-'));
  files = [join(folder, 'model'), join(folder, 'lora')];
  for (const file of files) await writeFile(file, 'weights');
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => {
  clock = new ManualClock(0);
  quarantine = new Quarantine(clock);
});

const large = 2048 * 2048;
const run = (pixels: number, ofFiles = files.slice(0, 1)) => ({ files: ofFiles, pixels });
const die = (pixels: number) => quarantine.died([run(pixels)], 'SIGKILL');

describe('a model that kills under modest pictures', () => {
  test('is set aside for a minute, then for twice as long each time, and never for more than an hour', async () => {
    die(MODEST_PIXELS);
    expect(quarantine.against(run(64))).toBeUndefined();
    const times: number[] = [];
    for (let round = 0; round < 9; round++) {
      // The first time it takes two deaths, later one.
      const [aside] = die(MODEST_PIXELS);
      times.push(aside!.retryAfterMs);
      await clock.advance(aside!.retryAfterMs - 1);
      expect(quarantine.against(run(64))).toMatchObject({ fromPixels: 0, retryAfterMs: 1 });
      await clock.advance(1);
      expect(quarantine.against(run(64))).toBeUndefined();
      expect(quarantine.list()).toEqual([]);
    }
    expect(times.map((ms) => ms / 60_000)).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });

  test('is as good as new once a picture of it ended', async () => {
    die(0);
    const [aside] = die(0);
    await clock.advance(aside!.retryAfterMs);
    quarantine.survived(run(64));
    expect(die(0)).toEqual([]);
    expect(die(0)).toMatchObject([{ retryAfterMs: 60_000 }]);
  });

  test('is tried at once when its files change', async () => {
    die(0);
    die(0);
    await utimes(files[0]!, new Date(1), new Date(1));
    expect(quarantine.against(run(64))).toBeUndefined();
    expect(die(0)).toEqual([]);
  });

  test('is refused with more files too, and with less only where it killed alone', () => {
    for (let i = 0; i < 2; i++) quarantine.died([run(0, files)], 'SIGKILL');
    expect(quarantine.against(run(0, files))?.reason).toContain('this model with the same parts');
    expect(quarantine.against(run(0))).toBeUndefined();
    die(0);
    die(0);
    expect(quarantine.against(run(0))?.reason).toContain('2 times in a row while running this model (SIGKILL)');
  });
});

describe('a model that kills under large pictures', () => {
  test('is refused for pictures of the smallest size that killed, and goes on for smaller ones', async () => {
    die(large);
    const [aside] = die(large / 2);
    expect(aside).toMatchObject({ fromPixels: large / 2, retryAfterMs: 60_000 });
    expect(aside!.reason).toContain(`pictures of ${large / 2} pixels and more are blocked for 60 s`);
    expect(quarantine.against(run(large))).toBeDefined();
    expect(quarantine.against(run(large / 2))).toBeDefined();
    expect(quarantine.against(run(large / 2 - 1))).toBeUndefined();
    await clock.advance(60_000);
    expect(quarantine.against(run(large))).toBeUndefined();
  });

  test('is not set aside for two large pictures and a modest one', () => {
    die(large);
    die(MODEST_PIXELS);
    die(large);
    expect(quarantine.against(run(MODEST_PIXELS))).toBeUndefined();
    expect(quarantine.list()).toMatchObject([{ fromPixels: large }]);
  });

  test('stays refused when a small picture ends, and is not when one of that size does', async () => {
    die(large);
    quarantine.survived(run(64));
    expect(die(large)).toHaveLength(1);
    await clock.advance(60_000);
    quarantine.survived(run(large));
    expect(die(large)).toEqual([]);
  });
});
