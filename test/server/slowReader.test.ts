import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import type { ImageResult } from '../../protocol/replies.ts';
import { EncodedImage } from '../../server/images/encodedImage.ts';
import type { StoredImage } from '../../server/images/store.ts';
import { ResultReference } from '../../server/lifecycle/results.ts';
import { ClientSocket } from '../../server/sessions/clientSocket.ts';
import { Outbox } from '../../server/sessions/outbox.ts';
import { ManualClock } from '../helpers/clock.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { frailLink } from '../helpers/frailLink.ts';
import { Dice, ScriptedSocket, scriptedServer } from '../helpers/interleavings.ts';
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
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);

  reader.webSocket.resume();
  for (const task of tasks) expect((await reader.item(task.taskUUID, 20_000)).status).toBe('success');
  const seen = reader.frames.filter(({ events }) => events?.[0]?.event === 'previewed').length;
  expect(seen).toBeLessThan(400);
});

test('never sends a preview of a result behind it', async () => {
  const runtime = createFakeRuntime({ stepMs: 1 });
  await using server = await startTestServer({ runtime });
  const reader = await server.socket();
  const finished = new Set<string>();
  const tasks = Array.from({ length: 4 }, () =>
    imageTask({ steps: 60, width: 512, height: 512, progress: true, previews: { size: 512, format: 'PNG' } }),
  );
  reader.webSocket.pause();
  reader.send(...tasks);
  await expect.poll(() => runtime.stepsTaken.filter((steps) => steps === 60)).toHaveLength(tasks.length);
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
  const clock = new ManualClock();
  await using server = await startTestServer({ slowReaderMs: 500, clock });
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
  await clock.advance(1_000);
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
  let reads = 0;
  const outbox = new Outbox(async () => {
    reads++;
    return { image: stored, bytes: image };
  });
  const client = new ClientSocket(socket as unknown as WebSocket, {
    ...{ slowReaderMs: 60_000, clock: new ManualClock(), slow: () => {}, room: () => {} },
  });
  client.backlog = () => outbox.unsentBytes;
  client.drained = () => outbox.resume();
  outbox.attach(client);
  return { socket, outbox, client, reads: () => reads };
}

function resultOf(resultIndex: number): ResultReference {
  const item: ImageResult = {
    ...{ taskType: 'imageInference', taskUUID: 'a', status: 'success', imageUUID: 'b', imageURL: 'c', seed: 1 },
    resultIndex,
  };
  return new ResultReference(item, ['imageBase64Data'], 'PNG');
}

test.each([1, 20])(
  'reads an image when the socket can take it, with %i results in a frame, and gives all in order',
  async (each) => {
    const bytes = Buffer.alloc(400 * kib, 7);
    const base64 = bytes.toString('base64');
    const { socket, outbox, reads } = outboxOf(bytes);
    const count = 200;
    const image = new EncodedImage(bytes);
    for (let index = 0; index < count; index += each) {
      const results = Array.from({ length: each }, (_, more) => resultOf(index + more));
      if (each === 1) outbox.push([results[0]!], image);
      else outbox.push(results as [ResultReference]);
    }
    await turn();
    // Of 107 MB: a kilobyte for each that waits, and one frame more than the 256 KiB that make a reader slow.
    const most = count * kib + 256 * kib + each * (base64.length + kib);
    let held = outbox.bytes + socket.bufferedAmount;
    const seen: number[] = [];
    while (seen.length < count) {
      const frame = socket.read();
      while (socket.arrive());
      held = Math.max(held, outbox.bytes + socket.bufferedAmount);
      await turn();
      if (frame === undefined || frame === 'ping') continue;
      expect(frame.data!.every(({ imageBase64Data }) => imageBase64Data === base64)).toBe(true);
      seen.push(...frame.data!.map(({ resultIndex }) => resultIndex));
    }
    expect(seen).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(held).toBeLessThan(most);
    // The one that the socket took at once came with its image.
    expect(reads()).toBe(each === 1 ? count - 1 : count);
  },
);

test('reads no more tasks of a client whose answers cannot be made smaller, until it has caught up', async () => {
  const { socket, outbox } = outboxOf(Buffer.alloc(0));
  const text = JSON.stringify({ data: [{ taskType: 'modelSearch', results: 'x'.repeat(100 * kib) }] });
  let pushed = 0;
  for (; !socket.isPaused; pushed++) outbox.push(text);
  expect(outbox.unsentBytes + socket.bufferedAmount).toBeLessThanOrEqual(4 * mib + text.length + kib);
  expect(outbox.unsentBytes + socket.bufferedAmount).toBeGreaterThan(4 * mib - text.length);
  let seen = 0;
  while (seen < pushed) {
    const frame = socket.read();
    if (frame !== undefined && frame !== 'ping') seen++;
    await turn();
  }
  expect(socket.isPaused).toBe(false);
  while (socket.read() !== undefined);
});

test.each([
  ['ping tasks', { taskType: 'ping', ping: true }],
  ['authentications', { taskType: 'authentication' }],
  ['tasks without a type', {}],
  ['tasks of no request', 7],
])('stops reading a client that sends %s and reads no answers, and goes on when it does', async (_, task) => {
  const { connect } = await scriptedServer(new Dice(1));
  const socket = connect();
  const text = JSON.stringify(Array.from({ length: 100 }, () => task));
  let held = 0;
  for (let frame = 0; frame < 500; frame++) {
    socket.up.push({ text });
    if (socket.arrive()) await turn();
    held = Math.max(held, socket.down.length);
  }
  expect(socket.isPaused).toBe(true);
  expect(socket.up.length).toBeGreaterThan(100);
  expect(held).toBeLessThan(20_000);
  while (socket.isPaused) {
    while (socket.down.length > 0) socket.read();
    await turn();
  }
});

test('proves every frame of a client that answers pings late, with one more ping for those that had none', async () => {
  const { socket, outbox, client } = outboxOf(Buffer.alloc(0));
  const pings: string[] = [];
  socket.ping = (text = '') => {
    pings.push(text);
  };
  for (let count = 0; count < 12; count++) {
    outbox.push('{"data":[]}');
    await turn();
  }
  const unanswered = pings.splice(0);
  expect(unanswered.length).toBeLessThan(12);
  for (const ping of unanswered) outbox.ponged(client, ping);
  await turn();
  expect(outbox.bytes).toBeGreaterThan(0);
  expect(pings).toHaveLength(1);
  outbox.ponged(client, pings[0]!);
  expect(outbox.bytes).toBe(0);
});
