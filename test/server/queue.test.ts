import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { GenerateRequest, ModelTraits } from '../../runtime/index.ts';
import type { KeyPolicy } from '../../server/config/keys.ts';
import type { ServerOptions } from '../../server/index.ts';
import { workOf } from '../../server/queue/cost.ts';
import { type Claimant, Queue } from '../../server/queue/queue.ts';
import { ManualClock } from '../helpers/clock.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

/** A queue of which only the room is asked. */
function newQueue({ limit, concurrency }: { limit: number; concurrency: number }): Queue {
  const policy: KeyPolicy = { weight: 1, shared: true, maxPriority: 9, overtakes: false, queueLimit: 0, runLimit: 0 };
  return new Queue(createFakeRuntime(), {
    ...{ limit, concurrency, claimantLimit: 0, claimantRuns: 0, clock: new ManualClock(), policyOf: () => policy },
  });
}

/** Hands one run at a time to the runtime, so that the order of its requests is that of the queue. */
const startQueue = (options: ServerOptions = {}) => startTestServer({ concurrency: 1, ...options });

test('runs tasks in the order they came', async () => {
  const runtime = createFakeRuntime();
  await using server = await startQueue({ runtime });
  const socket = await server.socket();
  const tasks = Array.from({ length: 5 }, (_, index) => imageTask({ seed: 100 + index }));
  socket.send(...tasks);
  for (const task of tasks) await socket.item(task.taskUUID);
  expect(runtime.requests.map(({ seed }) => Number(seed))).toEqual([100, 101, 102, 103, 104]);
});

test('lets sessions take turns', async () => {
  const runtime = createFakeRuntime({ stepMs: 10 });
  await using server = await startQueue({ runtime });
  const greedy = await server.socket();
  const modest = await server.socket();
  const batch = imageTask({ numberResults: 6, seed: 0, progress: true });
  greedy.send(batch);
  await greedy.event('started', batch.taskUUID);
  const single = imageTask({ seed: 1000 });
  await modest.ask(single);
  expect(runtime.requests.findIndex(({ seed }) => seed === 1000n)).toBeLessThanOrEqual(2);
});

test('hands over in the order of arrival where the operator wants that', async () => {
  const runtime = createFakeRuntime({ stepMs: 50 });
  const apiKey = [{ key: 'urgent', overtakes: true }, 'plain'];
  await using server = await startQueue({ runtime, apiKey, queueOrder: 'arrival' });
  const greedy = await server.socket({ authenticate: { apiKey: 'plain' } });
  const modest = await server.socket({ authenticate: { apiKey: 'plain' } });
  const urgent = await server.socket({ authenticate: { apiKey: 'urgent' } });
  const blocker = imageTask({ steps: 100, progress: true, seed: 1 });
  modest.send(blocker);
  await modest.event('started', blocker.taskUUID);
  const batch = imageTask({ numberResults: 6, steps: 1, seed: 100, progress: true });
  greedy.send(batch);
  await greedy.event('queued', batch.taskUUID);
  const single = imageTask({ steps: 1, seed: 50, priority: 9, progress: true });
  modest.send(single);
  expect(await modest.event('queued', single.taskUUID)).toMatchObject({ position: 6 });
  const first = imageTask({ steps: 1, seed: 10, priority: 1, progress: true });
  urgent.send(first);
  expect(await urgent.event('queued', first.taskUUID)).toMatchObject({ position: 0 });
  await modest.ask({ taskType: 'taskCancel', tasks: [blocker.taskUUID] });
  await expect.poll(() => runtime.requests.length, { timeout: 20_000 }).toBe(9);
  expect(runtime.requests.map(({ seed }) => Number(seed))).toEqual([1, 10, 100, 101, 102, 103, 104, 105, 50]);
});

const tiny: ModelTraits = { family: 'sd', input: 'latents', guidanceRule: 'above 1', defaultScheduler: 'Euler' };

/** The work that each of two sessions was given when the busier one of them had been given `until`, in results of 4 steps. */
function givenWork(
  requests: readonly GenerateRequest[],
  isFirst: (request: GenerateRequest) => boolean,
  until: number,
) {
  const given = { first: 0, other: 0 };
  const one = workOf({ ...requests[0]!, width: 128, height: 128, steps: 4, guidanceScale: 1 }, tiny);
  for (const request of requests) {
    given[isFirst(request) ? 'first' : 'other'] += workOf(request, tiny) / one;
    if (Math.max(given.first, given.other) >= until) break;
  }
  return given;
}

test('shares by work and not by count', async () => {
  const runtime = createFakeRuntime({ stepMs: 1 });
  await using server = await startQueue({ runtime });
  const [large, small, blocking] = [await server.socket(), await server.socket(), await server.socket()];
  const blocker = imageTask({ steps: 60, progress: true, seed: 5000 });
  blocking.send(blocker);
  await blocking.event('started', blocker.taskUUID);
  // Twice the steps, four times the pixels, both branches: 16 times the denoising, and 4 times the decoding.
  large.send(
    imageTask({ numberResults: 4, steps: 8, width: 256, height: 256, CFGScale: 5, seed: 1000, progress: true }),
  );
  small.send(
    imageTask({ numberResults: 20, CFGScale: 1, seed: 0 }),
    imageTask({ numberResults: 20, CFGScale: 1, seed: 100 }),
  );
  await expect.poll(() => runtime.requests.length, { timeout: 20_000 }).toBe(1 + 4 + 40);
  const requests = runtime.requests.slice(1);
  const { first, other } = givenWork(requests, ({ seed }) => seed >= 1000n, 32);
  expect(first).toBeGreaterThan(32);
  // One large result behind at most.
  expect(other).toBeGreaterThanOrEqual(first - first / 3);
});

test('takes all HTTP requests of one address for one client, and a socket for another', async () => {
  const runtime = createFakeRuntime({ stepMs: 1 });
  await using server = await startQueue({ runtime, sessionQueueLimit: 13 });
  const [modest, blocking] = [await server.socket(), await server.socket()];
  const blocker = imageTask({ steps: 100, progress: true, seed: 5000 });
  blocking.send(blocker);
  await blocking.event('started', blocker.taskUUID);
  const posted = Array.from({ length: 12 }, (_, index) => server.post([imageTask({ seed: 1000 + index })]));
  const waiting = async () => (await (await fetch(`${server.url}/health`)).json()).queue.waiting;
  await expect.poll(waiting).toBe(12);
  modest.send(imageTask({ numberResults: 12, seed: 0 }));
  // With a share for each request it would have been one of thirteen.
  await expect.poll(() => runtime.requests.length, { timeout: 50_000 }).toBe(25);
  const order = runtime.requests.slice(1).map(({ seed }) => (seed >= 1000n ? 'http' : 'socket'));
  for (let count = 2; count <= 24; count++) {
    const ofSocket = order.slice(0, count).filter((kind) => kind === 'socket').length;
    expect(Math.abs(ofSocket - count / 2)).toBeLessThanOrEqual(1);
  }
  expect((await Promise.all(posted)).map(({ status }) => status)).toEqual(posted.map(() => 200));
  // Nor is the limit of unfinished results one of each request.
  const many = [
    server.post([imageTask({ numberResults: 10, steps: 50 })]),
    server.post([imageTask({ numberResults: 10 })]),
  ];
  const refused = (await Promise.all(many)).find(({ status }) => status === 429)!;
  expect(refused.body.errors![0]!.message).toContain('address');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
});

test('gives a key its weight, however many sessions come with it', async () => {
  const runtime = createFakeRuntime({ stepMs: 1 });
  const apiKey = [{ key: 'heavy', weight: 3 }, 'light', 'third'];
  await using server = await startQueue({ runtime, apiKey, queueLimit: 1000 });
  const heavy = [];
  for (let index = 0; index < 3; index++) heavy.push(await server.socket({ authenticate: { apiKey: 'heavy' } }));
  const light = await server.socket({ authenticate: { apiKey: 'light' } });
  const third = await server.socket({ authenticate: { apiKey: 'third' } });
  const blocker = imageTask({ steps: 60, progress: true, seed: 500 });
  third.send(blocker);
  await third.event('started', blocker.taskUUID);
  for (const socket of heavy) socket.send(imageTask({ numberResults: 20, seed: 1000 }));
  light.send(imageTask({ numberResults: 20, seed: 0 }));
  await expect.poll(() => runtime.requests.length, { timeout: 20_000 }).toBe(1 + 60 + 20);
  const both = runtime.requests.slice(1, 1 + 40);
  const ofHeavy = both.filter(({ seed }) => seed >= 1000n).length;
  expect(ofHeavy / both.length).toBeGreaterThan(0.7);
  expect(ofHeavy / both.length).toBeLessThan(0.8);
  const shares = runtime.requests.filter(({ seed }) => seed >= 1000n).map(({ share }) => share!);
  expect(new Set(shares.map(({ key }) => key)).size).toBe(3);
  expect(shares[20]!.weight).toBe(1);
});

test('takes the higher priority first among the tasks of a session, and no turn of another', async () => {
  const runtime = createFakeRuntime();
  await using server = await startQueue({ runtime });
  const socket = await server.socket();
  const other = await server.socket();
  const blocker = imageTask({ steps: 20, progress: true, seed: 1 });
  socket.send(blocker);
  await socket.event('started', blocker.taskUUID);
  const modest = imageTask({ seed: 50 });
  await other.ask({ taskType: 'getResponse', taskUUID: modest.taskUUID }).catch(() => {});
  other.send(modest);
  socket.send(...[0, 3, 9, 3].map((priority, index) => imageTask({ priority, seed: 100 + index })));
  await expect.poll(() => runtime.requests.length).toBe(6);
  const seeds = runtime.requests.map(({ seed }) => Number(seed));
  expect(seeds.filter((seed) => seed >= 100)).toEqual([102, 101, 103, 100]);
  expect(seeds.indexOf(50)).toBeLessThanOrEqual(2);
});

test('lets priority go before others only where the key allows it, and only as high as it allows', async () => {
  const runtime = createFakeRuntime({ stepMs: 5 });
  const apiKey = [{ key: 'urgent', overtakes: true, maxPriority: 5 }, 'plain'];
  await using server = await startQueue({ runtime, apiKey });
  const urgent = await server.socket({ authenticate: { apiKey: 'urgent' } });
  const plain = await server.socket({ authenticate: { apiKey: 'plain' } });
  const blocker = imageTask({ steps: 20, progress: true, seed: 1, width: 256 });
  urgent.send(blocker);
  await urgent.event('started', blocker.taskUUID);
  const last = imageTask({ seed: 10, numberResults: 3, priority: 9 });
  plain.send(last);
  await new Promise((resolve) => setTimeout(resolve, 10));
  const tooHigh = imageTask({ priority: 6 });
  urgent.send(imageTask({ priority: 5, seed: 100, numberResults: 2 }), tooHigh);
  expect(await urgent.error(tooHigh.taskUUID)).toMatchObject({ code: 'invalidPriority', max: 5 });
  await expect.poll(() => runtime.requests.length).toBe(6);
  expect(runtime.requests.map(({ seed }) => Number(seed))).toEqual([1, 100, 101, 10, 11, 12]);
});

test('keeps a quarter of the places for those who have none', async () => {
  await using server = await startQueue({ runtime: createFakeRuntime({ stepMs: 20 }), concurrency: 8 });
  const greedy = await server.socket();
  const modest = await server.socket();
  const batch = imageTask({ numberResults: 20, steps: 50, progress: true });
  greedy.send(batch);
  await greedy.event('started', batch.taskUUID);
  const health = async () => (await (await fetch(`${server.url}/health`)).json()).queue;
  expect(await health()).toEqual({ running: 6, waiting: 14 });
  const single = imageTask({ progress: true });
  modest.send(single);
  expect(await modest.event('queued', single.taskUUID)).toMatchObject({ position: 0 });
  expect(await health()).toEqual({ running: 7, waiting: 14 });
});

test('gives back at once what a cancelled task did not use', async () => {
  const runtime = createFakeRuntime({ stepMs: 4 });
  await using server = await startQueue({ runtime });
  const socket = await server.socket();
  const other = await server.socket();
  // A hundred steps are charged; two are taken.
  const long = imageTask({ steps: 100, progress: true, seed: 1 });
  socket.send(long);
  await socket.event('stepped', long.taskUUID);
  other.send(imageTask({ numberResults: 10, seed: 100 }));
  const next = imageTask({ seed: 2 });
  socket.send({ taskType: 'taskCancel', taskUUID: randomUUID(), tasks: [long.taskUUID] }, next);
  await socket.item(next.taskUUID);
  expect(runtime.requests.findIndex(({ seed }) => seed === 2n)).toBeLessThanOrEqual(4);
});

test('fails a task that has not begun by its deadline, and runs nothing of it', async () => {
  const runtime = createFakeRuntime({ stepMs: 10 });
  await using server = await startQueue({ runtime });
  const socket = await server.socket();
  const running = imageTask({ steps: 30, progress: true, deadline: 100 });
  socket.send(running);
  await socket.event('started', running.taskUUID);
  const late = imageTask({ deadline: 50 });
  const polled = imageTask({ deadline: 50, deliveryMethod: 'async' });
  socket.send(late, polled);
  expect(await socket.error(late.taskUUID)).toMatchObject({ code: 'startTimeout', parameter: 'deadline' });
  await socket.item(polled.taskUUID);
  await new Promise((resolve) => setTimeout(resolve, 60));
  socket.send({ taskType: 'getResponse', taskUUID: polled.taskUUID });
  expect((await socket.error(polled.taskUUID)).code).toBe('startTimeout');
  // Begun in time, finished after it.
  expect((await socket.item(running.taskUUID)).status).toBe('success');
  await socket.ask(imageTask());
  expect(runtime.requests).toHaveLength(2);
});

test('limits the results of a session and of a key, and says when to come back', async () => {
  const apiKey = [{ key: 'limited', queueLimit: 5 }];
  const runtime = createFakeRuntime({ stepMs: 10 });
  await using server = await startQueue({ runtime, apiKey, sessionQueueLimit: 3 });
  const first = await server.socket({ authenticate: { apiKey: 'limited' } });
  const second = await server.socket({ authenticate: { apiKey: 'limited' } });
  // Measures the pace: 4 steps of 10 ms.
  await first.ask(imageTask());
  const task = imageTask({ numberResults: 3, steps: 10 });
  const tooMuch = imageTask();
  const never = imageTask({ numberResults: 4 });
  first.send(task, tooMuch, never);
  const error = await first.error(tooMuch.taskUUID);
  expect(error.code).toBe('rateLimitExceeded');
  expect(error.message).toContain('session');
  expect(error.retryAfterMs).toBeGreaterThanOrEqual(100);
  expect(error.retryAfterMs).toBeLessThan(2000);
  expect(await first.error(never.taskUUID)).toMatchObject({ code: 'invalidNumberResults', max: 3 });
  const others = imageTask({ numberResults: 3 });
  second.send(others);
  expect((await second.error(others.taskUUID)).message).toContain('key');
  for (let index = 0; index < 3; index++) await first.item(task.taskUUID);
  expect((await first.ask(tooMuch)).status).toBe('success');
  const { status, headers, body } = await server.post([imageTask({ numberResults: 3 }), imageTask()], {
    authorization: 'Bearer limited',
  });
  expect(status).toBe(429);
  expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(body.data).toHaveLength(3);
});

test('begins no more of a session, or of a key, than it may', async () => {
  const runtime = createFakeRuntime({ stepMs: 10 });
  const apiKey = [{ key: 'limited', runLimit: 3 }];
  await using server = await startQueue({ runtime, apiKey, concurrency: 16, sessionRunLimit: 2 });
  const sockets = [];
  for (let index = 0; index < 2; index++) sockets.push(await server.socket({ authenticate: { apiKey: 'limited' } }));
  const tasks = sockets.map((socket) => {
    const task = imageTask({ numberResults: 5, steps: 10, progress: true });
    socket.send(task);
    return task;
  });
  await sockets[0]!.event('started', tasks[0]!.taskUUID);
  const health = await fetch(`${server.url}/health`, { headers: { authorization: 'Bearer limited' } });
  expect((await health.json()).queue).toEqual({ running: 3, waiting: 7 });
});

test('lets those with less than their part into a full queue', async () => {
  await using server = await startQueue({ runtime: createFakeRuntime({ stepMs: 10 }), queueLimit: 9 });
  const greedy = await server.socket();
  const modest = await server.socket();
  const more = imageTask();
  greedy.send(imageTask({ numberResults: 10, steps: 20 }), more);
  const error = await greedy.error(more.taskUUID);
  expect(error).toMatchObject({ code: 'serviceUnavailable', retryAfterMs: expect.any(Number) });
  expect((await modest.ask(imageTask())).status).toBe('success');
  const tooMuch = imageTask({ numberResults: 6 });
  modest.send(tooMuch);
  expect((await modest.error(tooMuch.taskUUID)).code).toBe('serviceUnavailable');
});

test('divides a full queue among keys first, and then among the sessions of a key', () => {
  const queue = newQueue({ limit: 84, concurrency: 16 });
  const session = (owner: string, id: number): Claimant => ({ kind: 'session', id: `${owner} ${id}`, owner });
  const admitted = (claimant: Claimant, count: number) => {
    let taken = 0;
    for (; taken < count; taken++) {
      try {
        queue.admit(claimant, 1);
      } catch (error) {
        expect(error).toMatchObject({ code: 'serviceUnavailable' });
        break;
      }
    }
    return taken;
  };
  // One session has it all; 129 more of its key have a part, and all of them together no more than the room once more.
  expect(admitted(session('many', 0), 1000)).toBe(100);
  let more = 0;
  for (let id = 1; id < 130; id++) more += admitted(session('many', id), 1);
  expect(more).toBe(99);
  // Another key has half of the room, in one session or in several, and a third key has a third of it.
  expect(admitted(session('one', 0), 1)).toBe(1);
  expect(admitted(session('one', 0), 1000)).toBe(49);
  expect(admitted(session('one', 1), 1000)).toBe(25);
  expect(admitted(session('two', 0), 1000)).toBe(33);
  expect(admitted(session('many', 500), 1)).toBe(0);
  // What has ended leaves room for those who have less than their part.
  queue.release(session('many', 0), 100);
  for (let id = 1; id < 100; id++) queue.release(session('many', id), 1);
  expect(admitted(session('many', 500), 1)).toBe(1);
});

test.each([1, 16])('builds no queue of a lane in which 20 tasks a second come, at %i at once', async (concurrency) => {
  // A step of 120 ms, which no cancel shortens, and a task every 50 ms.
  const runtime = createFakeRuntime({ stepMs: 120, wholeSteps: true });
  await using server = await startQueue({ runtime, concurrency });
  const socket = await server.socket();
  let most = 0;
  const tasks = [];
  const begun = performance.now();
  for (let key = 0; key < 60; key++) {
    const task = imageTask({ lane: 'prompt', seed: key, steps: 4 });
    tasks.push(task);
    socket.send(task);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { waiting, running } = (await (await fetch(`${server.url}/health`)).json()).queue;
    most = Math.max(most, waiting + running);
  }
  const last = tasks.at(-1)!;
  const drawingMs = performance.now() - begun;
  expect((await socket.item(last.taskUUID)).status).toBe('success');
  expect(most).toBeLessThanOrEqual(4);
  for (const task of tasks.slice(0, -1)) {
    expect(await socket.event('cancelled', task.taskUUID)).toMatchObject({ reason: 'superseded' });
  }
  // One a step at most, and none of them went on after the next one came.
  expect(runtime.requests.length).toBeLessThanOrEqual(60);
  const steps = runtime.stepsTaken.reduce((sum, taken) => sum + taken, 0);
  expect(steps).toBeLessThanOrEqual(drawingMs / 120 + 4 + 3);
});

test('tells a task its place, and each change of it', async () => {
  await using server = await startQueue({ runtime: createFakeRuntime({ stepMs: 5 }) });
  const socket = await server.socket();
  const running = imageTask({ steps: 10, progress: true });
  socket.send(running);
  await socket.event('started', running.taskUUID);
  const waiting = imageTask();
  const last = imageTask({ progress: true });
  socket.send(waiting, last);
  expect(await socket.event('queued', last.taskUUID)).toEqual({
    event: 'queued',
    taskType: 'imageInference',
    taskUUID: last.taskUUID,
    position: 1,
  });
  expect(await socket.event('queued', last.taskUUID)).toMatchObject({ position: 0 });
  await socket.event('started', last.taskUUID);
});

test('refuses a task that does not fit into the queue any more', async () => {
  await using server = await startQueue({ runtime: createFakeRuntime({ stepMs: 10 }), queueLimit: 3 });
  const socket = await server.socket();
  const running = imageTask({ steps: 10 });
  const waiting = imageTask({ numberResults: 2 });
  const tooMuch = imageTask({ numberResults: 2 });
  const fits = imageTask();
  socket.send(running, waiting, tooMuch, fits);
  expect(await socket.error(tooMuch.taskUUID)).toMatchObject({
    code: 'serviceUnavailable',
    taskType: 'imageInference',
  });
  await socket.item(fits.taskUUID);
  // There is room again, and the refused task may be sent again.
  await socket.ask(tooMuch);
});
