import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GenerateRequest, type Pixels, type Runtime, startRuntime } from '../../runtime/index.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';
import { collect, draw, never } from './runtimeSuite.ts';

const pocket = fileURLToPath(new URL('../../models/pocket', import.meta.url));
const tiny = modelFolder('tiny-sd15');

/** Numbers that look random and are the same each time (Marsaglia's xorshift32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const base: GenerateRequest = {
  model: pocket,
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 5,
  guidanceScale: 5,
  seed: 1n,
};

const gradient = (size: number): Pixels => ({
  width: size,
  height: size,
  data: Uint8Array.from({ length: size * size * 3 }, (_, at) => (at * 7) % 256),
});

/** Tasks that share calls with some others and not with the rest. */
const requests: GenerateRequest[] = [
  ...['Euler', 'DPM++ 2M Karras', 'Heun', 'Euler a', 'DDIM', 'LCM'].map((scheduler, index) => ({
    ...base,
    scheduler,
    seed: BigInt(index),
    steps: 3 + index,
    prompt: index % 2 === 0 ? 'a red potion' : `picture ${index} of a gem`,
  })),
  { ...base, guidanceScale: 1, seed: 11n },
  { ...base, guidanceScale: 1, seed: 12n, scheduler: 'UniPC' },
  { ...base, width: 96, seed: 13n },
  { ...base, width: 96, seed: 14n, guidanceScale: 1 },
  { ...base, image: { pixels: gradient(64), strength: 0.6 }, seed: 15n },
  { ...base, width: 32, height: 32, seed: 16n },
  { ...base, width: 32, height: 32, seed: 17n },
  ...[1, 2, 3].map((seed) => ({ ...base, model: tiny, seed: BigInt(seed), guidanceScale: 3 * seed - 2 })),
  { ...base, model: tiny, seed: 5n, loras: [{ path: join(modelsFolder, 'tiny-sd15-lora.safetensors'), weight: 0.8 }] },
  { ...base, model: tiny, seed: 6n, loras: [{ path: join(modelsFolder, 'tiny-sd15-lora.safetensors'), weight: 0.8 }] },
  ...[0.8, 0.3].map((weight, index) => ({
    ...base,
    model: tiny,
    seed: BigInt(20 + index),
    imagePrompts: [
      {
        model: join(modelsFolder, 'tiny-ip-adapter/models/ip-adapter_sd15.safetensors'),
        pictures: [gradient(48)],
        weight,
      },
    ],
  })),
  { ...base, model: tiny, seed: 7n, steps: 6, deepCache: { interval: 3, startStep: 0, endStep: 6 } },
  {
    ...base,
    model: tiny,
    seed: 8n,
    controlNets: [
      {
        model: join(modelsFolder, 'tiny-sd15-controlnet'),
        pixels: gradient(64),
        weight: 0.8,
        startStep: 0,
        endStep: 5,
        mode: 'balanced',
      },
    ],
  },
];

describe('a task', () => {
  let alone: Pixels[];
  let runtime: Runtime;
  beforeAll(async () => {
    await using lone = startRuntime({ provider: 'cpu', threads: 1, log: () => {}, liveRuns: 1, rowsPerCall: 1 });
    alone = [];
    for (const request of requests) alone.push(await draw(lone, request));
    runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {}, rowsPerCall: 4 });
  }, 300_000);
  afterAll(() => runtime.close());

  // How many rows pay is another matter on each machine, so sharing is asked for; what is found out while working is left
  // to itself in the last one.
  test.each<{ rowsPerCall?: number }>([{ rowsPerCall: 2 }, { rowsPerCall: 4 }, {}])(
    'gives the same picture whatever else joins, leaves and is cancelled meanwhile (%o)',
    {
      timeout: 300_000,
    },
    async (options) => {
      await using busy = startRuntime({ provider: 'cpu', threads: 1, log: () => {}, ...options });
      const random = generator(7919);
      const shares = ['a', 'b', 'c'].map((key, index) => ({ key, weight: index + 1 }));
      let finished = 0;
      /** Told when a run has come as far as it was to come before a later one begins, or has ended. */
      const reached = Array.from({ length: 14 }, () => {
        let tell = () => {};
        const told = new Promise<void>((resolve) => {
          tell = resolve;
        });
        return { tell, told };
      });
      const runs = reached.map(async ({ tell }, place) => {
        const index = random(requests.length);
        const share = shares[random(4)];
        const request = { ...requests[index]!, ...(share && { share }), previews: { every: 1 + random(3) } };
        const [cancelled, at, before, behind] = [random(4) === 0, random(4), random(3), random(4)];
        await reached[place - 1 - before]?.told;
        const controller = new AbortController();
        const run = collect(busy, request, controller.signal, (event) => {
          if (event.type === 'stepped' ? event.step >= behind - 1 : behind === 0) tell();
          if (cancelled && event.type === 'stepped' && event.step === at) controller.abort(new Error('cancelled'));
        });
        const events = await run.finally(tell).catch((error) => {
          if (controller.signal.aborted) return undefined;
          throw error;
        });
        const last = events?.at(-1);
        if (last?.type !== 'finished') return;
        finished++;
        expect(last.pixels, `request ${index}`).toEqual(alone[index]);
      });
      await Promise.all(runs);
      expect(finished).toBeGreaterThan(5);
      expect(busy.status().restarts).toBe(0);
      const { calls = [] } = busy.status();
      const unet = calls.filter(({ component }) => component === 'unet');
      if (options.rowsPerCall !== undefined) {
        expect(Math.max(...unet.map(({ rows }) => rows))).toBe(options.rowsPerCall);
      }
    },
  );

  test('that is cancelled stops before its next step, and its neighbours go on', async () => {
    const controller = new AbortController();
    const steps: number[] = [];
    const run = collect(runtime, { ...base, steps: 60 }, controller.signal, (event) => {
      if (event.type !== 'stepped') return;
      steps.push(event.step);
      if (event.step === 2) controller.abort(new Error('enough'));
    });
    const others = [0, 1].map((index) => draw(runtime, requests[index]!));
    await expect(run).rejects.toThrow('enough');
    expect(Math.max(...steps)).toBeLessThanOrEqual(3);
    expect(await Promise.all(others)).toEqual(alone.slice(0, 2));
  });

  test.each(['loras', 'deepCache', 'controlNets'] as const)(
    'goes on in a graph that is replaced for the %s of another',
    {
      timeout: 60_000,
    },
    async (addition) => {
      await using fresh = startRuntime({ provider: 'cpu', threads: 1, log: () => {}, rowsPerCall: 4 });
      const plain = requests.findIndex(({ model }) => model === tiny);
      const added = requests.findIndex((request) => request[addition]);
      let second: Promise<Pixels> | undefined;
      const events = await collect(fresh, requests[plain]!, never(), (event) => {
        if (event.type === 'stepped') second ??= draw(fresh, requests[added]!);
      });
      expect(events.at(-1)).toMatchObject({ type: 'finished', pixels: alone[plain] });
      expect(await second).toEqual(alone[added]);
      // And in the new one.
      expect(await draw(fresh, requests[plain]!)).toEqual(alone[plain]);
    },
  );
});
