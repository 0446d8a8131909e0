import { expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

test('drops previews for a client that stops reading, keeps its result, and does not grow', async () => {
  const runtime = createFakeRuntime({ stepMs: 1 });
  await using server = await startTestServer({ runtime });
  const reader = await server.socket();
  const previews = { size: 512, format: 'PNG', delivery: 'base64' };
  const warm = imageTask({ width: 512, height: 512, steps: 5, previews });
  reader.send(warm);
  await reader.item(warm.taskUUID);
  reader.frames.length = 0;

  // Nothing is read any more: the buffers of both ends fill, then the server's list would.
  const before = process.memoryUsage().rss;
  const tasks = Array.from({ length: 5 }, () => imageTask({ width: 512, height: 512, steps: 100, previews }));
  reader.webSocket.pause();
  reader.send(...tasks);
  await expect.poll(() => runtime.requests.length, { timeout: 50_000 }).toBe(6);
  await expect.poll(() => runtime.stepsTaken.at(-1), { timeout: 50_000 }).toBe(100);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);

  reader.webSocket.resume();
  for (const task of tasks) expect((await reader.item(task.taskUUID, 20_000)).status).toBe('success');
  const seen = reader.frames.filter(({ events }) => events?.[0]?.event === 'previewed').length;
  expect(seen).toBeLessThan(400);
});

test('never sends a preview of a result behind it', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 1 }) });
  const reader = await server.socket();
  const finished = new Set<string>();
  const tasks = Array.from({ length: 4 }, () =>
    imageTask({ steps: 60, width: 512, height: 512, progress: true, previews: { size: 512, format: 'PNG' } }),
  );
  reader.webSocket.pause();
  reader.send(...tasks);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  reader.webSocket.resume();
  while (finished.size < tasks.length) {
    const frame = await reader.take(undefined, 20_000);
    const item = frame.data?.[0];
    if (item !== undefined) finished.add(item.taskUUID);
    for (const event of frame.events ?? []) expect(finished.has(event.taskUUID)).toBe(false);
  }
});
