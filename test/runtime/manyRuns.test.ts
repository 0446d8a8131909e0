import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunEvent } from '../../runtime/index.ts';
import { ManualClock } from '../helpers/clock.ts';
import { type ScriptStep, scripted, startScripted, writeZeros } from '../helpers/scriptedRuntime.ts';
import { collect, draw, never } from './runtimeSuite.ts';

let folder: string;
/** Files that weigh 10 MB each. */
let [one, two, three]: [string, string, string] = ['', '', ''];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-many-'));
  [one, two, three] = ['one', 'two', 'three'].map((name) => join(folder, `${name}.safetensors`)) as [
    string,
    string,
    string,
  ];
  for (const file of [one, two, three]) await writeZeros(file, { weight: ['F32', 2_500_000] });
});
afterAll(() => rm(folder, { recursive: true }));

const staged = (stage: 'encoding' | 'denoising'): ScriptStep => ({ event: { type: 'staged', stage } });
const stepped = (step: number): ScriptStep => ({ event: { type: 'stepped', step, steps: 5 } });
const atOnce: ScriptStep = { atOnce: true };

/** Files that a script waits for, by name. */
function signsIn(test: string) {
  const file = (name: string | number) => join(folder, `${test} ${name}`);
  return { file, give: (name: string | number) => writeFileSync(file(name), '') };
}

describe('runs under way at once', () => {
  test('are as many as the option says', async () => {
    await using runtime = startScripted({ liveRuns: 2 });
    await runtime.ready();
    const begun: string[] = [];
    const begin = (name: string) =>
      collect(runtime, scripted(one, [atOnce, staged('encoding'), { waitMs: 300 }]), never(), (event) => {
        if (event.type === 'staged') begun.push(name);
        if (event.type === 'finished') begun.push(`${name} done`);
      });
    await Promise.all(['a', 'b', 'c'].map(begin));
    expect(begun.slice(0, 2)).toEqual(['a', 'b']);
    expect(begun.indexOf('c')).toBeGreaterThan(begun.indexOf('a done'));
  });

  test('have no deadline while the process works on others', async () => {
    const clock = new ManualClock();
    await using runtime = startScripted({ deadlinesMs: { encoding: 2_400, denoising: 2_400 } }, clock);
    await runtime.ready();
    const signs = signsIn('busy');
    const steps = [0, 1, 2, 3, 4].flatMap((step): ScriptStep[] => [{ waitFor: signs.file(step) }, stepped(step)]);
    const silent = draw(runtime, scripted(two, [atOnce, staged('encoding'), { waitFor: signs.file('silent') }]));
    let step = 0;
    let last = Promise.resolve();
    await collect(
      runtime,
      scripted(one, [atOnce, { working: 'me' }, staged('denoising'), ...steps]),
      never(),
      (event) => {
        if (event.type !== 'staged' && event.type !== 'stepped') return;
        // Four times what the silent one may take, all in all.
        last = last.then(() => clock.advance(2_000)).then(() => signs.give(step++));
      },
    );
    await last;
    signs.give('silent');
    await silent;
    expect(runtime.status().restarts).toBe(0);
  });

  test('have one while the process works on nothing', async () => {
    const clock = new ManualClock();
    await using runtime = startScripted({ deadlinesMs: { encoding: 500 } }, clock);
    await runtime.ready();
    const signs = signsIn('nothing');
    const ending = draw(runtime, scripted(one, [atOnce, { working: 'me' }, { waitFor: signs.file('end') }]));
    const script: ScriptStep[] = [atOnce, staged('encoding'), { waitFor: signs.file('never') }];
    const silent = collect(runtime, scripted(two, script), never(), (event) => {
      if (event.type === 'staged') void clock.advance(5_000).then(() => signs.give('end'));
    });
    silent.catch(() => {});
    await ending;
    await clock.advance(501);
    await expect(silent).rejects.toMatchObject({ code: 'stageTimeout' });
  });

  test('that share a call which takes too long end with it, and the others go on', async () => {
    const clock = new ManualClock();
    await using runtime = startScripted({ deadlinesMs: { denoising: 1_500 } }, clock);
    await runtime.ready();
    const signs = signsIn('hung');
    const hang: ScriptStep = { waitFor: signs.file('never') };
    const mate = draw(runtime, scripted(one, [atOnce, staged('denoising'), hang]));
    const hung = draw(runtime, scripted(one, [atOnce, staged('denoising'), { working: 'all' }, hang]));
    const ends = Promise.allSettled([mate, hung]);
    const script: ScriptStep[] = [atOnce, staged('encoding'), { waitFor: signs.file('aside') }];
    let late = false;
    const aside = collect(runtime, scripted(two, script), never(), (event) => {
      if (event.type !== 'staged' || late) return;
      late = true;
      void clock.advance(1_501);
    });
    for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: { code: 'stageTimeout' } });
    signs.give('aside');
    // The next process is started without a pause.
    await clock.advance(0);
    await aside;
    expect(runtime.status().restarts).toBe(1);
  });
});

describe('a process that dies with many runs', () => {
  test('starts all of them again, those it was working on one at a time', async () => {
    await using runtime = startScripted();
    await runtime.ready();
    let killed = false;
    const order: string[] = [];
    const run = (name: string) => {
      const script: ScriptStep[] = [atOnce, staged('denoising'), { waitMs: 100 }, { working: 'all' }, stepped(0)];
      return collect(runtime, scripted(one, [...script, { waitMs: 200 }]), never(), (event: RunEvent) => {
        order.push(`${name} ${event.type}`);
        if (event.type !== 'stepped' || killed) return;
        killed = true;
        order.length = 0;
        process.kill(runtime.status().pid!, 'SIGKILL');
      });
    };
    const events = await Promise.all(['a', 'b', 'c'].map(run));
    expect(events.map((all) => all.at(-1)?.type)).toEqual(['finished', 'finished', 'finished']);
    const fromStart = order.slice(order.indexOf('a staged'));
    expect(fromStart).toEqual(
      ['a', 'b', 'c'].flatMap((name) => ['staged', 'stepped', 'finished'].map((type) => `${name} ${type}`)),
    );
    expect(runtime.status().restarts).toBe(1);
  });

  test('blames only what it was working on', async () => {
    await using runtime = startScripted();
    await runtime.ready();
    const deadly = () => scripted(one, [atOnce, staged('denoising'), { working: 'me' }, { waitMs: 50 }, { die: one }]);
    const innocent = Promise.all(
      [1, 2, 3].map(() => draw(runtime, scripted(two, [atOnce, staged('denoising'), { waitMs: 1_000 }]))),
    );
    await expect(draw(runtime, deadly())).rejects.toMatchObject({ code: 'runtimeLost' });
    await expect(draw(runtime, deadly())).rejects.toMatchObject({ code: 'modelUnavailable' });
    // More deaths than a run that is to blame survives.
    await innocent;
    expect(runtime.status().restarts).toBe(3);
    await draw(runtime, scripted(two));
  });
});

test('models that are still being loaded count towards the memory limit', async () => {
  const replaced: string[] = [];
  await using runtime = startScripted({
    memoryLimitBytes: 100e6,
    maxModels: 10,
    log: (_level, message) => message.includes('load another model') && replaced.push(message),
  });
  await draw(runtime, scripted(one, [], { memoryBytes: 85e6 }));
  const loading: ScriptStep[] = [atOnce, { event: { type: 'staged', stage: 'loading' } }, { waitMs: 200 }];
  await Promise.all([two, three].map((file) => draw(runtime, scripted(file, loading, { memoryBytes: 95e6 }))));
  expect(replaced).toHaveLength(1);
});
