import { expect, test } from 'vitest';
import { ManualClock } from '../helpers/clock.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer, TestSocket } from '../helpers/server.ts';

test('closes sockets with 1012 after running tasks have ended', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 20 }) });
  const socket = await server.socket();
  const running = imageTask({ steps: 10, progress: true });
  const waiting = imageTask();
  socket.send(running, waiting);
  await socket.event('started', running.taskUUID);
  const closing = server.close(5_000);
  expect(await socket.error(waiting.taskUUID)).toMatchObject({ code: 'serviceUnavailable' });
  const late = imageTask();
  socket.send(late);
  expect(await socket.error(late.taskUUID)).toMatchObject({ code: 'serviceUnavailable' });
  expect((await socket.item(running.taskUUID)).status).toBe('success');
  expect(await socket.closed).toMatchObject({ code: 1012 });
  await closing;
  await expect(TestSocket.open(server.url)).rejects.toThrow();
});

test('gives running tasks a bounded time', async () => {
  const runtime = createFakeRuntime({ stepMs: 50 });
  const clock = new ManualClock();
  await using server = await startTestServer({ runtime, clock });
  const socket = await server.socket();
  const task = imageTask({ steps: 100, progress: true });
  socket.send(task);
  await socket.event('started', task.taskUUID);
  const closing = server.close(100);
  await clock.advance(100);
  await closing;
  expect(await socket.error(task.taskUUID)).toMatchObject({ code: 'serviceUnavailable' });
  expect(await socket.closed).toMatchObject({ code: 1012 });
  expect(runtime.aborted).toEqual([0]);
});

test('refuses new sockets and says in its health that it stops', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 30 }) });
  const socket = await server.socket();
  const task = imageTask({ steps: 30, progress: true });
  socket.send(task);
  await socket.event('started', task.taskUUID);
  const closing = server.close(5_000);
  await expect(TestSocket.open(server.url)).rejects.toThrow('503');
  const health = await fetch(`${server.url}/health`);
  expect([health.status, (await health.json()).status]).toEqual([503, 'stopping']);
  await closing;
});

test('does not start without its provider', async () => {
  const runtime = createFakeRuntime({ startError: new Error('The provider cuda does not start.') });
  await expect(startTestServer({ runtime })).rejects.toThrow('cuda');
});
