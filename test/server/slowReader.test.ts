import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { dataFrame, type ImageResult } from '../../protocol/replies.ts';
import { systemClock } from '../../server/clock.ts';
import type { StoredImage } from '../../server/images/store.ts';
import { Outbox } from '../../server/outbox.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { frailLink } from '../helpers/frailLink.ts';
import { ScriptedSocket } from '../helpers/interleavings.ts';
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

const kib = 1024;
const mib = 1024 * kib;

/** An outbox that a socket is attached to, of which nobody reads. */
function outboxOf(image: Buffer) {
  const socket = new ScriptedSocket();
  const stored = { format: 'PNG' } as StoredImage;
  const read = async () => ({ image: stored, bytes: image });
  const owner = { slow: () => {}, drained: () => outbox.resume() };
  const outbox: Outbox = new Outbox(owner, { read, slowReaderMs: 60_000, clock: systemClock });
  outbox.attach(socket as unknown as WebSocket);
  return { socket, outbox };
}

test('holds a megabyte and what the socket took, however many results wait, and gives all of them whole and in order', async () => {
  const image = Buffer.alloc(400 * kib, 7);
  const base64 = image.toString('base64');
  const { socket, outbox } = outboxOf(image);
  const count = 200;
  let held = 0;
  for (let index = 0; index < count; index++) {
    const item: ImageResult = {
      ...{ taskType: 'imageInference', taskUUID: 'a', status: 'success', imageUUID: 'b', imageURL: 'c', seed: 1 },
      ...{ resultIndex: index, imageBase64Data: base64 },
    };
    outbox.push(JSON.stringify(dataFrame(item)), [item]);
    held = Math.max(held, outbox.bytes + socket.bufferedAmount);
  }
  // Of 107 MB. The socket is given one frame beyond the 256 KiB that make its reader slow.
  expect(held).toBeLessThan(mib + 256 * kib + 2 * (base64.length + kib));
  const seen: number[] = [];
  while (seen.length < count) {
    const frame = socket.read();
    while (socket.arrive());
    held = Math.max(held, outbox.bytes + socket.bufferedAmount);
    await turn();
    if (frame === undefined || frame === 'ping') continue;
    expect(frame.data![0]!.imageBase64Data === base64).toBe(true);
    seen.push(frame.data![0]!.resultIndex);
  }
  expect(seen).toEqual(Array.from({ length: count }, (_, index) => index));
  expect(held).toBeLessThan(mib + 256 * kib + 3 * (base64.length + kib));
});

test('reads no more tasks of a client whose answers cannot be made smaller, until it has caught up', async () => {
  const { socket, outbox } = outboxOf(Buffer.alloc(0));
  const text = JSON.stringify({ data: [{ taskType: 'modelSearch', results: 'x'.repeat(100 * kib) }] });
  let pushed = 0;
  for (; !socket.isPaused; pushed++) outbox.push(text);
  expect(outbox.bytes).toBeLessThanOrEqual(8 * mib + text.length);
  expect(outbox.bytes).toBeGreaterThan(8 * mib - text.length);
  let seen = 0;
  while (seen < pushed) {
    const frame = socket.read();
    if (frame !== undefined && frame !== 'ping') seen++;
    await turn();
  }
  expect(socket.isPaused).toBe(false);
  while (socket.read() !== undefined);
});
