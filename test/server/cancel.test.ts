import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

test('stops a running task before its next step', async () => {
  const runtime = createFakeRuntime({ stepMs: 30 });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const task = imageTask({ steps: 100, progress: true, previews: true });
  socket.send(task);
  await socket.take(({ events }) => events?.[0]?.event === 'stepped' && events[0].step === 2);
  const answer = await socket.ask({ taskType: 'taskCancel', tasks: [task.taskUUID] });
  expect(answer).toMatchObject({ taskType: 'taskCancel', cancelled: [task.taskUUID] });
  expect(await socket.event('cancelled', task.taskUUID)).toEqual({
    event: 'cancelled',
    taskType: 'imageInference',
    taskUUID: task.taskUUID,
    reason: 'cancelled',
  });
  await expect.poll(() => runtime.aborted).toEqual([0]);
  expect(runtime.stepsTaken[0]).toBeLessThan(10);
});

test('says nothing more about a cancelled task, and never an error', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 10 }) });
  const socket = await server.socket();
  const task = imageTask({ steps: 20, numberResults: 3, progress: true, previews: true });
  socket.send(task);
  await socket.event('started', task.taskUUID);
  socket.send({ taskType: 'taskCancel', taskUUID: randomUUID(), tasks: [task.taskUUID] });
  await socket.event('cancelled', task.taskUUID);
  socket.frames.length = 0;
  expect((await socket.ask(imageTask())).status).toBe('success');
  expect(JSON.stringify(socket.frames)).not.toContain(task.taskUUID);
});

test('takes a waiting task out of the queue', async () => {
  const runtime = createFakeRuntime({ stepMs: 20 });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const first = imageTask({ steps: 10 });
  const second = imageTask({ numberResults: 2 });
  const third = imageTask();
  socket.send(first, second, third);
  expect((await socket.ask({ taskType: 'taskCancel', tasks: [second.taskUUID] })).cancelled).toEqual([second.taskUUID]);
  await socket.item(third.taskUUID);
  expect(runtime.requests).toHaveLength(2);
});

test('leaves ended and unknown tasks out of its answer', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const task = imageTask();
  await socket.ask(task);
  expect((await socket.ask({ taskType: 'taskCancel', tasks: [task.taskUUID, randomUUID()] })).cancelled).toEqual([]);
});

test('answers getResponse about a cancelled task with taskCancelled', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 20 }) });
  const socket = await server.socket();
  const task = imageTask({ steps: 50, deliveryMethod: 'async' });
  await socket.ask(task);
  await socket.ask({ taskType: 'taskCancel', tasks: [task.taskUUID] });
  socket.send({ taskType: 'getResponse', taskUUID: task.taskUUID });
  expect(await socket.error(task.taskUUID)).toMatchObject({ code: 'taskCancelled', taskType: 'imageInference' });
});

test('tells whoever repeats a cancelled task that it was cancelled', async () => {
  const runtime = createFakeRuntime({ stepMs: 20 });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const task = imageTask({ steps: 50 });
  socket.send(task);
  await socket.ask({ taskType: 'taskCancel', tasks: [task.taskUUID] });
  await socket.event('cancelled', task.taskUUID);
  socket.send(task);
  await socket.event('cancelled', task.taskUUID);
  expect(runtime.requests.length).toBeLessThanOrEqual(1);
});

test('supersedes the unfinished older task of the same lane', async () => {
  const runtime = createFakeRuntime({ stepMs: 10 });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const tasks = Array.from({ length: 5 }, () => imageTask({ steps: 20, lane: 'canvas', progress: true }));
  for (const task of tasks) {
    socket.send(task);
    await socket.event('queued', task.taskUUID);
  }
  const last = tasks.at(-1)!;
  expect((await socket.item(last.taskUUID)).status).toBe('success');
  for (const task of tasks.slice(0, -1)) {
    expect(await socket.event('cancelled', task.taskUUID)).toMatchObject({ reason: 'superseded' });
  }
  expect(socket.frames.some(({ errors }) => errors !== undefined)).toBe(false);
});

test('supersedes nothing in another lane, another session, or with a task that is refused', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 10 }) });
  const socket = await server.socket();
  const other = await server.socket();
  const task = imageTask({ steps: 10, lane: 'a' });
  const otherLane = imageTask({ lane: 'b' });
  const otherSession = imageTask({ lane: 'a' });
  const refused = imageTask({ lane: 'a', width: 100 });
  const refusedLater = imageTask({ lane: 'a', model: 'x:1@1' });
  socket.send(task, otherLane, refused, refusedLater);
  other.send(otherSession);
  await Promise.all([socket.item(task.taskUUID), socket.item(otherLane.taskUUID), other.item(otherSession.taskUUID)]);
});

test('lets a lane go on where the queue is full', async () => {
  await using server = await startTestServer({
    runtime: createFakeRuntime({ stepMs: 10 }),
    queueLimit: 1,
    concurrency: 1,
  });
  const socket = await server.socket();
  const blocker = imageTask({ steps: 20 });
  socket.send(blocker);
  const older = imageTask({ lane: 'a' });
  const newer = imageTask({ lane: 'a' });
  const refused = imageTask();
  socket.send(older, newer, refused);
  expect((await socket.error(refused.taskUUID)).code).toBe('serviceUnavailable');
  expect((await socket.item(newer.taskUUID)).status).toBe('success');
});

test('cancels or finishes a task that is cancelled in the moment of its end, and never both', async () => {
  const runtime = createFakeRuntime({ stepMs: 1 });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const count = { cancelled: 0, finished: 0 };
  // Sought out as it goes: later after a cancel, sooner after a result.
  let delayMs = 1;
  for (let round = 0; round < 60; round++) {
    const task = imageTask({ steps: 2, progress: true });
    socket.send(task);
    await socket.take(({ events }) => events?.[0]?.event === 'stepped' && events[0].step === 1);
    // The picture is encoded and stored meanwhile.
    const at = performance.now() + delayMs;
    while (performance.now() < at) await new Promise((resolve) => setImmediate(resolve));
    const taskCancel = { taskType: 'taskCancel', tasks: [task.taskUUID] };
    const [first, second] = [randomUUID(), randomUUID()];
    socket.send({ ...taskCancel, taskUUID: first }, { ...taskCancel, taskUUID: second });
    const answers = [(await socket.item(first)).cancelled, (await socket.item(second)).cancelled];
    const about = socket.frames.filter((frame) => JSON.stringify(frame).includes(task.taskUUID));
    const results = about.filter(({ data }) => data !== undefined);
    const cancels = about.filter(({ events }) => events?.[0]?.event === 'cancelled');
    socket.frames.length = 0;
    if (cancels.length > 0) {
      count.cancelled++;
      delayMs *= 1.5;
      // The first of the two did it, and said so once.
      expect([answers, results, cancels.length]).toEqual([[[task.taskUUID], []], [], 1]);
    } else {
      count.finished++;
      delayMs /= 2;
      expect([answers, results.length]).toEqual([[[], []], 1]);
    }
  }
  expect((await fetch(`${server.url}/health`).then((answer) => answer.json())).queue).toEqual({
    running: 0,
    waiting: 0,
  });
  expect(Math.min(count.cancelled, count.finished)).toBeGreaterThan(3);
  console.info(`cancelled at the end: ${JSON.stringify(count)}`);
});

test('is done from another socket of the session, over HTTP, and from no other key', async () => {
  const runtime = createFakeRuntime({ stepMs: 20 });
  await using server = await startTestServer({ runtime, apiKey: ['one', 'two'] });
  const first = await server.socket({ authenticate: { apiKey: 'one' } });
  const stranger = await server.socket({ authenticate: { apiKey: 'two' } });
  const [one, two] = [imageTask({ steps: 100, progress: true }), imageTask({ steps: 100 })];
  first.send(one, two);
  await first.event('started', one.taskUUID);
  const taskCancel = { taskType: 'taskCancel', tasks: [one.taskUUID] };
  expect((await stranger.ask(taskCancel)).cancelled).toEqual([]);
  first.terminate();
  const authenticate = { apiKey: 'one', connectionSessionUUID: first.sessionUUID };
  const second = await server.socket({ authenticate });
  expect((await second.ask(taskCancel)).cancelled).toEqual([one.taskUUID]);
  await second.event('cancelled', one.taskUUID);
  const cancelTwo = { taskType: 'taskCancel', taskUUID: randomUUID(), tasks: [two.taskUUID] };
  const { body } = await server.post([cancelTwo], { authorization: 'Bearer one' });
  expect(body.data![0]!.cancelled).toEqual([two.taskUUID]);
  await second.event('cancelled', two.taskUUID);
  await expect.poll(() => runtime.aborted.length).toBeGreaterThan(0);
  expect(stranger.frames).toEqual([]);
});
