import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { RuntimeError } from '../../runtime/index.ts';
import { ManualClock } from '../helpers/clock.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

test('acknowledges an asynchronous task at once, pushes its results and keeps them for getResponse', async () => {
  await using server = await startTestServer();
  const socket = await server.socket({ authenticate: { push: true } });
  const task = imageTask({ deliveryMethod: 'async', numberResults: 2 });
  const acknowledgement = await socket.ask(task);
  expect(acknowledgement).toEqual({ taskType: 'imageInference', taskUUID: task.taskUUID, status: 'processing' });
  const pushed = [await socket.item(task.taskUUID), await socket.item(task.taskUUID)];
  socket.send({ taskType: 'getResponse', taskUUID: task.taskUUID });
  const frame = await socket.take();
  expect(frame).toEqual({ data: pushed });
});

test('acknowledges before anything slow, and while the task waits in the queue', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 50 }) });
  const socket = await server.socket();
  socket.send(imageTask({ steps: 20 }));
  const task = imageTask({ deliveryMethod: 'async', seedImage: randomUUID() });
  expect((await socket.ask(task)).status).toBe('processing');
  const queued = imageTask({ deliveryMethod: 'async', progress: true });
  socket.send(queued);
  const first = await socket.take(({ data, events }) => (data ?? events)?.[0]?.taskUUID === queued.taskUUID);
  expect(first.data?.[0]?.status).toBe('processing');
});

test('tells progress and the newest preview of an unfinished task, and its finished results first', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 20 }) });
  const socket = await server.socket({ authenticate: { push: true } });
  const task = imageTask({
    deliveryMethod: 'async',
    numberResults: 2,
    steps: 10,
    previews: { size: 32 },
    progress: true,
  });
  socket.send(task);
  await socket.item(task.taskUUID);
  const finished = await socket.item(task.taskUUID);
  await socket.take(({ events }) => events?.[0]?.event === 'previewed' && events[0].resultIndex === 1);
  socket.send({ taskType: 'getResponse', taskUUID: task.taskUUID });
  const { data } = await socket.take(({ data }) => data !== undefined);
  expect(data).toHaveLength(2);
  expect(data![0]).toEqual(finished);
  expect(data![1]).toMatchObject({
    taskType: 'imageInference',
    taskUUID: task.taskUUID,
    status: 'processing',
    preview: { resultIndex: 1, width: 32, height: 32, imageBase64Data: expect.any(String) },
  });
  expect(data![1]!.progress).toBeGreaterThan(50);
  expect(data![1]!.progress).toBeLessThan(100);
});

test('never answers getResponse with an empty array', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 50 }) });
  const socket = await server.socket();
  socket.send(imageTask({ steps: 10 }));
  const task = imageTask({ deliveryMethod: 'async' });
  await socket.ask(task);
  const item = await socket.ask({ taskType: 'getResponse', taskUUID: task.taskUUID });
  expect(item).toEqual({ taskType: 'imageInference', taskUUID: task.taskUUID, status: 'processing', progress: 0 });
});

test('answers getResponse for synchronous tasks, with base64 where it was asked for', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const task = imageTask({ outputType: 'base64Data' });
  const item = await socket.ask(task);
  expect(await socket.ask({ taskType: 'getResponse', taskUUID: task.taskUUID })).toEqual(item);
});

test('does not push the error of an asynchronous task, but tells it when asked', async () => {
  const failWith = new RuntimeError('inferenceError', 'A graph failed.');
  await using server = await startTestServer({ runtime: createFakeRuntime({ failWith }) });
  const socket = await server.socket();
  const task = imageTask({ deliveryMethod: 'async' });
  await socket.ask(task);
  await expect
    .poll(async () => {
      socket.send({ taskType: 'getResponse', taskUUID: task.taskUUID });
      const frame = await socket.take();
      return frame.errors?.[0];
    })
    .toMatchObject({ code: 'inferenceError', taskUUID: task.taskUUID, taskType: 'imageInference' });
  expect(socket.frames).toEqual([]);
});

test('does not know tasks that never were', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const taskUUID = randomUUID();
  socket.send({ taskType: 'getResponse', taskUUID });
  expect(await socket.error(taskUUID)).toMatchObject({ code: 'taskNotFound', taskType: 'getResponse' });
});

test('keeps tasks of one key from the holders of another', async () => {
  await using server = await startTestServer({ apiKey: ['one', 'two'] });
  const one = await server.socket({ authenticate: { apiKey: 'one' } });
  const two = await server.socket({ authenticate: { apiKey: 'two' } });
  const task = imageTask();
  await one.ask(task);
  two.send({ taskType: 'getResponse', taskUUID: task.taskUUID });
  expect((await two.error(task.taskUUID)).code).toBe('taskNotFound');
  expect((await two.ask({ taskType: 'taskCancel', tasks: [task.taskUUID] })).cancelled).toEqual([]);
});

test('gives the results again to whoever repeats a finished task, and runs nothing', async () => {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const task = imageTask({ numberResults: 2 });
  socket.send(task);
  const items = [await socket.item(task.taskUUID), await socket.item(task.taskUUID)];
  const other = await server.socket();
  other.send(task);
  expect([await other.item(task.taskUUID), await other.item(task.taskUUID)]).toEqual(items);
  expect(runtime.requests).toHaveLength(2);
});

test('lets whoever repeats a running task join it', async () => {
  const runtime = createFakeRuntime({ stepMs: 30 });
  await using server = await startTestServer({ runtime });
  const first = await server.socket();
  const task = imageTask({ steps: 10, progress: true });
  first.send(task);
  await first.event('started', task.taskUUID);
  const second = await server.socket();
  second.send(task);
  const items = await Promise.all([first.item(task.taskUUID), second.item(task.taskUUID)]);
  expect(items[1]).toEqual(items[0]);
  expect(runtime.requests).toHaveLength(1);
});

test('gives whoever repeats a task for fewer results the last of them, in the order in which they came', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 20 }) });
  const first = await server.socket();
  const task = imageTask({ numberResults: 3 });
  first.send(task);
  const items = [await first.item(task.taskUUID)];
  // It has one from the other socket: of those to come it wants all.
  const second = await server.socket();
  second.send({ ...task, numberResults: 2 });
  while (items.length < 3) items.push(await first.item(task.taskUUID));
  expect([await second.item(task.taskUUID), await second.item(task.taskUUID)]).toEqual(items.slice(1));
  // Finished, it gives the same.
  const third = await server.socket();
  third.send({ ...task, numberResults: 1 });
  expect(await third.item(task.taskUUID)).toEqual(items[2]);
  await Promise.all([second, third].map((socket) => socket.ask({ taskType: 'modelSearch' })));
  expect([...second.frames, ...third.frames]).toEqual([]);
  expect((await server.post([{ ...task, numberResults: 1 }])).body.data).toEqual([items[2]]);
});

test('answers another task under the same taskUUID with conflictTaskUUID', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const task = imageTask();
  await socket.ask(task);
  for (const change of [{ positivePrompt: 'something else' }, { steps: 5 }, { numberResults: 2 }]) {
    socket.send({ ...task, ...change });
    expect(await socket.error(task.taskUUID)).toMatchObject({ code: 'conflictTaskUUID', parameter: 'taskUUID' });
  }
});

test('runs a task again that failed on the side of the server', async () => {
  let failures = 1;
  const runtime = createFakeRuntime({
    failWith: () => (failures-- > 0 ? new RuntimeError('runtimeLost', 'Gone.') : undefined),
  });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const task = imageTask();
  socket.send(task);
  expect((await socket.error(task.taskUUID)).code).toBe('runtimeLost');
  expect((await socket.ask(task)).status).toBe('success');
});

test('knows a task over HTTP as on the socket, until its time is over', async () => {
  const runtime = createFakeRuntime({ stepMs: 10 });
  const clock = new ManualClock();
  await using server = await startTestServer({ runtime, taskKeepMs: 120_000, clock });
  const socket = await server.socket();
  const task = imageTask({ steps: 10, progress: true });
  socket.send(task);
  await socket.event('started', task.taskUUID);
  // One joins the running task, one repeats it with something else, and one the finished.
  const joined = server.post([task]);
  const conflict = await server.post([{ ...task, steps: 11 }]);
  expect([conflict.status, conflict.body.errors![0]!.code]).toEqual([400, 'conflictTaskUUID']);
  const item = await socket.item(task.taskUUID);
  expect((await joined).body).toEqual({ data: [item] });
  expect((await server.post([task])).body).toEqual({ data: [item] });
  expect(runtime.requests).toHaveLength(1);
  const status = async () => (await server.post([{ taskType: 'getResponse', taskUUID: task.taskUUID }])).status;
  await clock.advance(119_000);
  expect(await status()).toBe(200);
  await clock.advance(2_000);
  expect(await status()).toBe(404);
  // Forgotten, it is a task like any other, with other parameters too.
  const again = await server.post([{ ...task, steps: 3 }]);
  expect(again.body.data![0]!.imageUUID).not.toBe(item.imageUUID);
  expect(runtime.requests).toHaveLength(2);
});
