import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GenerateRequest, type RunEvent, type RuntimeOptions, startRuntime } from '../../runtime/index.ts';
import { ManualClock } from '../helpers/clock.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { scripted, startScripted, writeZeros } from '../helpers/scriptedRuntime.ts';
import { writeSmallModel } from '../helpers/smallModel.ts';
import { collect, draw, never } from './runtimeSuite.ts';

const request = (model: string): GenerateRequest => ({
  model,
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 1,
  guidanceScale: 1,
  seed: 1n,
});

/** A log, and what it said of processes that were replaced. */
function recorder() {
  const logs: { message: string; fields: Record<string, unknown> }[] = [];
  const log: RuntimeOptions['log'] = (_level, message, fields) => logs.push({ message, fields: { ...fields } });
  const replaced = (why: string) => logs.filter(({ message }) => message.includes('replaced') && message.includes(why));
  return { logs, log, replaced };
}

let folder: string;
/** Files that weigh 10 MB each. */
let base: string;
let lora: string;
let other: string;
/** That draw. */
let modelA: string;
let modelB: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-memory-'));
  base = join(folder, 'base.safetensors');
  lora = join(folder, 'lora.safetensors');
  other = join(folder, 'other.safetensors');
  modelA = await writeSmallModel(join(folder, 'a'), 1);
  modelB = await writeSmallModel(join(folder, 'b'), 2);
  for (const file of [base, lora, other]) await writeZeros(file, { weight: ['F32', 2_500_000] });
});
afterAll(() => rm(folder, { recursive: true }));
const needsLora = () => ({ loras: [{ path: lora, weight: 1 }] });

describe('two models, of which one fits', () => {
  test('change places after at most eight runs of the one that is held', async () => {
    const { log, replaced } = recorder();
    await using runtime = startScripted({ log, maxModels: 1 });
    const order: string[] = [];
    const run = async (name: string, model: string) => {
      await draw(runtime, scripted(model));
      order.push(name);
    };
    const runs = [run('a0', base), run('b', other)];
    for (let i = 1; i <= 11; i++) runs.push(run(`a${i}`, base));
    await Promise.all(runs);
    expect(order).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'b', 'a9', 'a10', 'a11']);
    expect(replaced('load another model')).toHaveLength(2);
    expect(runtime.status().restarts).toBe(0);
  });

  test('are not changed for every task of two users who each wait for their picture before they ask again', async () => {
    const { log, replaced } = recorder();
    await using runtime = startScripted({ log, maxModels: 1 });
    await runtime.ready();
    const user = async (model: string) => {
      for (let i = 0; i < 10; i++) await draw(runtime, scripted(model));
    };
    await Promise.all([user(base), user(other)]);
    // Taking turns without a thought would make it 19.
    expect(replaced('load another model').length).toBeLessThanOrEqual(5);
  });

  test('change places at once when nobody wants the other', async () => {
    const { log, replaced } = recorder();
    await using runtime = startRuntime({ provider: 'cpu', threads: 1, log, maxModels: 1 });
    for (const model of [modelA, modelB, modelA]) await draw(runtime, request(model));
    expect(replaced('load another model')).toHaveLength(2);
  });
});

test('twenty changes of models leave the process of the server no larger', async () => {
  // In a process of its own, whose memory is only the supervisor's. Collected each time: garbage is no leak.
  const built = pathToFileURL(join(import.meta.dirname, '../../dist/runtime/index.js'));
  const program = join(import.meta.dirname, '../helpers/scriptedProcess.mjs');
  const requests = [base, other].map((model) => ({ ...scripted(model), seed: 1 }));
  const code = `
    const { startRuntime } = await import(${JSON.stringify(built.href)});
    const options = { provider: 'cpu', log: () => {}, maxModels: 1 };
    const runtime = startRuntime(options, ${JSON.stringify(program)});
    const rows = [];
    for (let i = 0; i < 21; i++) {
      const request = { ...${JSON.stringify(requests)}[i % 2], seed: 1n };
      for await (const event of runtime.generate(request, new AbortController().signal)) void event;
      globalThis.gc();
      rows.push({ pid: runtime.status().pid, memory: process.memoryUsage.rss() });
    }
    console.log(JSON.stringify(rows));
    await runtime.close();
  `;
  const parent = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of parent.stdout) text += chunk;
  const rows = JSON.parse(text) as { pid: number; memory: number }[];
  expect(new Set(rows.map(({ pid }) => pid)).size).toBe(21);
  const middle = (from: number, to: number) => median(rows.slice(from, to).map(({ memory }) => memory));
  // 13 changes lie between; a third of a MiB for each would show.
  expect(middle(14, 21) - middle(1, 8)).toBeLessThan(4 * 2 ** 20);
});

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

describe('a memory limit', () => {
  test('below what the largest network of a model weighs refuses it before anything is loaded', async () => {
    await using runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {}, memoryLimitBytes: 1_000_000 });
    await expect(draw(runtime, request(modelFolder('tiny-sd15')))).rejects.toMatchObject({
      code: 'modelUnavailable',
      message: 'This model needs about 2 MB of memory, but the memory limit is 1 MB.',
    });
    expect(runtime.status()).toMatchObject({ models: [], restarts: 0 });
  });

  test('counts what the task adds to a model', async () => {
    await using runtime = startScripted({ memoryLimitBytes: 15e6 });
    await draw(runtime, scripted(base, [], { memoryBytes: 1e6 }));
    await expect(draw(runtime, scripted(base, [], needsLora()))).rejects.toThrow(
      /^This model and what the task adds to it need about 20 MB of memory, but the memory limit is 15 MB\.$/,
    );
  });

  test('recycles the process before a model that would not fit beside the others, and only then', async () => {
    const { log, replaced } = recorder();
    await using runtime = startScripted({ log, memoryLimitBytes: 100e6, maxModels: 10 });
    await draw(runtime, scripted(base, [], { memoryBytes: 85e6 }));
    const { pid } = runtime.status();
    // 85 + 10 fit; the file weighs little more than 10 MB.
    await draw(runtime, scripted(base, [], { ...needsLora(), memoryBytes: 95e6 }));
    expect(runtime.status().pid).toBe(pid);
    await draw(runtime, scripted(other, [], { memoryBytes: 50e6 }));
    expect(runtime.status().pid).not.toBe(pid);
    expect(replaced('load another model').map(({ fields }) => fields)).toMatchObject([
      { held: [base, lora], needed: [other], memoryBytes: 95e6 },
    ]);
  });

  test('recycles a process whose runs have left it larger', async () => {
    const { log, replaced } = recorder();
    await using runtime = startScripted({ log, memoryLimitBytes: 100e6 });
    for (const memoryBytes of [80e6, 99e6, 101e6]) await draw(runtime, scripted(base, [], { memoryBytes }));
    await draw(runtime, scripted(base, [], { memoryBytes: 80e6 }));
    expect(replaced('exceeded the memory limit').map(({ fields }) => fields.runs)).toEqual([3]);
    expect(runtime.status()).toMatchObject({ state: 'ready', restarts: 0 });
  });

  test('that the work itself passes recycles the process ever more rarely', async () => {
    const { log, replaced } = recorder();
    await using runtime = startScripted({ log, memoryLimitBytes: 100e6 });
    for (let i = 0; i < 16; i++) await draw(runtime, scripted(base, [], { memoryBytes: 120e6 }));
    expect(replaced('exceeded the memory limit').map(({ fields }) => fields.runs)).toEqual([1, 2, 4, 8]);
  });

  test('is compared with what the process really takes', async () => {
    const { log, replaced } = recorder();
    // No process of Node takes less, whatever it has loaded.
    await using runtime = startRuntime({ provider: 'cpu', threads: 1, log, memoryLimitBytes: 30e6 });
    for (let i = 0; i < 2; i++) await draw(runtime, request(modelA));
    expect(replaced('exceeded the memory limit').map(({ fields }) => fields.runs)).toEqual([1]);
  });

  test('is tried again soon after a recycling that helped', async () => {
    const { log, replaced } = recorder();
    await using runtime = startScripted({ log, memoryLimitBytes: 100e6 });
    const run = (memoryBytes: number) => draw(runtime, scripted(base, [], { memoryBytes }));
    for (const _life of [1, 2]) {
      for (let i = 0; i < 20; i++) await run(80e6);
      await run(120e6);
    }
    await run(80e6);
    expect(replaced('exceeded the memory limit').map(({ fields }) => fields)).toMatchObject([
      { runs: 21, notAgainBeforeRuns: 2 },
      { runs: 21, notAgainBeforeRuns: 2 },
    ]);
  });
});

describe('a part that brings the process down', () => {
  const deadly = (changes: Partial<GenerateRequest> = {}) => scripted(base, [{ die: lora }], changes);

  test('is set aside with the model that it was used with, which goes on without it', async () => {
    await using runtime = startScripted();
    await expect(draw(runtime, deadly(needsLora()))).rejects.toMatchObject({ code: 'runtimeLost' });
    await expect(draw(runtime, deadly(needsLora()))).rejects.toMatchObject({
      code: 'modelUnavailable',
      message: expect.stringContaining('this model with the same parts'),
    });
    // More parts do not mend it.
    const withMore = { ...needsLora(), vae: other };
    await expect(draw(runtime, deadly(withMore))).rejects.toMatchObject({ code: 'modelUnavailable' });
    await draw(runtime, deadly());
    await draw(runtime, scripted(other, [], needsLora()));
    expect(runtime.status().restarts).toBe(2);
    const now = new Date();
    await utimes(lora, now, now);
    await draw(runtime, scripted(base, [], needsLora()));
  });

  test('is not set aside where it is the model alone, which takes all its parts with it', async () => {
    await using runtime = startScripted();
    const alone = scripted(base, [{ die: base }]);
    await expect(draw(runtime, alone)).rejects.toMatchObject({ code: 'runtimeLost' });
    await expect(draw(runtime, { ...alone, ...needsLora() })).rejects.toMatchObject({ code: 'modelUnavailable' });
    const now = new Date();
    await utimes(base, now, now);
    await draw(runtime, scripted(base));
  });

  test('and only makes previews never fails a run: it is drawn again without it, and from then on', async () => {
    await using runtime = startScripted();
    const previews = { every: 1, decoder: 'tiny', tinyDecoder: lora };
    for (const restarts of [1, 2, 2, 2]) {
      await draw(runtime, deadly({ previews }));
      expect(runtime.status().restarts).toBe(restarts);
    }
    expect(runtime.status().setAside).toMatchObject([{ files: [base, lora] }]);
  });

  test('once, and then works, is not counted any more', async () => {
    await using runtime = startScripted();
    let deaths = 0;
    const dieOnce = async () => {
      const controller = new AbortController();
      const waiting = scripted(base, [{ event: { type: 'staged', stage: 'loading' } }, { waitMs: 30_000 }]);
      const run = collect(runtime, waiting, controller.signal, () => {
        controller.abort(new Error('enough'));
        process.kill(runtime.status().pid!, 'SIGKILL');
        deaths++;
      });
      await expect(run).rejects.toThrow('enough');
    };
    await dieOnce();
    await draw(runtime, scripted(base, [], needsLora()));
    await dieOnce();
    await draw(runtime, scripted(base));
    expect(deaths).toBe(2);
  });
});

describe('loading', () => {
  const loading = (component: string, doneBytes: number): { event: RunEvent } => ({
    event: { type: 'loading', component, doneBytes, ofBytes: 300 },
  });

  test('is told to the run, by the status while it lasts, and at its beginning and end in the log', async () => {
    const { log, logs } = recorder();
    await using runtime = startScripted({ log });
    const script = [
      { event: { type: 'staged', stage: 'loading' } as const },
      loading('text_encoder', 0),
      loading('unet', 100),
      { waitFor: join(folder, 'loading') },
      { event: { type: 'staged', stage: 'encoding' } as const },
      { waitFor: join(folder, 'staged') },
    ];
    const seen: unknown[] = [];
    const events = await collect(runtime, scripted(base, script), never(), (event) => {
      if (event.type === 'loading' && event.component === 'text_encoder') return;
      seen.push([event.type, runtime.status().loading]);
      if (seen.length > 1) writeFileSync(join(folder, event.type), '');
    });
    expect(events.filter(({ type }) => type === 'loading')).toHaveLength(2);
    const now = { model: base, component: 'unet', doneBytes: 100, ofBytes: 300 };
    expect(seen.slice(1)).toEqual([
      ['loading', now],
      ['staged', undefined],
      ['finished', undefined],
    ]);
    const told = logs.filter(({ message }) => /weights/i.test(message));
    expect(told).toEqual([
      { message: 'Loading weights.', fields: { model: base, component: 'text_encoder', ofBytes: 300 } },
      { message: 'Weights were loaded.', fields: { model: base, bytes: 300, loadingMs: expect.any(Number) } },
    ]);
  });

  test('has its deadline for each component anew', async () => {
    const clock = new ManualClock();
    await using runtime = startScripted({ deadlinesMs: { loading: 4_000 } }, clock);
    await runtime.ready();
    const go = (component: string) => join(folder, `go ${component}`);
    const script = ['text_encoder', 'unet', 'vae_decoder'].flatMap((component, index) => [
      loading(component, index * 100),
      { waitFor: go(component) },
    ]);
    let advanced = Promise.resolve();
    await collect(runtime, scripted(base, script), never(), (event) => {
      if (event.type !== 'loading') return;
      // Together three times as long as one may take.
      advanced = advanced.then(() => clock.advance(3_999)).then(() => writeFileSync(go(event.component), ''));
    });
    const late = collect(runtime, scripted(base, [loading('unet', 100), { waitMs: 60_000 }]), never(), (event) => {
      if (event.type === 'loading') void clock.advance(4_001);
    });
    await expect(late).rejects.toMatchObject({ code: 'stageTimeout' });
    expect(runtime.status().loading).toBeUndefined();
  });

  test('that fails is broken off', async () => {
    const { log, logs } = recorder();
    await using runtime = startScripted({ log });
    const error = { code: 'modelUnavailable', message: 'The unet is damaged.' };
    const run = draw(runtime, scripted(base, [loading('unet', 100), { fail: error }]));
    await expect(run).rejects.toThrow('The unet is damaged.');
    expect(runtime.status().loading).toBeUndefined();
    expect(logs.map(({ message }) => message)).toContain('Loading weights was interrupted.');
  });
});
