import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GenerateRequest, type Runtime, startRuntime } from '../../runtime/index.ts';
import type { FromRuntime } from '../../runtime/messages.ts';
import { Progress, UNTOLD_MS } from '../../runtime/process/progress.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { overhear } from '../helpers/overhear.ts';
import { collect } from './runtimeSuite.ts';

const request: GenerateRequest = {
  model: modelFolder('tiny-sd15'),
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 30,
  guidanceScale: 5,
  seed: 1n,
};

let runtime: Runtime;
beforeAll(async () => {
  runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
  // The model is read first.
  await collect(runtime, { ...request, steps: 1 });
}, 60_000);
afterAll(() => runtime.close());

/** What of a message tells of a step. */
function stepsIn(message: readonly FromRuntime[]): string[] {
  return message.flatMap((part) =>
    part.type === 'reported' && (part.event.type === 'stepped' || part.event.type === 'previewed')
      ? `${part.event.type} ${part.event.step}`
      : [],
  );
}

/** What each message of one run tells of steps, of those that tell of any. */
async function messagesOf(changes: Partial<GenerateRequest>): Promise<{ told: string[][]; ms: number }> {
  const told: string[][] = [];
  using _heard = overhear((message) => told.push(stepsIn(message)));
  const begun = performance.now();
  await collect(runtime, { ...request, ...changes });
  return { told: told.filter((steps) => steps.length > 0), ms: performance.now() - begun };
}

test('a step and its preview cross the border in one message', async () => {
  const { told } = await messagesOf({ previews: { every: 1 } });
  expect(told).toEqual(Array.from({ length: 30 }, (_, step) => [`stepped ${step}`, `previewed ${step}`]));
});

test('a preview tells of its step where the client asked for no steps', async () => {
  const { told } = await messagesOf({ previews: { every: 1 }, progress: false });
  expect(told.map((message) => message.at(-1))).toEqual(Array.from({ length: 30 }, (_, step) => `previewed ${step}`));
});

test('steps that the client did not ask for cross the border a few times a second', async () => {
  const { told, ms } = await messagesOf({ progress: false });
  expect(told[0]).toEqual(['stepped 0']);
  expect(told.length).toBeLessThanOrEqual(1 + ms / UNTOLD_MS);
});

test('a run that is cancelled tells how far it came before its iteration throws', async () => {
  const controller = new AbortController();
  const reason = new Error('cancelled');
  const untold: FromRuntime[] = [];
  const steps: number[] = [];
  using _heard = overhear((message) => {
    for (const part of message) {
      if (part.type === 'cancelled') untold.push(part);
      if (part.type === 'reported' && part.event.type === 'stepped') controller.abort(reason);
    }
  });
  const run = async () => {
    for await (const event of runtime.generate({ ...request, steps: 500, progress: false }, controller.signal)) {
      if (event.type === 'stepped') steps.push(event.step);
    }
  };
  await expect(run()).rejects.toBe(reason);
  const [cancelled] = untold;
  if (cancelled?.type !== 'cancelled') throw new Error('It was not cancelled.');
  expect(steps).toEqual(cancelled.last === undefined ? [] : [cancelled.last.step]);
});

test('tells the first step, and then one so long after the last news', () => {
  let now = 0;
  const progress = new Progress(false, () => now);
  const told: number[] = [];
  for (let step = 0; step < 10; step++) {
    now = step * 100;
    if (progress.stepped({ type: 'stepped', step, steps: 10 })) told.push(step);
    // A preview of step 4 says that it was made.
    if (step === 4) progress.told();
  }
  expect(told).toEqual([0, 3, 7]);
  expect(progress.untold).toEqual({ type: 'stepped', step: 9, steps: 10 });
});

test('tells every step to those who asked for them', () => {
  const progress = new Progress(true, () => 0);
  expect([0, 1, 2].map((step) => progress.stepped({ type: 'stepped', step, steps: 3 }))).toEqual([true, true, true]);
  expect(progress.untold).toBeUndefined();
});
