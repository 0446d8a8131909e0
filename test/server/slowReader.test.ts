import { expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { frailLink } from '../helpers/frailLink.ts';
import { noise, pngUri } from '../helpers/pictures.ts';
import { imageTask, startTestServer, TestSocket } from '../helpers/server.ts';

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

/** Results of a megabyte each: a PNG does not make noise smaller. */
function largeTask(seedImage: string) {
  const size = { width: 512, height: 512 };
  return imageTask({ ...size, seedImage, strength: 0, outputType: 'base64Data', outputFormat: 'PNG' });
}

test('closes the socket of a reader that takes not even results, which can be resumed', async () => {
  await using server = await startTestServer({ slowReaderMs: 500 });
  await using link = await frailLink(server.url);
  const reader = await TestSocket.open(link.url);
  const image = await pngUri(noise(512, 512));
  const { imageUUID } = await reader.ask({ taskType: 'imageUpload', image });
  // More than the system and the link between take in: the rest waits in the server.
  const tasks = Array.from({ length: 40 }, () => largeTask(imageUUID));
  const before = process.memoryUsage().rss;
  reader.webSocket.pause();
  reader.send(...tasks);
  const bystander = await server.socket();
  const last = { taskType: 'getResponse', taskUUID: tasks.at(-1)!.taskUUID };
  await expect.poll(async () => (await bystander.ask(last)).status, { timeout: 20_000 }).toBe('success');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);

  reader.webSocket.resume();
  expect(await reader.closed).toEqual({ code: 4008, reason: 'slowReader' });
  const delivered = reader.frames.flatMap(({ data = [] }) => data.map(({ taskUUID }) => taskUUID));
  expect(delivered.length).toBeLessThan(tasks.length);
  const second = await server.socket({ authenticate: { connectionSessionUUID: reader.sessionUUID } });
  expect(second.sessionUUID).toBe(reader.sessionUUID);
  while (delivered.length < tasks.length) {
    const { data } = await second.take(undefined, 20_000);
    delivered.push(data![0]!.taskUUID);
    expect(data![0]!.imageBase64Data.length).toBeGreaterThan(1_000_000);
  }
  expect(new Set(delivered).size).toBe(tasks.length);
});

test('leaves a reader alone that is slow but takes results', async () => {
  await using server = await startTestServer({ slowReaderMs: 500 });
  const reader = await server.socket();
  const { imageUUID } = await reader.ask({ taskType: 'imageUpload', image: await pngUri(noise(512, 512)) });
  const tasks = Array.from({ length: 20 }, () => largeTask(imageUUID));
  reader.webSocket.pause();
  const reading = setInterval(() => {
    reader.webSocket.resume();
    setTimeout(() => reader.webSocket.pause(), 5);
  }, 150);
  reader.send(...tasks);
  for (const task of tasks) await reader.item(task.taskUUID, 20_000);
  clearInterval(reading);
  expect(reader.webSocket.readyState).toBe(reader.webSocket.OPEN);
});
