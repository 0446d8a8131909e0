import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { type Item, imageTask, startTestServer } from '../helpers/server.ts';

test('answers a synchronous task with all of its results', async () => {
  await using server = await startTestServer();
  const task = imageTask({ numberResults: 2, seed: 5, outputType: 'base64Data' });
  const { status, body, headers } = await server.post([task]);
  expect(status).toBe(200);
  expect(headers.get('content-type')).toContain('application/json');
  expect(Object.keys(body)).toEqual(['data']);
  expect(body.data!.map(({ taskUUID, seed, resultIndex }) => [taskUUID, seed, resultIndex])).toEqual([
    [task.taskUUID, 5, 0],
    [task.taskUUID, 6, 1],
  ]);
  expect(body.data![0]).toMatchObject({
    status: 'success',
    imageBase64Data: expect.any(String),
    imageURL: expect.any(String),
  });
});

test('takes tasks on any path', async () => {
  await using server = await startTestServer();
  for (const path of ['/', '/v1', '/v1?x=1', '/a/b']) {
    const response = await fetch(server.url + path, { method: 'POST', body: '[{"taskType":"ping"}]' });
    expect(await response.json()).toEqual({ data: [{ taskType: 'ping', pong: true }] });
  }
});

test('answers in the order of the request, whatever finishes first', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 10 }) });
  const slow = imageTask({ steps: 10 });
  const search = { taskType: 'modelSearch', taskUUID: randomUUID() };
  const { body } = await server.post([{ taskType: 'authentication', apiKey: 'any' }, slow, search]);
  expect(body.data!.map(({ taskType }) => taskType)).toEqual(['authentication', 'imageInference', 'modelSearch']);
});

test('answers an asynchronous task at once, and getResponse later', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 10 }) });
  const task = imageTask({ deliveryMethod: 'async', steps: 10 });
  const { status, body } = await server.post([task]);
  expect([status, body]).toEqual([
    200,
    { data: [{ taskType: 'imageInference', taskUUID: task.taskUUID, status: 'processing' }] },
  ]);
  await expect
    .poll(async () => {
      const answer = await server.post([{ taskType: 'getResponse', taskUUID: task.taskUUID }]);
      return answer.body.data as Item[];
    })
    .toMatchObject([{ taskUUID: task.taskUUID, status: 'success', imageURL: expect.any(String) }]);
});

test.each([
  [400, 'invalidWidth', imageTask({ width: 100 })],
  [404, 'modelNotFound', imageTask({ model: 'x:1@1' })],
  [422, 'modelUnavailable', imageTask({ model: 'local:broken@1' })],
  [404, 'mediaNotFound', imageTask({ seedImage: randomUUID() })],
  [404, 'taskNotFound', { taskType: 'getResponse', taskUUID: randomUUID() }],
  [400, 'unsupportedTaskType', { taskType: 'caption', taskUUID: randomUUID() }],
])('answers with status %i and %s', async (status, code, task) => {
  await using server = await startTestServer();
  const answer = await server.post([task]);
  expect(answer.status).toBe(status);
  expect(answer.body.errors).toHaveLength(1);
  expect(answer.body.error).toEqual(answer.body.errors![0]);
  expect(answer.body.error).toMatchObject({ code, taskUUID: task.taskUUID });
});

test('has what succeeded beside what failed', async () => {
  await using server = await startTestServer();
  const good = imageTask();
  const bad = imageTask({ width: 100 });
  const { status, body } = await server.post([good, bad]);
  expect(status).toBe(400);
  expect(body.data).toMatchObject([{ taskUUID: good.taskUUID, status: 'success' }]);
  expect(body.errors).toMatchObject([{ taskUUID: bad.taskUUID }]);
});

test.each(['', 'hello', '{', '7', '"text"'])('answers the body %j with status 400', async (text) => {
  await using server = await startTestServer();
  const { status, body } = await server.post(text);
  expect(status).toBe(400);
  expect(body.error!.code).toBe('invalidRequest');
});

test('takes the key from the header or from the first task', async () => {
  await using server = await startTestServer({ apiKey: ['secret-key'] });
  const bearer = await server.post([imageTask()], { authorization: 'Bearer secret-key' });
  expect(bearer.status).toBe(200);
  const task = await server.post([{ taskType: 'authentication', apiKey: 'secret-key' }, imageTask()]);
  expect(task.status).toBe(200);
  const check = await server.post([{ taskType: 'authentication', apiKey: 'secret-key' }]);
  expect(check.body).toEqual({ data: [{ taskType: 'authentication', connectionSessionUUID: expect.any(String) }] });
});

test('refuses a missing and a wrong key with 401 in the plural and the singular', async () => {
  await using server = await startTestServer({ apiKey: ['secret-key'] });
  const missing = await server.post([imageTask()]);
  expect(missing.status).toBe(401);
  expect(missing.body.error).toMatchObject({ code: 'missingApiKey' });
  const wrong = await server.post([imageTask()], { authorization: 'Bearer wrong' });
  expect(wrong.status).toBe(401);
  expect(wrong.body.errors).toEqual([wrong.body.error]);
  expect(wrong.body.error).toMatchObject({ code: 'invalidApiKey', taskType: 'authentication' });
});

test('refuses a body that is too large with 413', async () => {
  await using server = await startTestServer({ maxUploadBytes: 1024 });
  const { status, body } = await server.post(`[${' '.repeat(100_000)}]`);
  expect(status).toBe(413);
  expect(body.error!.code).toBe('payloadTooLarge');
});

test('joins a repeated request to the task that runs', async () => {
  const runtime = createFakeRuntime({ stepMs: 20 });
  await using server = await startTestServer({ runtime });
  const task = imageTask({ steps: 10, numberResults: 2 });
  const [first, second] = await Promise.all([server.post([task]), server.post([task])]);
  expect(second!.body).toEqual(first!.body);
  expect(runtime.requests).toHaveLength(2);
});

test('gives up the tasks of a request whose client has gone and does not ask again', async () => {
  const runtime = createFakeRuntime({ stepMs: 20 });
  await using server = await startTestServer({ runtime, sessionKeepMs: 50 });
  const gone = new AbortController();
  const body = JSON.stringify([imageTask({ steps: 100 })]);
  const waiting = fetch(server.url, { method: 'POST', body, signal: gone.signal });
  await expect.poll(() => runtime.stepsTaken[0]).toBeGreaterThan(0);
  gone.abort();
  await expect(waiting).rejects.toThrow();
  await expect.poll(() => runtime.aborted).toEqual([0]);
  expect(runtime.stepsTaken[0]).toBeLessThan(100);
});

test('tells an HTTP request that waits when its task is cancelled', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 20 }) });
  const task = imageTask({ steps: 100 });
  const waiting = server.post([task]);
  await expect
    .poll(
      async () =>
        (await server.post([{ taskType: 'taskCancel', taskUUID: randomUUID(), tasks: [task.taskUUID] }])).body
          .data?.[0],
    )
    .toMatchObject({ cancelled: [task.taskUUID] });
  const { status, body } = await waiting;
  expect([status, body.error!.code]).toEqual([409, 'taskCancelled']);
});

test('answers a preflight with the headers that browser clients send', async () => {
  await using server = await startTestServer({ apiKey: ['secret-key'] });
  const response = await fetch(`${server.url}/v1`, { method: 'OPTIONS', headers: { origin: 'https://example.org' } });
  expect(response.status).toBe(204);
  expect(response.headers.get('access-control-allow-origin')).toBe('https://example.org');
  for (const header of ['authorization', 'content-type', 'user-agent']) {
    expect(response.headers.get('access-control-allow-headers')).toContain(header);
  }
});

test('refuses other methods', async () => {
  await using server = await startTestServer();
  const response = await fetch(`${server.url}/v1`, { method: 'DELETE' });
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST, OPTIONS']);
});

test('tells its health', async () => {
  await using server = await startTestServer();
  await (await server.socket()).ask(imageTask());
  const response = await fetch(`${server.url}/health`);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({
    status: 'ok',
    version: expect.any(String),
    runtime: { state: 'ready', provider: 'fake', providerReason: 'a test asked for it', restarts: 0 },
    queue: { waiting: 0, running: 0 },
    models: expect.arrayContaining([
      expect.objectContaining({ air: 'test:small@1', available: true, loaded: true }),
      expect.objectContaining({ name: 'broken', available: false, reason: 'its weights are missing.' }),
    ]),
  });
});

test('tells in its health how far the loading of a model is', async () => {
  const runtime = createFakeRuntime({ loadingMs: 60_000 });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  socket.send(imageTask());
  const loading = async () => (await (await fetch(`${server.url}/health`)).json()).runtime.loading;
  const told = { model: 'test:small@1', component: 'text_encoder', doneBytes: 0, ofBytes: 4000 };
  await expect.poll(loading, { timeout: 10_000 }).toEqual(told);
  await runtime.close();
  await expect.poll(loading, { timeout: 10_000 }).toBeUndefined();
});

test('tells strangers only whether it works, where keys are set', async () => {
  await using server = await startTestServer({ apiKey: ['secret-key'] });
  expect(await (await fetch(`${server.url}/health`)).json()).toEqual({ status: 'ok' });
  const known = await fetch(`${server.url}/health`, { headers: { authorization: 'Bearer secret-key' } });
  expect(await known.json()).toHaveProperty('models');
});

test('serves the playground and what it loads, and nothing else of the package', async () => {
  await using server = await startTestServer();
  const page = await fetch(server.url);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
  const text = await page.text();
  const style = /href="([\w./-]+\.css)"/.exec(text)![1]!;
  const { headers } = await fetch(new URL(style, server.url), { headers: { 'accept-encoding': 'gzip' } });
  expect(headers.get('content-type')).toContain('text/css');
  expect(headers.get('content-encoding')).toBe('gzip');
  expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  const module = await fetch(`${server.url}/app/clients/typescript/index.js`);
  expect(module.headers.get('content-type')).toContain('text/javascript');
  expect(await module.text()).toContain("from './client.js'");
  for (const path of [
    '/package.json',
    '/app/server/index.js',
    '/app/protocol/../server/index.js',
    '/app/clients/cli/main.js',
    '/playground/main.ts',
    '/index.html.br',
    '/app/clients/bundle.js',
    '/..%2fpackage.json',
  ]) {
    expect((await fetch(server.url + path)).status, path).toBe(404);
  }
});
