import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../runtime/graphs/builder.ts';
import { type GenerateRequest, type Pixels, type RuntimeOptions, startRuntime } from '../../runtime/index.ts';
import { ManualClock } from '../helpers/clock.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { writeOnnxFolder } from '../helpers/onnxFolder.ts';
import { type ScriptStep, scripted, startScripted } from '../helpers/scriptedRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';
import { writeSmallModel } from '../helpers/smallModel.ts';
import { collect, draw, never } from './runtimeSuite.ts';

let folder: string;
let good: string;
let other: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-broken-'));
  good = await writeSmallModel(join(folder, 'good'), 1);
  other = await writeSmallModel(join(folder, 'other'), 2);
});
afterAll(() => rm(folder, { recursive: true }));

const request = (changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  model: good,
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 2,
  guidanceScale: 1,
  seed: 3n,
  ...changes,
});

const messageOf = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'drawn',
    (error: { code: string }) => error.code,
  );

function recorder() {
  const logs: { message: string; at: number }[] = [];
  const log: RuntimeOptions['log'] = (_level, message) => logs.push({ message, at: performance.now() });
  const times = (words: string) => logs.filter(({ message }) => message.includes(words)).map(({ at }) => at);
  return { log, times };
}

describe('a model whose graph fails whenever it runs', { timeout: 300_000 }, () => {
  let failing: string;
  beforeAll(async () => {
    failing = join(folder, 'failing');
    await writeOnnxFolder(good, failing);
    // Opens, takes and gives what a UNet does, but no latents have so few numbers.
    const builder = new GraphBuilder(new Map());
    const sample = builder.input('sample', 'float32', ['batch', 4, 'height', 'width']);
    builder.input('timestep', 'int64', ['batch']);
    builder.input('encoder_hidden_states', 'float32', ['batch', 'length', 32]);
    const shaped = builder.node('Reshape', [sample, builder.ints([1, 4, 1, 1])], { name: 'shaped' });
    builder.output('out_sample', shaped, 'float32', ['batch', 4, 'height', 'width']);
    await writeFile(join(failing, 'unet', 'model.onnx'), builder.finish('unet').bytes);
  });

  test('has the process replaced once and not again and again, and says why each time', async () => {
    const { log, times } = recorder();
    await using runtime = startRuntime({ provider: 'cpu', threads: 1, log });
    const restarts: number[] = [];
    for (let index = 0; index < 8; index++) {
      await expect(draw(runtime, request({ model: failing }))).rejects.toMatchObject({
        code: 'inferenceError',
        message: expect.stringContaining('failing/unet'),
      });
      restarts.push(runtime.status().restarts);
    }
    // The third in a row shows that it is not the process; it takes six more until that is tried again.
    expect(restarts).toEqual([0, 0, 1, 1, 1, 1, 1, 1]);
    expect(times('fails every call')).toHaveLength(1);
    expect(runtime.status()).toMatchObject({ lastLoss: { reason: expect.stringContaining('failing/unet') } });
    expect(runtime.status().setAside).toBeUndefined();
    await draw(runtime, request());
  });

  test('leaves the process alone as long as others are drawn in it', async () => {
    await using runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
    for (let index = 0; index < 4; index++) {
      await expect(draw(runtime, request({ model: failing }))).rejects.toMatchObject({ code: 'inferenceError' });
      await draw(runtime, request());
    }
    expect(runtime.status().restarts).toBe(0);
  });
});

// Elsewhere a process cannot be given less memory while it runs.
const canLimit = process.platform === 'linux' && existsSync('/usr/bin/prlimit');

test.runIf(canLimit)(
  'a process that gets no more memory is replaced, and the pictures are drawn all the same',
  { timeout: 300_000 },
  async () => {
    const large = request({ width: 512, height: 512, steps: 1 });
    let alone: Pixels;
    {
      await using runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
      alone = await draw(runtime, large);
    }
    await using runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
    await draw(runtime, request());
    const { pid } = runtime.status();
    // Far less than it has: what it has stays, and it gets no more.
    execFileSync('/usr/bin/prlimit', ['--pid', String(pid), `--as=${2 ** 20}`]);
    // Each call fails for want of memory, or the process itself ends of it.
    const ends: string[] = [];
    let drawn: Pixels | undefined;
    while (!drawn && ends.length < 5) {
      const drawing = draw(runtime, large);
      ends.push(await messageOf(drawing));
      drawn = await drawing.catch(() => undefined);
    }
    expect(ends.join()).toMatch(/^(outOfMemory,){0,2}drawn$/);
    expect(runtime.status(), ends.join()).toMatchObject({ restarts: 1, lastLoss: { reason: expect.any(String) } });
    expect(drawn).toEqual(alone);
  },
);

const inference = { code: 'inferenceError', message: 'The graph failed while running: no memory.' };
const stepped: ScriptStep = { event: { type: 'stepped', step: 0, steps: 1 } };
const at = (name: string) => join(folder, name);

describe('a process that fails every call', () => {
  test('is replaced after three runs in a row, of whatever models, and all that had not ended begin again', async () => {
    await using runtime = startScripted({ liveRuns: 8 });
    await runtime.ready();
    const failing = (model: string) => scripted(model, [{ fail: inference, inFirst: at('row') }, stepped]);
    const ends = await Promise.all(
      [good, other, good, good, other].map((model) => messageOf(draw(runtime, failing(model)))),
    );
    expect(ends).toEqual(['inferenceError', 'inferenceError', 'drawn', 'drawn', 'drawn']);
    expect(runtime.status()).toMatchObject({ restarts: 1, lastLoss: { reason: inference.message } });
    // A replacement that helped: the next one comes as soon again.
    const later = (model: string) => scripted(model, [{ fail: inference, inFirst: at('later') }, stepped]);
    for (const end of ['inferenceError', 'inferenceError', 'drawn'])
      expect(await messageOf(draw(runtime, later(good)))).toBe(end);
    expect(runtime.status().restarts).toBe(2);
  });

  test('is none where a step was taken between the failures', async () => {
    await using runtime = startScripted();
    for (let index = 0; index < 5; index++) {
      await expect(draw(runtime, scripted(good, [stepped, { fail: inference }]))).rejects.toThrow('no memory');
    }
    expect(runtime.status().restarts).toBe(0);
  });

  test('is told by /health, and what was set aside for it too', async () => {
    await using runtime = startScripted();
    await using server = await startTestServer({ runtime });
    const positivePrompt = JSON.stringify([{ broken: 'the device was lost' }]);
    const health = async () => (await (await fetch(`${server.url}/health`)).json()).runtime;
    expect(Object.keys(await health())).not.toContain('lastLoss');
    const codes: string[] = [];
    for (const _task of [1, 2, 3])
      codes.push((await server.post([imageTask({ positivePrompt })])).body.errors![0]!.code);
    expect(codes).toEqual(['runtimeLost', 'modelUnavailable', 'modelUnavailable']);
    expect(await health()).toMatchObject({
      restarts: 2,
      lastLoss: { reason: 'the device was lost', at: expect.stringMatching(/^\d{4}-.*Z$/) },
      setAside: [{ models: ['test:small@1'], reason: expect.stringContaining('2 times in a row') }],
    });
  });

  test('is replaced at the first failure if nothing at all can be computed any more', async () => {
    await using runtime = startScripted({ liveRuns: 8 });
    await runtime.ready();
    const lost: ScriptStep[] = [{ broken: 'the device was lost', inFirst: at('device') }, stepped];
    const ends = await Promise.all(
      [good, other, good].map((model) => collect(runtime, scripted(model, lost), never())),
    );
    expect(ends.map((events) => events.at(-1)?.type)).toEqual(['finished', 'finished', 'finished']);
    expect(runtime.status()).toMatchObject({ restarts: 1, lastLoss: { reason: 'the device was lost' } });
  });

  test('at the hands of one model has that set aside', async () => {
    await using runtime = startScripted();
    const deadly = () => draw(runtime, scripted(good, [{ broken: 'the device was lost' }]));
    await expect(deadly()).rejects.toMatchObject({ code: 'runtimeLost' });
    await expect(deadly()).rejects.toMatchObject({
      code: 'modelUnavailable',
      message: expect.stringContaining('(the device was lost)'),
    });
    expect(runtime.status().setAside).toMatchObject([{ files: [good] }]);
    await draw(runtime, scripted(other));
  });
});

test('a process that is lost again and again is started after ever longer pauses', async () => {
  const { log, times } = recorder();
  const clock = new ManualClock();
  await using runtime = startScripted({ log }, clock);
  const pauses = [0, 1_000, 2_000, 4_000];
  for (const model of [good, other]) {
    const end = messageOf(draw(runtime, scripted(model, [{ die: model }])));
    // Each run is tried twice.
    for (const _try of [1, 2]) {
      const before = 4 - pauses.length;
      await expect.poll(() => times('was lost').length, { timeout: 20_000 }).toBe(before + 1);
      const pauseMs = pauses.shift()!;
      if (pauseMs > 0) await clock.advance(pauseMs - 1);
      expect(runtime.status().pid, `after ${pauseMs} ms`).toBeUndefined();
      await clock.advance(1);
      expect(runtime.status().pid).toBeDefined();
    }
    expect(await end).toBe('runtimeLost');
  }
  await draw(runtime, scripted(modelFolder('tiny-sdxl')));
  expect(times('is ready')).toHaveLength(5);
});
