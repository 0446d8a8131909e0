import { afterEach, expect, test, vi } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

afterEach(() => vi.restoreAllMocks());

/** How often each text was made by encoding bytes as base64. */
function countBase64(): Map<string, number> {
  const made = new Map<string, number>();
  const original = Buffer.prototype.toString;
  vi.spyOn(Buffer.prototype, 'toString').mockImplementation(function (this: Buffer, ...given) {
    const text = original.apply(this, given);
    if (given[0] === 'base64') made.set(text, (made.get(text) ?? 0) + 1);
    return text;
  });
  return made;
}

test('makes the base64 text of a picture and of a preview once, whoever receives it and however', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 30 }) });
  const sockets = [await server.socket(), await server.socket(), await server.socket()];
  const made = countBase64();
  const task = imageTask({
    steps: 20,
    previews: true,
    progress: true,
    outputType: ['base64Data', 'dataURI'],
    outputFormat: 'PNG',
  });
  for (const socket of sockets) socket.send(task);
  await sockets[0]!.event('started', task.taskUUID);
  const [posted] = await Promise.all([
    server.post([task]),
    ...sockets.map((socket) => socket.event('previewed', task.taskUUID)),
  ]);
  const [item, ...others] = await Promise.all(sockets.map((socket) => socket.item(task.taskUUID)));
  for (const other of [...others, posted.body.data![0]]) expect(other).toEqual(item);
  expect(item!.imageDataURI).toBe(`data:image/png;base64,${item!.imageBase64Data}`);
  const previews = sockets.map(({ frames }) =>
    frames.flatMap(({ events }) => (events?.[0]?.event === 'previewed' ? [events[0]] : [])),
  );
  expect(previews[0]!.length).toBeGreaterThan(3);
  expect(previews[1]!.at(-1)!.imageBase64Data).toBe(previews[0]!.at(-1)!.imageBase64Data);
  // Steps that look alike have the same text, made once for each of them.
  const stepsOf = new Map<string, Set<number>>();
  for (const { imageBase64Data: text, step } of previews.flat()) {
    stepsOf.set(text!, (stepsOf.get(text!) ?? new Set()).add(step));
  }
  for (const [text, steps] of stepsOf) expect(made.get(text)).toBe(steps.size);

  // A socket that still sends a preview reads the picture from the store again, so this one has none.
  const quiet = imageTask({ outputType: ['base64Data', 'dataURI'], outputFormat: 'PNG' });
  for (const socket of sockets) socket.send(quiet);
  const [first] = await Promise.all(sockets.map((socket) => socket.item(quiet.taskUUID)));
  expect(made.get(first!.imageBase64Data)).toBe(1);
});

test('makes no base64 text of binary previews, and one for all who ask how the task stands', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 20 }) });
  const socket = await server.socket();
  const made = countBase64();
  const task = imageTask({ steps: 10, previews: { delivery: 'binary' } });
  socket.send(task);
  const preview = await socket.event('previewed', task.taskUUID);
  expect(preview).toHaveProperty('bytes');
  await socket.item(task.taskUUID);
  expect([...made.keys()].filter((text) => text.length > 200)).toEqual([]);

  const polled = imageTask({ steps: 100, previews: { every: 10 }, deliveryMethod: 'async' });
  await socket.ask(polled);
  await socket.event('previewed', polled.taskUUID);
  made.clear();
  const ask = async () => (await socket.ask({ taskType: 'getResponse', taskUUID: polled.taskUUID })).preview;
  const answers = [await ask(), await ask(), await ask()];
  const texts = new Set(answers.map(({ imageBase64Data }) => imageBase64Data as string));
  for (const text of texts) expect(made.get(text) ?? 0).toBeLessThanOrEqual(1);
  expect(texts.size).toBeLessThan(3);
  await socket.ask({ taskType: 'taskCancel', tasks: [polled.taskUUID] });
});

test('tells each receiver the address it came by', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 20 }) });
  const one = await server.socket();
  const other = await server.socket({ headers: { host: `localhost:${server.port}` } });
  const task = imageTask({ steps: 10, progress: true });
  one.send(task);
  await one.event('started', task.taskUUID);
  other.send(task);
  const urls = (await Promise.all([one.item(task.taskUUID), other.item(task.taskUUID)])).map((item) => item.imageURL);
  expect(urls.map((url) => new URL(url).hostname)).toEqual(['127.0.0.1', 'localhost']);
});

test('compresses no frame, whatever a client offers', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  // `ws` offers permessage-deflate unless it is told not to.
  expect(socket.webSocket.extensions).toBe('');
  const received = socket.webSocket as unknown as { _socket: { bytesRead: number } };
  const before = received._socket.bytesRead;
  const task = imageTask({ outputType: 'base64Data', outputFormat: 'PNG' });
  const { imageBase64Data } = await socket.ask(task);
  expect(received._socket.bytesRead - before).toBeGreaterThan(imageBase64Data.length);
});
