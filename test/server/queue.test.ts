import { expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

test('runs tasks in the order they came', async () => {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const tasks = Array.from({ length: 5 }, (_, index) => imageTask({ seed: 100 + index }));
  socket.send(...tasks);
  for (const task of tasks) await socket.item(task.taskUUID);
  expect(runtime.requests.map(({ seed }) => Number(seed))).toEqual([100, 101, 102, 103, 104]);
});

test('lets sessions take turns', async () => {
  const runtime = createFakeRuntime({ stepMs: 10 });
  await using server = await startTestServer({ runtime });
  const greedy = await server.socket();
  const modest = await server.socket();
  const batch = imageTask({ numberResults: 6, seed: 0, progress: true });
  greedy.send(batch);
  await greedy.event('started', batch.taskUUID);
  const single = imageTask({ seed: 1000 });
  await modest.ask(single);
  expect(runtime.requests.findIndex(({ seed }) => seed === 1000n)).toBeLessThanOrEqual(2);
});

test('tells a task its place, and each change of it', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 5 }) });
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
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 10 }), queueLimit: 3 });
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
