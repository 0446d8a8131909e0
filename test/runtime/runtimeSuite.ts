import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GenerateRequest, Pixels, RunEvent, Runtime } from '../../runtime/index.ts';

export interface SuiteOptions {
  /** Called once; the runtime is closed after the last test. */
  start(): Runtime | Promise<Runtime>;
  /** Folders: one that draws, and one that is broken. */
  model: string;
  brokenModel: string;
  /** Runs of one share may be drawn by several, so they do not end in their order. */
  severalDevices?: boolean;
}

/** What every runtime does, real or fake. Runs are told apart by what they report, never by how long they take. */
export function runtimeSuite(name: string, options: SuiteOptions): void {
  describe(name, () => {
    let runtime: Runtime;
    const request = (changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
      model: options.model,
      prompt: 'a red potion on a blue table',
      width: 64,
      height: 96,
      steps: 4,
      guidanceScale: 5,
      seed: 7n,
      ...changes,
    });

    beforeAll(async () => {
      runtime = await options.start();
      await runtime.ready();
    });
    afterAll(() => runtime.close());

    test('is ready and names its provider', () => {
      expect(runtime.status()).toMatchObject({ state: 'ready', restarts: 0 });
      expect(runtime.status().provider).toEqual(expect.any(String));
    });

    test('tells started, then each step, then the picture', async () => {
      const events = await collect(runtime, request());
      const told = events.filter(({ type }) => type !== 'staged' && type !== 'loading');
      expect(told.map(({ type }) => type)).toEqual(['started', ...Array(4).fill('stepped'), 'finished']);
      expect(told[0]).toEqual({ type: 'started', steps: 4 });
      expect(told.slice(1, 5)).toEqual([0, 1, 2, 3].map((step) => ({ type: 'stepped', step, steps: 4 })));
      expect(runtime.status().models).toContain(options.model);
    });

    test('announces encoding, denoising and decoding in this order', async () => {
      const events = await collect(runtime, request());
      const stages = events.flatMap((event) =>
        event.type === 'staged' && event.stage !== 'loading' ? event.stage : [],
      );
      expect(stages).toEqual(['encoding', 'denoising', 'decoding']);
    });

    test('finishes with pixels of the size asked for, and the time each stage took', async () => {
      const finished = (await collect(runtime, request({ width: 96, height: 64 }))).at(-1);
      if (finished?.type !== 'finished') throw new Error('the last event is not finished');
      expect(finished.pixels).toMatchObject({ width: 96, height: 64 });
      expect(finished.pixels.data).toHaveLength(96 * 64 * 3);
      expect(Object.keys(finished.timings).sort()).toEqual(['decodingMs', 'denoisingMs', 'encodingMs', 'loadingMs']);
      expect(finished.timings.denoisingMs).toBeGreaterThan(0);
    });

    test('gives the same picture for the same seed, another for another seed or prompt', async () => {
      const [first, again, seed, prompt] = [
        await draw(runtime, request()),
        await draw(runtime, request()),
        await draw(runtime, request({ seed: 8n })),
        await draw(runtime, request({ prompt: 'a green hill' })),
      ];
      expect(again).toEqual(first);
      expect(seed).not.toEqual(first);
      expect(prompt).not.toEqual(first);
    });

    test('shows no previews unless asked', async () => {
      expect(previewSteps(await collect(runtime, request()))).toEqual([]);
    });

    test.each([
      [1, [0, 1, 2, 3, 4]],
      [2, [1, 3, 4]],
      [100, [4]],
    ])('shows every preview %i and always the last', async (every, steps) => {
      const events = await collect(runtime, request({ steps: 5, previews: { every } }));
      expect(previewSteps(events)).toEqual(steps);
    });

    test('tells a step before its preview, which is small', async () => {
      const events = await collect(runtime, request({ previews: { every: 1 } }));
      events.forEach((event, index) => {
        if (event.type !== 'previewed') return;
        expect(events[index - 1]).toEqual({ type: 'stepped', step: event.step, steps: event.steps });
        expect([event.pixels.width, event.pixels.height]).toEqual([8, 12]);
        expect(event.pixels.data).toHaveLength(8 * 12 * 3);
      });
    });

    test('runs the last part of the steps from a seed image', async () => {
      const image = { pixels: gradient(64, 96), strength: 0.5 };
      const events = await collect(runtime, request({ steps: 6, image }));
      expect(events.filter(({ type }) => type === 'stepped')).toHaveLength(3);
      expect(events.find(({ type }) => type === 'started')).toEqual({ type: 'started', steps: 3 });
    });

    test('takes at least one step from a seed image, and none at a strength of 0', async () => {
      const pixels = gradient(64, 96);
      const little = await collect(runtime, request({ image: { pixels, strength: 0.01 } }));
      expect(little.filter(({ type }) => type === 'stepped')).toHaveLength(1);
      const none = await collect(runtime, request({ image: { pixels, strength: 0 } }));
      expect(none.filter(({ type }) => type === 'stepped')).toHaveLength(0);
      expect(none.at(-1)).toMatchObject({ type: 'finished', pixels });
    });

    // Each device keeps its own order, so there is none between two of them.
    test.skipIf(options.severalDevices)(
      'finishes overlapping runs of one share in the order in which they came',
      async () => {
        const order: string[] = [];
        const share = { key: 'one', weight: 1 };
        const follow = async (label: string) => {
          await draw(runtime, request({ steps: 2, share }));
          order.push(label);
        };
        await Promise.all(['a', 'b', 'c'].map(follow));
        expect(order).toEqual(['a', 'b', 'c']);
      },
    );

    test('stops before the next step when it is cancelled, with the reason it was given', async () => {
      const controller = new AbortController();
      const reason = new Error('superseded');
      const steps: number[] = [];
      const running = (async () => {
        for await (const event of runtime.generate(request({ steps: 50 }), controller.signal)) {
          if (event.type === 'stepped') steps.push(event.step);
          if (event.type === 'stepped' && event.step === 1) controller.abort(reason);
          expect(event.type).not.toBe('finished');
        }
      })();
      await expect(running).rejects.toBe(reason);
      expect(Math.max(...steps)).toBeLessThanOrEqual(2);
      await draw(runtime, request({ steps: 1 }));
    });

    test('leaves the line at once when it is cancelled while waiting', async () => {
      const ahead = new AbortController();
      const waiting = new AbortController();
      const types: string[] = [];
      const first = collect(runtime, request({ steps: 50 }), ahead.signal, (event) => types.push(event.type));
      const second = collect(runtime, request(), waiting.signal);
      const third = collect(runtime, request({ steps: 1 }));
      waiting.abort();
      await expect(second).rejects.toBe(waiting.signal.reason);
      expect(types).not.toContain('finished');
      ahead.abort();
      await expect(first).rejects.toBe(ahead.signal.reason);
      expect((await third).at(-1)?.type).toBe('finished');
    });

    test('throws at once for a signal that was aborted before', async () => {
      const signal = AbortSignal.abort(new Error('too late'));
      await expect(collect(runtime, request(), signal)).rejects.toBe(signal.reason);
    });

    test('stops a run that nobody reads any more', async () => {
      for await (const event of runtime.generate(request({ steps: 500 }), never())) {
        if (event.type === 'stepped') break;
      }
      await draw(runtime, request({ steps: 1 }));
    });

    test.each([
      ['width', { width: 100 }],
      ['height', { height: 61 }],
    ])('refuses a %s that is no multiple of 8', async (parameter, changes) => {
      await expect(collect(runtime, request(changes))).rejects.toMatchObject({ code: 'invalidParameter', parameter });
    });

    test.each([0, 1.5, 100_000])('refuses %d steps', async (steps) => {
      const refused = { code: 'invalidParameter', parameter: 'steps' };
      await expect(collect(runtime, request({ steps }))).rejects.toMatchObject(refused);
    });

    test('refuses an unknown scheduler', async () => {
      await expect(collect(runtime, request({ scheduler: 'no such scheduler' }))).rejects.toMatchObject({
        name: 'RuntimeError',
        code: 'unsupportedParameter',
        parameter: 'scheduler',
      });
    });

    test('says that a broken model is unavailable, and goes on', async () => {
      const { pid } = runtime.status();
      await expect(collect(runtime, request({ model: options.brokenModel }))).rejects.toMatchObject({
        code: 'modelUnavailable',
        message: expect.stringMatching(/\.$/),
      });
      await draw(runtime, request({ steps: 1 }));
      expect(runtime.status().pid).toBe(pid);
    });

    test('fails runs once it is closed', async () => {
      await using closing = await options.start();
      const running = collect(closing, request({ steps: 50 }));
      running.catch(() => {});
      await closing.close();
      await expect(running).rejects.toMatchObject({ code: 'runtimeLost' });
      await expect(collect(closing, request())).rejects.toMatchObject({ code: 'runtimeLost' });
      expect(closing.status().state).toBe('stopped');
    });
  });
}

/** A signal nobody aborts. */
export function never(): AbortSignal {
  return new AbortController().signal;
}

/** Every event of a run. */
export async function collect(
  runtime: Runtime,
  request: GenerateRequest,
  signal: AbortSignal = never(),
  onEvent: (event: RunEvent) => void = () => {},
): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of runtime.generate(request, signal)) {
    events.push(event);
    onEvent(event);
  }
  return events;
}

/** The picture of a run. */
export async function draw(runtime: Runtime, request: GenerateRequest): Promise<Pixels> {
  const last = (await collect(runtime, request)).at(-1);
  if (last?.type !== 'finished') throw new Error(`a run ended with ${last?.type}`);
  return last.pixels;
}

function previewSteps(events: RunEvent[]): number[] {
  return events.flatMap((event) => (event.type === 'previewed' ? event.step : []));
}

function gradient(width: number, height: number): Pixels {
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_value, index) => index % 256) };
}
