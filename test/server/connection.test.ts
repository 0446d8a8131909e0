import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { ManualClock } from '../helpers/clock.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

test('accepts any path and query', async () => {
  await using server = await startTestServer();
  for (const path of ['/', '/v1', '/v1?sdk=js&version=1.3.2', '/some/other/path?dryRun=1']) {
    const socket = await server.socket({ path });
    expect(socket.sessionUUID).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test.each([true, false])('serves clients that offer compression: %s', async (perMessageDeflate) => {
  await using server = await startTestServer();
  const webSocket = new WebSocket(`${server.url.replace('http', 'ws')}/v1`, { perMessageDeflate });
  const frame = await new Promise<string>((resolve) => {
    webSocket.on('open', () => webSocket.send('[{"taskType":"ping","ping":true}]'));
    webSocket.on('message', (data) => resolve(String(data)));
  });
  expect(frame).toBe('{"data":[{"taskType":"ping","pong":true}]}');
  expect(webSocket.extensions).toBe('');
  webSocket.terminate();
});

test('answers a ping before authentication, alone in its frame', async () => {
  await using server = await startTestServer({ apiKey: ['secret-key'] });
  const socket = await server.socket({ authenticate: false });
  socket.send({ taskType: 'ping', ping: true });
  expect(await socket.take()).toEqual({ data: [{ taskType: 'ping', pong: true }] });
});

test('answers pings of both kinds while images are made', async () => {
  let go = () => {};
  const answered = new Promise<void>((resolve) => (go = resolve));
  const runtime = createFakeRuntime({ hold: ({ step }) => (step === 2 ? answered : undefined) });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const task = imageTask({ steps: 4, previews: true, progress: true });
  socket.send(task);
  await socket.event('started', task.taskUUID);
  socket.send({ taskType: 'ping', ping: true });
  await socket.take(({ data }) => data?.[0]?.taskType === 'ping');
  const pong = new Promise((resolve) => socket.webSocket.once('pong', resolve));
  socket.webSocket.ping();
  await pong;
  go();
  expect((await socket.item(task.taskUUID)).status).toBe('success');
});

test('authenticates with any key, and without one, where no keys are set', async () => {
  await using server = await startTestServer();
  const socket = await server.socket({ authenticate: false });
  for (const apiKey of ['anything', '', undefined]) {
    const frame = await socket.authenticate({ apiKey });
    expect(frame).toEqual({ data: [{ taskType: 'authentication', connectionSessionUUID: expect.any(String) }] });
    expect(Object.keys(frame)).toEqual(['data']);
  }
});

test('takes tasks before authentication where no keys are set', async () => {
  await using server = await startTestServer();
  const socket = await server.socket({ authenticate: false });
  expect((await socket.ask(imageTask())).status).toBe('success');
});

test('lets in those with a key of the list only', async () => {
  await using server = await startTestServer({ apiKey: ['first-key', 'second-key'] });
  for (const apiKey of ['first-key', 'second-key']) {
    const socket = await server.socket({ authenticate: { apiKey } });
    expect((await socket.ask(imageTask())).status).toBe('success');
  }
});

test.each([['wrong'], ['first-ke'], ['first-key '], [''], [undefined], [7]])(
  'refuses the key %j in the one shape that all clients understand',
  async (apiKey) => {
    await using server = await startTestServer({ apiKey: ['first-key'] });
    const socket = await server.socket({ authenticate: false });
    const frame = await socket.authenticate({ apiKey, taskUUID: randomUUID() });
    expect(frame.errors).toHaveLength(1);
    expect(frame.errors![0]).toMatchObject({
      code: 'invalidApiKey',
      parameter: 'apiKey',
      taskType: 'authentication',
      message: expect.any(String),
    });
    expect(frame.errors![0]).not.toHaveProperty('taskUUID');
    expect(frame.error).toEqual(frame.errors![0]);
    expect(frame).not.toHaveProperty('data');
  },
);

test('closes with 1008 after it refused a key', async () => {
  await using server = await startTestServer({ apiKey: ['first-key'] });
  const socket = await server.socket({ authenticate: { apiKey: 'wrong' } });
  expect(await socket.closed).toMatchObject({ code: 1008 });
});

test('answers a task before authentication with missingApiKey and its taskUUID', async () => {
  await using server = await startTestServer({ apiKey: ['first-key'] });
  const socket = await server.socket({ authenticate: false });
  const task = imageTask();
  socket.send(task);
  expect(await socket.error(task.taskUUID)).toMatchObject({ code: 'missingApiKey', taskType: 'imageInference' });
  expect((await socket.authenticate({ apiKey: 'first-key' })).data).toBeDefined();
});

test('tells who guesses keys to wait, and still lets in the right key from the same address', async () => {
  const clock = new ManualClock();
  await using server = await startTestServer({ apiKey: ['first-key'], clock });
  for (let guess = 0; guess < 30; guess++) {
    const { status, body } = await server.post([{ taskType: 'authentication', apiKey: `guess ${guess}` }]);
    expect(status).toBe(401);
    expect(body.error!.code).toBe('invalidApiKey');
  }
  const guess = () => server.post([{ taskType: 'authentication', apiKey: 'one more guess' }]);
  const { status, body, headers } = await guess();
  expect([status, body.error!.code, headers.get('retry-after')]).toEqual([429, 'rateLimitExceeded', '60']);
  const right = await server.post([{ taskType: 'authentication', apiKey: 'first-key' }]);
  expect(right.status).toBe(200);
  const socket = await server.socket({ authenticate: { apiKey: 'first-key' } });
  expect(socket.sessionUUID).toBeDefined();
  await clock.advance(60_000);
  expect((await guess()).status).toBe(401);
});

test('answers what is not a request with an error and goes on', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const bad = ['', 'hello', '{', '"text"', '7', 'null', '[1]', '[null]', '[[]]', '["task"]'];
  for (const text of bad) {
    socket.webSocket.send(text);
    const frame = await socket.take(({ errors }) => errors !== undefined);
    expect(frame.errors, text).toHaveLength(1);
    expect(frame.errors![0]!.code, text).toBe('invalidRequest');
  }
  socket.webSocket.send(Buffer.from([1, 2, 3]), { binary: true });
  expect((await socket.error()).code).toBe('invalidRequest');
  expect((await socket.ask(imageTask())).status).toBe('success');
});

test('answers nothing to an empty array', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  socket.webSocket.send('[]');
  socket.send({ taskType: 'ping', ping: true });
  expect(await socket.take()).toEqual({ data: [{ taskType: 'ping', pong: true }] });
});

test('processes the tasks of one array independently, each with frames of its own', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const good = imageTask({ numberResults: 2 });
  const bad = imageTask({ width: 100 });
  const worse = imageTask({ height: 100 });
  socket.send(bad, good, worse);
  const frames = [];
  while (frames.length < 4) frames.push(await socket.take());
  for (const frame of frames) {
    expect(Object.keys(frame)).toHaveLength(1);
    expect((frame.data ?? frame.errors)!).toHaveLength(1);
  }
  const uuids = frames.map((frame) => (frame.data ?? frame.errors)![0]!.taskUUID);
  expect(uuids.toSorted()).toEqual([bad.taskUUID, good.taskUUID, good.taskUUID, worse.taskUUID].toSorted());
});

test('lists the task types it has when it is sent another', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const taskUUID = randomUUID();
  socket.send({ taskType: 'videoInference', taskUUID });
  const error = await socket.error(taskUUID);
  expect(error).toMatchObject({ code: 'unsupportedTaskType', taskType: 'videoInference' });
  expect(error.allowedValues).toContain('imageInference');
});

test('asks for a taskUUID where there is none', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  socket.send({ ...imageTask(), taskUUID: undefined });
  expect(await socket.error()).toMatchObject({ code: 'missingTaskUUID', parameter: 'taskUUID' });
  socket.send({ ...imageTask(), taskUUID: 'not a UUID' });
  expect(await socket.error('not a UUID')).toMatchObject({ code: 'invalidTaskUUID', parameter: 'taskUUID' });
});

test('closes with 1009 on a frame larger than any upload', async () => {
  await using server = await startTestServer({ maxUploadBytes: 1024 });
  const socket = await server.socket();
  socket.webSocket.send(`[${' '.repeat(200_000)}]`);
  expect(await socket.closed).toMatchObject({ code: 1009 });
});

test('reads no large frame from a socket without a key', async () => {
  await using server = await startTestServer({ apiKey: ['first-key'] });
  const socket = await server.socket({ authenticate: false });
  socket.webSocket.send(`[${' '.repeat(100_000)}]`);
  expect(await socket.closed).toMatchObject({ code: 1008 });
});
