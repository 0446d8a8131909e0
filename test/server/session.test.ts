import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { frailLink } from '../helpers/frailLink.ts';
import { noise, pngUri } from '../helpers/pictures.ts';
import { imageTask, startTestServer, TestSocket } from '../helpers/server.ts';

test('sends what was not delivered, in order, right after a session is resumed', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 10 }) });
  const first = await server.socket();
  const task = imageTask({ numberResults: 3, steps: 5, progress: true, previews: true });
  first.send(task);
  await first.event('started', task.taskUUID);
  first.terminate();
  await expect.poll(() => (server.runtime as ReturnType<typeof createFakeRuntime>).stepsTaken.at(-1)).toBe(5);
  const bystander = await server.socket();
  const asked = { taskType: 'getResponse', taskUUID: task.taskUUID };
  await expect.poll(async () => (await bystander.ask(asked)).status).toBe('success');

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

test('repeats what the system took and the network lost: answers, errors and the end of a cancelled task', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 20 }) });
  await using link = await frailLink(server.url);
  const first = await TestSocket.open(link.url, { authenticate: { push: true } });
  const done = imageTask({ deliveryMethod: 'async', steps: 1 });
  await first.ask(done);
  await first.item(done.taskUUID);
  const running = imageTask({ steps: 100, progress: true });
  first.send(running);
  await first.event('started', running.taskUUID);

  const lost = link.lose('down', 0);
  const bad = imageTask({ width: 100 });
  const cancel = { taskType: 'taskCancel', taskUUID: randomUUID(), tasks: [running.taskUUID] };
  first.send({ taskType: 'getResponse', taskUUID: done.taskUUID });
  await lost;
  first.send(bad, cancel);
  await new Promise((resolve) => setTimeout(resolve, 50));
  link.cut('half-open');
  const second = await TestSocket.open(link.url, { authenticate: { connectionSessionUUID: first.sessionUUID } });
  expect((await second.item(done.taskUUID)).status).toBe('success');
  expect((await second.error(bad.taskUUID)).code).toBe('invalidWidth');
  expect((await second.item(cancel.taskUUID)).cancelled).toEqual([running.taskUUID]);
  await second.event('cancelled', running.taskUUID);
  // In their order, and each of them once.
  expect(second.frames).toEqual([]);

  // Now they have arrived, and a third socket is told nothing.
  second.webSocket.ping();
  await new Promise((resolve) => second.webSocket.once('pong', resolve));
  const third = await TestSocket.open(link.url, { authenticate: { connectionSessionUUID: first.sessionUUID } });
  await third.ask({ taskType: 'getResponse', taskUUID: done.taskUUID });
  expect(third.frames).toEqual([]);
  third.terminate();
});

test('keeps what came to a client that answers no pings', async () => {
  await using server = await startTestServer();
  const first = await server.socket();
  // What ws answers by itself.
  first.webSocket.pong = () => {};
  const task = imageTask();
  const item = await first.ask(task);
  const second = await server.socket({ authenticate: { connectionSessionUUID: first.sessionUUID } });
  expect(await second.item(task.taskUUID)).toEqual(item);
});

test('shows a resumed session the newest preview of an unfinished result, and none that is older', async () => {
  let goOn = () => {};
  const resumed = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const runtime = createFakeRuntime({ hold: ({ step }) => (step === 6 ? resumed : undefined) });
  await using server = await startTestServer({ runtime });
  const first = await server.socket();
  const task = imageTask({ steps: 20, progress: true, previews: true });
  first.send(task);
  await first.event('previewed', task.taskUUID);
  first.terminate();
  await first.closed;
  const bystander = await server.socket();
  const asked = { taskType: 'getResponse', taskUUID: task.taskUUID };
  // Each waits for its answer: the preview of the sixth step is encoded while they go to and fro.
  while ((await bystander.ask(asked)).preview?.step !== 5);

  const second = await server.socket({ authenticate: { connectionSessionUUID: first.sessionUUID } });
  expect((await second.event('previewed', task.taskUUID)).step).toBe(5);
  expect((await second.event('started', task.taskUUID)).steps).toBe(20);
  goOn();
  expect((await second.event('previewed', task.taskUUID)).step).toBeGreaterThan(5);
  await second.item(task.taskUUID);
});

test('keeps more than its memory may hold: base64 is read from the store again, in order', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 1 }) });
  const first = await server.socket();
  const count = 4;
  // What noise is made of does not become smaller in a PNG.
  const task = imageTask({
    width: 512,
    height: 512,
    seedImage: await pngUri(noise(512, 512)),
    strength: 0,
    numberResults: count,
    outputType: ['dataURI', 'base64Data'],
    outputFormat: 'PNG',
    progress: true,
  });
  first.send(task);
  await first.event('started', task.taskUUID);
  first.terminate();
  const getResponse = { taskType: 'getResponse', taskUUID: task.taskUUID };
  const bystander = await server.socket();
  const all = async () => {
    bystander.send(getResponse);
    const { data } = await bystander.take();
    return data!.every(({ status }) => status === 'success') ? data! : [];
  };
  await expect.poll(async () => (await all()).length, { timeout: 20_000 }).toBe(count);
  const second = await server.socket({ authenticate: { connectionSessionUUID: first.sessionUUID } });
  const replayed = [];
  while (replayed.length < count) replayed.push(await second.item(task.taskUUID));
  expect(JSON.stringify(replayed).length).toBeGreaterThan(4 * 1024 * 1024);
  expect(replayed).toEqual(await all());
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

test('keeps no session that nobody can come back to: one that was not told and has no task', async () => {
  await using server = await startTestServer();
  const sessions = async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return Number(/^latentwire_sessions (\d+)$/m.exec(text)![1]);
  };
  for (let count = 0; count < 3; count++) (await server.socket({ authenticate: false })).terminate();
  await expect.poll(sessions, { timeout: 10_000 }).toBe(0);
  const first = await server.socket();
  first.terminate();
  await first.closed;
  // Whoever resumes had a session of the new socket for a moment.
  const second = await server.socket({ authenticate: { connectionSessionUUID: first.sessionUUID } });
  expect(second.sessionUUID).toBe(first.sessionUUID);
  expect(await sessions()).toBe(1);
  // Told or not, a session with a task is kept for its task.
  const third = await server.socket({ authenticate: false });
  await third.ask(imageTask());
  third.terminate();
  await third.closed;
  expect(await sessions()).toBe(2);
});
