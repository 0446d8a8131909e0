import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, truncate, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type GenerateRequest,
  type RunEvent,
  type Runtime,
  type RuntimeOptions,
  startRuntime,
} from '../../runtime/index.ts';
import { ownProgram } from '../../runtime/process/runtimeProcess.ts';
import { ManualClock } from '../helpers/clock.ts';
import { writeSmallModel } from '../helpers/smallModel.ts';
import { collect, draw, never } from './runtimeSuite.ts';

const start = (options: Partial<RuntimeOptions> = {}): Runtime =>
  startRuntime({ provider: 'cpu', threads: 1, log: () => {}, ...options });

let scratch: string;
let modelA: string;
let modelB: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'latentwire-supervisor-'));
  modelA = await writeSmallModel(join(scratch, 'a'), 1);
  modelB = await writeSmallModel(join(scratch, 'b'), 2);
});
afterAll(() => rm(scratch, { recursive: true }));

const request = (changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  model: modelA,
  prompt: 'a red potion',
  width: 128,
  height: 128,
  steps: 6,
  guidanceScale: 5,
  seed: 42n,
  ...changes,
});

const kill = (runtime: Runtime) => process.kill(runtime.status().pid!, 'SIGKILL');

describe('a process that is killed', () => {
  test('is replaced, and the run begins again and ends in the same picture', async () => {
    await using runtime = start();
    const undisturbed = await draw(runtime, request());
    const { pid } = runtime.status();
    let killed = false;
    const events = await collect(runtime, request({ previews: { every: 1 } }), never(), (event) => {
      if (event.type === 'stepped' && event.step === 2 && !killed) {
        killed = true;
        kill(runtime);
      }
    });
    expect(events.at(-1)).toMatchObject({ type: 'finished', pixels: undisturbed });
    expect(events.filter(({ type }) => type === 'started')).toHaveLength(1);
    expect(events.filter((event) => event.type === 'stepped' && event.step === 0)).toHaveLength(2);
    expect(runtime.status()).toMatchObject({ state: 'ready', restarts: 1 });
    expect(runtime.status().pid).not.toBe(pid);
  });

  test('twice during one run fails that run with runtimeLost, and those behind it go on', async () => {
    await using runtime = start({ liveRuns: 1 });
    const first = collect(runtime, request(), never(), (event) => {
      if (event.type === 'stepped' && event.step === 0) kill(runtime);
    });
    const second = draw(runtime, request({ seed: 1n }));
    await expect(first).rejects.toMatchObject({ name: 'RuntimeError', code: 'runtimeLost' });
    await expect(second).resolves.toMatchObject({ width: 128, height: 128 });
    expect(runtime.status().restarts).toBe(2);
  });

  test('while idle is replaced before anybody asks', async () => {
    await using runtime = start();
    await runtime.ready();
    kill(runtime);
    await expect.poll(() => runtime.status().state).toBe('restarting');
    await expect.poll(() => runtime.status(), { timeout: 10_000 }).toMatchObject({ state: 'ready', restarts: 1 });
  });

  test('does not bring back a run that was cancelled', async () => {
    await using runtime = start();
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const running = collect(runtime, request({ steps: 200 }), controller.signal, (event) => {
      if (event.type !== 'stepped') return;
      controller.abort(reason);
      kill(runtime);
    });
    await expect(running).rejects.toBe(reason);
    await draw(runtime, request({ steps: 1 }));
  });
});

describe('a model that brings the process down while it loads', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latentwire-model-'));
    await cp(modelA, folder, { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('is set aside after the second time, until its folder changes', async () => {
    await using runtime = start();
    const deadly = collect(runtime, request({ model: folder }), never(), (event) => {
      if (event.type === 'staged' && event.stage === 'loading') kill(runtime);
    });
    await expect(deadly).rejects.toMatchObject({ code: 'runtimeLost' });
    await expect(draw(runtime, request({ model: folder }))).rejects.toMatchObject({
      code: 'modelUnavailable',
      message: expect.stringContaining('2 times in a row'),
    });
    await draw(runtime, request({ steps: 1 }));
    const now = new Date();
    await utimes(join(folder, 'unet', 'config.json'), now, now);
    await expect(draw(runtime, request({ model: folder, steps: 1 }))).resolves.toMatchObject({ width: 128 });
  });
});

describe('a stage that outlives its deadline', () => {
  test('ends the run with stageTimeout and the process with it', async () => {
    await using runtime = start({ deadlinesMs: { denoising: 1 } });
    const slow = request({ width: 512, height: 512 });
    await expect(draw(runtime, slow)).rejects.toMatchObject({
      code: 'stageTimeout',
      message: 'The stage denoising took longer than 1 ms.',
    });
    // One that does not denoise shows that the next process works.
    const image = { pixels: { width: 8, height: 8, data: new Uint8Array(192) }, strength: 0 };
    await draw(runtime, request({ width: 8, height: 8, image }));
    expect(runtime.status().restarts).toBe(1);
  });

  test('ends a process that hangs, and the next one goes on with the others', async () => {
    await using runtime = start({ deadlinesMs: { denoising: 3_000 } });
    const undisturbed = await draw(runtime, request({ steps: 2, seed: 1n }));
    const { pid } = runtime.status();
    let stopped = false;
    const hung = collect(runtime, request({ steps: 50, guidanceScale: 1 }), never(), (event) => {
      // Once: where the other run was worked on, this one goes on in the next process.
      if (stopped || event.type !== 'stepped' || event.step !== 1) return;
      stopped = true;
      process.kill(pid!, 'SIGSTOP');
    });
    const waiting = draw(runtime, request({ steps: 2, seed: 1n }));
    const ends = await Promise.allSettled([hung, waiting]);
    // Whichever it was working on when it stopped; both, where they shared the call.
    const late = ends.flatMap((end) => (end.status === 'rejected' ? end.reason.code : []));
    expect(late).toContain('stageTimeout');
    expect(new Set(late).size).toBe(1);
    expect(runtime.status().restarts).toBe(1);
    expect(await draw(runtime, request({ steps: 2, seed: 1n }))).toEqual(undisturbed);
    expect(isAlive(pid!)).toBe(false);
  });

  test('each step has its own time', async () => {
    const clock = new ManualClock(0);
    await using runtime = startRuntime(
      { provider: 'cpu', threads: 1, log: () => {}, deadlinesMs: { denoising: 1_000 } },
      ownProgram(),
      clock,
    );
    // All steps together take longer than one may.
    const events = await collect(runtime, request({ steps: 20 }), never(), (event) => {
      if (event.type === 'stepped') void clock.advance(300);
    });
    expect(events.at(-1)).toMatchObject({ type: 'finished' });
    expect(clock.now()).toBe(6_000);
  });
});

describe('models', () => {
  test('one more than fit recycles the process, which is no loss', async () => {
    await using runtime = start({ maxModels: 1 });
    await draw(runtime, request({ steps: 1 }));
    const { pid, models } = runtime.status();
    expect(models).toEqual([modelA]);
    await draw(runtime, request({ model: modelB, steps: 1 }));
    expect(runtime.status()).toMatchObject({ models: [modelB], restarts: 0 });
    expect(runtime.status().pid).not.toBe(pid);
    expect(isAlive(pid!)).toBe(false);
  });

  test('that fit stay beside each other', async () => {
    await using runtime = start();
    await draw(runtime, request({ steps: 1 }));
    const { pid } = runtime.status();
    await draw(runtime, request({ model: modelB, steps: 1 }));
    expect(runtime.status().models).toHaveLength(2);
    expect(runtime.status().pid).toBe(pid);
  });

  test('with a damaged file are unavailable with the reason, and usable once it is mended', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latentwire-model-'));
    try {
      await cp(modelA, folder, { recursive: true });
      const weights = join(folder, 'unet', 'diffusion_pytorch_model.safetensors');
      await truncate(weights, 5_000);
      await using runtime = start();
      await expect(draw(runtime, request({ model: folder }))).rejects.toMatchObject({
        code: 'modelUnavailable',
        message: expect.stringContaining('unet'),
      });
      const { pid } = runtime.status();
      await cp(join(modelA, 'unet'), join(folder, 'unet'), { recursive: true, force: true });
      await draw(runtime, request({ model: folder, steps: 1 }));
      expect(runtime.status()).toMatchObject({ pid, restarts: 0 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the process', () => {
  test.each([true, false])('ends when its parent dies (while drawing: %s)', async (drawing) => {
    // The parent is the built package, as a user would start it.
    const built = pathToFileURL(join(import.meta.dirname, '../../dist/runtime/index.js'));
    const { seed: _seed, ...values } = request({ steps: 400 });
    const code = `
      const { startRuntime } = await import(${JSON.stringify(built.href)});
      const runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
      await runtime.ready();
      const request = { ...${JSON.stringify(values)}, seed: 1n };
      if (${drawing}) {
        for await (const event of runtime.generate(request, new AbortController().signal)) {
          if (event.type === 'stepped' && event.step === 0) console.log(runtime.status().pid);
        }
      } else {
        console.log(runtime.status().pid);
        setInterval(() => {}, 1_000);
      }
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (data) => resolve(Number(data))));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });

  test('does not start with a provider that is not there, and says which are', async () => {
    await using runtime = start({ provider: 'abacus' });
    await expect(runtime.ready()).rejects.toThrow(/no provider "abacus".*cpu/);
    expect(runtime.status().state).toBe('stopped');
    await expect(draw(runtime, request())).rejects.toMatchObject({ code: 'runtimeLost' });
  });

  test('logs fixed sentences, the loading time of each component, and never a prompt', async () => {
    const logs: { message: string; fields: object | undefined }[] = [];
    {
      await using runtime = start({ log: (_level, message, fields) => logs.push({ message, fields }) });
      await draw(runtime, request({ prompt: 'the secret prompt', negativePrompt: 'the secret negative prompt' }));
      await expect(draw(runtime, request({ prompt: 'the secret prompt', scheduler: 'x' }))).rejects.toThrow();
    }
    const loaded = logs.filter(({ message }) => message === 'A component was loaded.');
    expect(loaded.map(({ fields }) => fields)).toEqual(
      ['text_encoder', 'unet', 'vae_decoder'].map((component) =>
        expect.objectContaining({ component, loadingMs: expect.any(Number) }),
      ),
    );
    expect(JSON.stringify(logs)).not.toContain('secret');
  });

  test('finishes what runs and waits when it is closed with time to do so', async () => {
    const runtime = start();
    const runs = [draw(runtime, request()), draw(runtime, request())];
    await sleep(0);
    await runtime.close(30_000);
    await expect(Promise.all(runs)).resolves.toHaveLength(2);
  });

  test('keeps every event but stale previews for a slow reader', async () => {
    await using runtime = start();
    const events: RunEvent[] = [];
    // The second run of a share ends after the first, which is older.
    const share = { key: 'one', weight: 1 };
    for await (const event of runtime.generate(request({ previews: { every: 1 }, share }), never())) {
      if (events.push(event) === 1) await draw(runtime, request({ steps: 1, share }));
    }
    const types = events.map(({ type }) => type);
    expect(types.filter((type) => type === 'stepped')).toHaveLength(6);
    expect(types.filter((type) => type === 'previewed')).toHaveLength(1);
    expect(events.find(({ type }) => type === 'previewed')).toMatchObject({ step: 5 });
    expect(types.at(-1)).toBe('finished');
  });
});

/** Whether a process runs; one that ended but was not yet collected by its parent does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
