import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

test('sends what was not delivered, in order, right after a session is resumed', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 10 }) });
  const first = await server.socket();
  const task = imageTask({ numberResults: 3, steps: 5, progress: true, previews: true });
  first.send(task);
  await first.event('started', task.taskUUID);
  first.terminate();
  await expect.poll(() => (server.runtime as ReturnType<typeof createFakeRuntime>).stepsTaken.at(-1)).toBe(5);
  await new Promise((resolve) => setTimeout(resolve, 100));

  const second = await server.socket({ authenticate: false });
  const answer = await second.authenticate({ connectionSessionUUID: first.sessionUUID });
  expect(answer.data![0]!.connectionSessionUUID).toBe(first.sessionUUID);
  const items = [];
  for (let index = 0; index < 3; index++) items.push(await second.item(task.taskUUID));
  expect(items.map(({ resultIndex }) => resultIndex)).toEqual([0, 1, 2]);
  expect(second.frames.filter(({ data }) => data !== undefined)).toEqual([]);
});

test('delivers the result of a task that was running when the socket dropped', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 40 }) });
  const first = await server.socket();
  const task = imageTask({ steps: 10, progress: true });
  first.send(task);
  await first.event('started', task.taskUUID);
  first.terminate();
  const second = await server.socket({ authenticate: { connectionSessionUUID: first.sessionUUID } });
  expect(second.sessionUUID).toBe(first.sessionUUID);
  expect((await second.item(task.taskUUID)).status).toBe('success');
});

test('keeps errors and acknowledgements for the next socket too', async () => {
  await using server = await startTestServer();
  const first = await server.socket();
  const bad = imageTask({ seedImage: randomUUID() });
  first.webSocket.send(JSON.stringify([bad]));
  first.webSocket.close();
  await first.closed;
  const second = await server.socket({ authenticate: { connectionSessionUUID: first.sessionUUID } });
  const seen = [...first.frames, ...second.frames];
  const error = seen.find(({ errors }) => errors)?.errors?.[0] ?? (await second.error(bad.taskUUID));
  expect(error).toMatchObject({ code: 'mediaNotFound', taskUUID: bad.taskUUID });
});

test('answers an unknown session with a fresh one', async () => {
  await using server = await startTestServer();
  for (const connectionSessionUUID of [randomUUID(), 'nonsense', 7]) {
    const socket = await server.socket({ authenticate: { connectionSessionUUID } });
    expect(socket.sessionUUID).toMatch(/^[0-9a-f-]{36}$/);
    expect(socket.sessionUUID).not.toBe(connectionSessionUUID);
  }
});

test('does not give a session to the holder of another key', async () => {
  await using server = await startTestServer({ apiKey: ['one', 'two'] });
  const one = await server.socket({ authenticate: { apiKey: 'one' } });
  const two = await server.socket({ authenticate: { apiKey: 'two', connectionSessionUUID: one.sessionUUID } });
  expect(two.sessionUUID).not.toBe(one.sessionUUID);
});

test('closes the older socket when a session is taken over', async () => {
  await using server = await startTestServer();
  const first = await server.socket();
  await server.socket({ authenticate: { connectionSessionUUID: first.sessionUUID } });
  await first.closed;
});

test('gives up the synchronous tasks of a session that nobody comes back to, and says nothing', async () => {
  const runtime = createFakeRuntime({ stepMs: 20 });
  await using server = await startTestServer({ runtime, sessionKeepMs: 50 });
  const socket = await server.socket();
  const sync = imageTask({ steps: 100, progress: true });
  const async = imageTask({ steps: 2, deliveryMethod: 'async' });
  socket.send(sync, async);
  await socket.event('started', sync.taskUUID);
  socket.terminate();
  await expect.poll(() => runtime.aborted).toEqual([0]);
  const other = await server.socket();
  await expect
    .poll(async () => (await other.ask({ taskType: 'getResponse', taskUUID: async.taskUUID })).status)
    .toBe('success');
  expect(other.frames).toEqual([]);
});
