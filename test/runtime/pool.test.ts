import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type GenerateRequest,
  type RunEvent,
  type Runtime,
  type RuntimeOptions,
  startRuntime,
} from '../../runtime/index.ts';
import { ManualClock } from '../helpers/clock.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { type ScriptStep, scripted, startScripted, writeZeros } from '../helpers/scriptedRuntime.ts';
import { collect, draw, never } from './runtimeSuite.ts';

const [modelA, modelB] = [modelFolder('tiny-sd15'), modelFolder('tiny-sd21-v')];

const request = (changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  model: modelA,
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 4,
  guidanceScale: 5,
  seed: 42n,
  ...changes,
});

const startTwo = (options: Partial<RuntimeOptions> = {}): Runtime =>
  startRuntime({ provider: ['cpu', 'cpu'], log: () => {}, ...options });

const devicesOf = (runtime: Runtime) => runtime.status().devices!;
const kill = (runtime: Runtime, device: number) => process.kill(devicesOf(runtime)[device]!.pid!, 'SIGKILL');
const stepsOf = (events: RunEvent[]) => events.flatMap((event) => (event.type === 'stepped' ? event.step : []));

let folder: string;
/** Files that weigh 10 MB each. */
let [one, two]: [string, string] = ['', ''];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-pool-'));
  [one, two] = [join(folder, 'one.safetensors'), join(folder, 'two.safetensors')];
  for (const file of [one, two]) await writeZeros(file, { weight: ['F32', 2_500_000] });
});
afterAll(() => rm(folder, { recursive: true }));

/** A file that scripts wait for. */
function signal(name: string) {
  const path = join(folder, name);
  return { path, give: () => writeFile(path, '') };
}

/** Of the cores, for one of two devices. */
const half = Math.max(1, Math.floor(availableParallelism() / 2));

describe('two devices', () => {
  test('start a process each, with names of their own', async () => {
    await using runtime = startTwo();
    await runtime.ready();
    expect(runtime.status()).toMatchObject({ state: 'ready', provider: 'cpu', restarts: 0, models: [] });
    expect(runtime.status().pid).toBeUndefined();
    const devices = devicesOf(runtime);
    expect(devices).toMatchObject([
      { device: 'cpu#1', state: 'ready', runs: 0 },
      { device: 'cpu#2', state: 'ready', runs: 0 },
    ]);
    expect(new Set(devices.map(({ pid }) => pid)).size).toBe(2);
  });

  test('hold one model each, and load neither again while both are used', async () => {
    const loaded: string[] = [];
    const log: RuntimeOptions['log'] = (_level, message, fields) => {
      if (message !== 'A component was loaded.') return;
      const { device, model, component } = fields as Record<string, string>;
      loaded.push(`${device} ${model} ${component}`);
    };
    await using runtime = startTwo({ maxModels: 1, log });
    for (let round = 0; round < 4; round++) {
      await Promise.all([draw(runtime, request({ model: modelA })), draw(runtime, request({ model: modelB }))]);
    }
    expect(
      devicesOf(runtime)
        .map(({ models }) => models)
        .sort(),
    ).toEqual([[modelA], [modelB]]);
    expect(loaded).toEqual([...new Set(loaded)]);
    expect(new Set(loaded.map((line) => line.split(' ').slice(0, 2).join())).size).toBe(2);
    expect(runtime.status()).toMatchObject({ restarts: 0 });
  });

  test('share one model when there is more to do than one of them does soon, with the same pictures', async () => {
    await using alone = startRuntime({ provider: 'cpu', log: () => {}, rowsPerCall: 1 });
    await using runtime = startTwo({ rowsPerCall: 1 });
    const requests = Array.from({ length: 16 }, (_value, index) =>
      request({ seed: BigInt(index), width: 128, height: 128, steps: 6 }),
    );
    const pictures = await Promise.all(requests.map((each) => draw(runtime, each)));
    for (const { models, calls = [] } of devicesOf(runtime)) {
      expect(models).toEqual([modelA]);
      expect(calls.find(({ component }) => component === 'unet')!.calls).toBeGreaterThan(0);
    }
    const unets = runtime.status().calls!.filter(({ component }) => component === 'unet');
    expect(unets.reduce((sum, { rows, calls }) => sum + rows * calls, 0)).toBe(16 * 6 * 2);
    for (const index of [0, 7, 15]) expect(pictures[index]).toEqual(await draw(alone, requests[index]!));
  });

  test('end a run on either when it is cancelled, and draw on', async () => {
    await using runtime = startTwo();
    const controllers = [new AbortController(), new AbortController()];
    const runs = [modelA, modelB].map((model, index) =>
      collect(runtime, request({ model, steps: 500 }), controllers[index]!.signal, (event) => {
        if (event.type === 'stepped' && event.step === 1) controllers[index]!.abort(new Error(`stop ${index}`));
      }),
    );
    const ends = await Promise.allSettled(runs);
    expect(ends.map((end) => end.status === 'rejected' && end.reason.message)).toEqual(['stop 0', 'stop 1']);
    expect(devicesOf(runtime).map(({ runs: count }) => count)).toEqual([0, 0]);
    await Promise.all([draw(runtime, request()), draw(runtime, request({ model: modelB }))]);
  });

  test('both finish their runs when they are closed with time to do so, and then take no more', async () => {
    const runtime = startTwo();
    await runtime.ready();
    let [begun, begin] = [0, () => {}];
    const bothBegun = new Promise<void>((resolve) => {
      begin = () => ++begun === 2 && resolve();
    });
    const runs = [modelA, modelB].map((model) =>
      collect(runtime, request({ model }), never(), (event) => event.type === 'started' && begin()),
    );
    await bothBegun;
    await runtime.close(60_000);
    for (const events of await Promise.all(runs)) expect(events.at(-1)?.type).toBe('finished');
    await expect(draw(runtime, request())).rejects.toMatchObject({ code: 'runtimeLost' });
    expect(runtime.status()).toMatchObject({ state: 'stopped', devices: [{ state: 'stopped' }, { state: 'stopped' }] });
  });

  test.each([
    [['cpu', 'cpu'], {}, [half, half]],
    [['cpu', 'cpu'], { threads: 5 }, [5, 5]],
    // A GPU computes with threads of its own.
    [['cuda', 'cpu'], {}, ['any number of', 'any number of']],
  ])('%j with %j have their threads', async (provider, options, threads) => {
    await using runtime = startScripted({ provider, ...options });
    await runtime.ready();
    const reasons = devicesOf(runtime).map(({ providerReason }) => providerReason);
    expect(reasons).toEqual(threads.map((count) => `a test asked for ${count} threads`));
  });

  test('have equal parts of the memory limit', async () => {
    await using runtime = startScripted({ provider: ['cpu', 'cpu'], memoryLimitBytes: 18e6 });
    await expect(draw(runtime, scripted(one))).rejects.toMatchObject({
      code: 'modelUnavailable',
      message: 'This model needs about 10 MB of memory, but the memory limit is 9 MB.',
    });
  });

  test('are refused where they are named wrongly', () => {
    const start = (...provider: string[]) => startRuntime({ provider, log: () => {} });
    expect(() => start('cuda', 'cuda:0')).toThrow(
      'cuda (which is cuda:0) is named twice. Only cpu may be named several times.',
    );
    expect(() => start('cpu', 'auto')).toThrow(/^auto chooses one device/);
    expect(() => start('cpu', 'tpu')).toThrow('There is no provider "tpu". There are: auto, cuda');
    expect(() => start()).toThrow(/^No device is named\./);
  });

  test('are not ready where one of them does not start', async () => {
    await using runtime = startRuntime({ provider: ['cpu', 'cuda:99'], log: () => {} });
    await expect(runtime.ready()).rejects.toThrow(/^The provider cuda:99 does not start: /);
    // Whoever goes on nevertheless has the other.
    expect(await draw(runtime, request())).toMatchObject({ width: 64 });
    expect(devicesOf(runtime)).toMatchObject([
      { device: 'cpu', state: 'ready' },
      { device: 'cuda:99', state: 'stopped' },
    ]);
  });
});

test('a run goes where its own share has little to do, since it does not wait for all of another share', async () => {
  await using runtime = startScripted({ provider: ['cpu', 'cpu'] });
  await runtime.ready();
  const go = signal('shares');
  const large = { width: 1024, height: 1024 };
  // So much work at once that both come to hold the model.
  const warm = () => draw(runtime, scripted(one, [{ loaded: 1e6 }], { ...large, steps: 50 }));
  await Promise.all([warm(), warm(), warm()]);
  expect(devicesOf(runtime).map(({ models }) => models)).toEqual([[one], [one]]);
  const runs = () => devicesOf(runtime).map((device) => device.runs);
  const begin = (key: string, steps: number) =>
    draw(runtime, scripted(one, [{ waitFor: go.path }], { ...large, steps, share: { key, weight: 1 } }));

  const all = [begin('busy', 20)];
  await expect.poll(() => Math.max(...runs())).toBe(1);
  const busy = runs().indexOf(1);
  all.push(begin('other', 4));
  await expect.poll(runs).toEqual([1, 1]);
  // By work alone it would wait for 20 steps there, and for 4 here. But of the 20, only 2 go before it.
  all.push(begin('other', 2));
  await expect.poll(() => runs()[busy]).toBe(2);
  await go.give();
  await Promise.all(all);
  expect(runs()).toEqual([0, 0]);
});

describe('a process that is killed', () => {
  test('has its run drawn again, in the same picture, and the other device is not disturbed', async () => {
    await using runtime = startTwo();
    const longer = { steps: 12, width: 128, height: 128 };
    const undisturbed = await Promise.all(
      [modelA, modelB].map((model) => draw(runtime, request({ model, ...longer }))),
    );
    const killed = devicesOf(runtime).findIndex(({ models }) => models.includes(modelA));
    let done = false;
    const [struck, other] = await Promise.all([
      collect(runtime, request({ model: modelA, ...longer }), never(), (event) => {
        if (event.type !== 'stepped' || event.step !== 2 || done) return;
        done = true;
        kill(runtime, killed);
      }),
      collect(runtime, request({ model: modelB, ...longer })),
    ]);
    expect(struck.at(-1)).toMatchObject({ type: 'finished', pixels: undisturbed[0] });
    expect(struck.filter(({ type }) => type === 'started')).toHaveLength(1);
    expect(other.at(-1)).toMatchObject({ type: 'finished', pixels: undisturbed[1] });
    expect(stepsOf(other)).toEqual(Array.from({ length: 12 }, (_value, step) => step));
    const { devices, restarts, lastLoss } = runtime.status();
    expect(devices!.map((device) => device.restarts)).toEqual(killed === 0 ? [1, 0] : [0, 1]);
    expect({ restarts, lastLoss }).toMatchObject({ restarts: 1, lastLoss: { reason: 'SIGKILL' } });
  });

  test('for the second time leaves runs that wait behind it to the other device, before it comes back', async () => {
    const clock = new ManualClock();
    await using runtime = startScripted({ provider: ['cpu', 'cpu'], liveRuns: 1 }, clock);
    await runtime.ready();
    const states = () => devicesOf(runtime).map(({ state }) => state);
    for (const device of [0, 1]) kill(runtime, device);
    await expect.poll(states).toEqual(['restarting', 'restarting']);
    await clock.advance(0);
    await expect.poll(states).toEqual(['ready', 'ready']);

    const go = signal('behind');
    const script: ScriptStep[] = [{ event: { type: 'started', steps: 1 } }, { waitFor: go.path }];
    const first = collect(runtime, scripted(one, script));
    const runs = () => devicesOf(runtime).map((device) => device.runs);
    await expect.poll(runs).toContain(1);
    const at = runs().indexOf(1);
    const behind = draw(runtime, scripted(one));
    await expect.poll(() => runs()[at]).toBe(2);
    kill(runtime, at);
    // The clock stands still, so the process that was killed does not start again.
    await behind;
    expect(states()[at]).toBe('restarting');
    expect(runtime.status().state).toBe('ready');
    await go.give();
    await clock.advance(1_000);
    expect((await first).filter(({ type }) => type === 'started')).toHaveLength(1);
  });
});

describe('a model that brings its process down', () => {
  const deadly: ScriptStep[] = [{ event: { type: 'staged', stage: 'loading' } }];
  const poison = (model: string) => scripted(model, [...deadly, { die: model }]);

  test('on two devices is set aside on all, after one death on the second', async () => {
    await using runtime = startScripted({ provider: ['cpu', 'cpu', 'cpu'] });
    await runtime.ready();
    await expect(draw(runtime, poison(one))).rejects.toMatchObject({ code: 'runtimeLost' });
    expect(runtime.status().setAside).toBeUndefined();
    await expect(draw(runtime, poison(one))).rejects.toMatchObject({ code: 'modelUnavailable' });
    await expect(draw(runtime, scripted(one))).rejects.toMatchObject({
      code: 'modelUnavailable',
      retryAfterMs: expect.any(Number),
    });
    expect(runtime.status()).toMatchObject({ restarts: 3, setAside: [{ files: [one] }] });
    expect(
      devicesOf(runtime)
        .map(({ restarts }) => restarts)
        .sort(),
    ).toEqual([0, 1, 2]);
    await draw(runtime, scripted(two));
  });

  test('on one device alone is drawn by the others', async () => {
    await using runtime = startScripted({ provider: ['cpu', 'cpu'] });
    await runtime.ready();
    await expect(draw(runtime, poison(two))).rejects.toMatchObject({ code: 'runtimeLost' });
    const before = devicesOf(runtime);
    expect(before.filter(({ setAside }) => setAside)).toMatchObject([{ restarts: 2, setAside: [{ files: [two] }] }]);
    for (let round = 0; round < 3; round++) await draw(runtime, scripted(two));
    expect(runtime.status().setAside).toBeUndefined();
    expect(runtime.status().restarts).toBe(2);
  });
});

test('what the processes find out of batches is kept together in one file', async () => {
  const batchesFile = join(folder, 'batches.json');
  const runtime = startScripted({ provider: ['cpu', 'cpu'], batchesFile, maxModels: 1 });
  await runtime.ready();
  const trying = (graph: string, rows: number): ScriptStep => {
    return { trying: { machine: 'm', structure: graph, graph, shape: '4×8', rows } };
  };
  const die = (model: string, rows: number) => [trying(model, rows), { die: model }] satisfies ScriptStep[];
  // Both die of their first call of so many rows, at once.
  const ends = [draw(runtime, scripted(one, die(one, 4))), draw(runtime, scripted(two, die(two, 16)))];
  await Promise.allSettled(ends);
  await runtime.close();
  const { batches } = JSON.parse(await readFile(batchesFile, 'utf8'));
  const found = batches.map(({ graph, rows }: { graph: string; rows: number }) => [graph, rows]);
  expect(found.sort()).toEqual([
    [one, 2],
    [two, 8],
  ]);
});
