import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { describeModel, RuntimeError, startRuntime } from '../../runtime/index.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

/** Samples by name and labels as they are written: `name{label="value"}`. */
async function read(url: string, headers: Record<string, string> = {}): Promise<Map<string, number>> {
  const response = await fetch(`${url}/metrics`, { headers });
  expect(response.status).toBe(200);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, name = '', value = ''] = /^(\S+?(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
      expect(name, line).not.toBe('');
      return [name, Number(value)];
    }),
  );
}

const model = 'model="test:small@1"';

test('counts tasks, results, steps, stages and waiting by model', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  await socket.ask(imageTask({ steps: 4 }));
  const two = imageTask({ steps: 3, numberResults: 2 });
  socket.send(two);
  await socket.item(two.taskUUID);
  await socket.item(two.taskUUID);
  const found = await read(server.url);
  expect(found.get('latentwire_tasks_total{outcome="finished",code=""}')).toBe(2);
  expect(found.get(`latentwire_results_total{${model}}`)).toBe(3);
  expect(found.get(`latentwire_steps_total{${model}}`)).toBe(10);
  expect(found.get(`latentwire_queue_wait_seconds_count{${model}}`)).toBe(3);
  expect(found.get(`latentwire_queue_waiting{${model}}`)).toBe(0);
  expect(found.get(`latentwire_queue_running{${model}}`)).toBe(0);
  expect(found.get(`latentwire_stage_seconds_count{${model},stage="denoising"}`)).toBe(3);
  // Steps of 2 ms: three and four of them.
  expect(found.get(`latentwire_stage_seconds_sum{${model},stage="denoising"}`)).toBeGreaterThan(0.015);
  expect(found.get(`latentwire_stage_seconds_sum{${model},stage="denoising"}`)).toBeLessThan(5);
  expect(found.get(`latentwire_task_seconds_count{${model}}`)).toBe(2);
  expect(found.get('latentwire_images_stored_total')).toBe(3);
  expect(found.get('latentwire_images_stored_bytes_total')).toBeGreaterThan(300);
  expect(found.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  expect(found.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
  expect(found.get('latentwire_runtime_up{device="fake"}')).toBe(1);
  expect(found.get('latentwire_runtime_restarts_total{device="fake"}')).toBe(0);
});

test('counts what waits and what runs, and no more once it has ended however it ended', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 50 }) });
  const socket = await server.socket();
  const tasks = [imageTask({ steps: 100, progress: true }), imageTask({ steps: 100 }), imageTask({ steps: 100 })];
  socket.send(...tasks);
  await socket.event('stepped', tasks[0]!.taskUUID);
  const depth = async () => {
    const found = await read(server.url);
    return ['waiting', 'running'].map((state) => found.get(`latentwire_queue_${state}{${model}}`));
  };
  expect(await depth()).toEqual([2, 1]);
  await socket.ask({ taskType: 'taskCancel', tasks: tasks.map(({ taskUUID }) => taskUUID) });
  await expect.poll(depth).toEqual([0, 0]);
  const found = await read(server.url);
  expect(found.get('latentwire_tasks_total{outcome="cancelled",code=""}')).toBe(3);
  expect(found.get(`latentwire_results_total{${model}}`)).toBeUndefined();
});

test('tells how tasks ended, by codes that the table of errors has', async () => {
  let failures = 1;
  const runtime = createFakeRuntime({
    stepMs: 10,
    failWith: () => (failures-- > 0 ? new RuntimeError('inferenceError', 'A graph failed.') : undefined),
  });
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  for (const task of [imageTask(), imageTask({ scheduler: 'none such' }), imageTask({ model: 'not:here@1' })]) {
    socket.send(task);
    await socket.error(task.taskUUID);
  }
  const older = imageTask({ steps: 100, lane: 'a' });
  const newer = imageTask({ lane: 'a' });
  socket.send(older, newer);
  await socket.item(newer.taskUUID);
  const found = await read(server.url);
  const tasks = [...found].filter(([name]) => name.startsWith('latentwire_tasks_total'));
  expect(Object.fromEntries(tasks)).toEqual({
    'latentwire_tasks_total{outcome="failed",code="inferenceError"}': 1,
    'latentwire_tasks_total{outcome="failed",code="invalidParameter"}': 1,
    'latentwire_tasks_total{outcome="failed",code="modelNotFound"}': 1,
    'latentwire_tasks_total{outcome="superseded",code=""}': 1,
    'latentwire_tasks_total{outcome="finished",code=""}': 1,
  });
});

test('tells rows, steps and times as the runtime measured them, in one process or several', {
  timeout: 300_000,
}, async () => {
  const runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {}, rowsPerCall: 4, maxModels: 1 });
  await using _closed = { [Symbol.asyncDispose]: () => runtime.close() };
  await using server = await startTestServer({ runtime, modelsDir: [modelsFolder], describe: describeModel });
  const draw = async (more: object) => {
    const task = imageTask({ steps: 3, CFGScale: 5, ...more });
    const { status, body } = await server.post([task]);
    expect(status, JSON.stringify(body)).toBe(200);
  };
  await draw({ model: 'local:tiny-sd15@1', numberResults: 3 });
  // Takes another process.
  await draw({ model: 'local:tiny-sd21-v@1', CFGScale: 1 });
  const found = await read(server.url);
  const of = (name: string, labels: string, model = 'local:tiny-sd15@1') =>
    found.get(`latentwire_${name}{model="${model}"${labels}}`);
  // Three results of three steps of two branches, however they shared calls, but never one by one.
  expect(of('batch_rows_sum', ',graph="unet",device="cpu"')).toBe(18);
  expect(of('batch_rows_count', ',graph="unet",device="cpu"')).toBeLessThanOrEqual(9);
  const bucket = (rows: number) =>
    found.get(`latentwire_batch_rows_bucket{le="${rows}",model="local:tiny-sd15@1",graph="unet",device="cpu"}`);
  expect([bucket(1), bucket(4)]).toEqual([0, of('batch_rows_count', ',graph="unet",device="cpu"')]);
  expect(of('batch_rows_sum', ',graph="vae_decoder",device="cpu"')).toBe(3);
  expect(of('batch_rows_sum', ',graph="unet",device="cpu"', 'local:tiny-sd21-v@1')).toBe(3);
  expect(of('graph_seconds_total', ',graph="unet",device="cpu"')).toBeGreaterThan(0);
  expect(of('graph_seconds_total', ',graph="unet",device="cpu"')).toBeLessThan(
    of('stage_seconds_sum', ',stage="denoising"')!,
  );
  expect(of('steps_total', '')).toBe(9);
  for (const stage of ['encoding', 'denoising', 'decoding']) {
    expect(of('stage_seconds_count', `,stage="${stage}"`), stage).toBe(3);
    expect(of('stage_seconds_sum', `,stage="${stage}"`), stage).toBeGreaterThan(0);
  }
  expect(of('stage_seconds_count', ',stage="loading"')).toBeGreaterThan(0);
  expect(of('queue_wait_seconds_count', '')).toBe(3);
  // A second look counts nothing twice.
  const again = await read(server.url);
  expect(again.get('latentwire_batch_rows_sum{model="local:tiny-sd15@1",graph="unet",device="cpu"}')).toBe(18);
});

test('counts connections, sessions, bytes and previews, sent and dropped', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 20 }) });
  const socket = await server.socket();
  const gone = await server.socket();
  gone.terminate();
  await gone.closed;
  const quick = imageTask({ steps: 5, previews: true });
  const before = await read(server.url);
  socket.send(quick);
  await socket.item(quick.taskUUID);
  const after = await read(server.url);
  const received = socket.frames.filter(({ events }) => events?.[0]?.event === 'previewed').length;
  expect(received).toBeGreaterThan(0);
  expect(after.get('latentwire_previews_sent_total')).toBe(received);
  expect(after.get('latentwire_connections')).toBe(1);
  expect(after.get('latentwire_connections_opened_total')).toBe(2);
  expect(after.get('latentwire_sessions')).toBe(2);
  const delta = (name: string) => after.get(name)! - before.get(name)!;
  expect(delta('latentwire_socket_received_bytes_total')).toBeGreaterThan(JSON.stringify([quick]).length);
  expect(delta('latentwire_socket_received_bytes_total')).toBeLessThan(JSON.stringify([quick]).length + 100);
  expect(delta('latentwire_socket_sent_bytes_total')).toBeGreaterThan(500);

  // A reader that has stopped: the buffers of both ends fill, and of what comes after only the newest is kept.
  const slow = imageTask({
    steps: 100,
    numberResults: 3,
    width: 512,
    height: 512,
    previews: { size: 512, format: 'PNG' },
  });
  socket.webSocket.pause();
  socket.send(slow);
  const dropped = async () => {
    const found = await read(server.url);
    return found.get('latentwire_previews_dropped_total{reason="slow_reader"}') ?? 0;
  };
  await expect.poll(dropped, { timeout: 30_000 }).toBeGreaterThan(0);
  socket.webSocket.resume();
  socket.send({ taskType: 'taskCancel', taskUUID: randomUUID(), tasks: [slow.taskUUID] });
  await socket.take(({ events }) => events?.[0]?.event === 'cancelled', 30_000);
});

test('holds bytes of sockets that have closed', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  await socket.ask(imageTask());
  const sent = async () => (await read(server.url)).get('latentwire_socket_sent_bytes_total');
  const open = await sent();
  socket.terminate();
  await expect.poll(async () => (await read(server.url)).get('latentwire_connections')).toBe(0);
  expect(open).toBeGreaterThan(300);
  expect(await sent()).toBe(open);
});

test('is written as Prometheus reads it, and each server counts for itself', async () => {
  await using one = await startTestServer();
  await using other = await startTestServer();
  await (await one.socket()).ask(imageTask());
  const response = await fetch(`${one.url}/metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(response.headers.get('access-control-allow-origin')).toBeNull();
  const text = await response.text();
  expect(text.endsWith('\n')).toBe(true);
  const types = [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name = '', type = '']) => ({ name, type }));
  expect(new Set(types.map(({ name }) => name)).size).toBe(types.length);
  for (const { name, type } of types.filter((metric) => metric.name.startsWith('latentwire_'))) {
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes|rows)$/);
  }
  expect((await read(other.url)).has('latentwire_tasks_total{outcome="finished",code=""}')).toBe(false);
});

test('has no word of a client in its labels', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const word = 'unheardOf';
  const task = imageTask({ positivePrompt: word, lane: word });
  await socket.ask(task);
  const wrong = imageTask({ model: word, [word]: 1, positivePrompt: word });
  socket.send(wrong);
  await socket.error(wrong.taskUUID);
  // The model under another of its names.
  await socket.ask(imageTask({ model: 'local:tiny@1' }));
  const names = [...(await read(server.url)).keys()];
  expect(names.filter((name) => name.toLowerCase().includes(word.toLowerCase()))).toEqual([]);
  for (const id of [task.taskUUID, socket.sessionUUID!]) expect(names.join().includes(id)).toBe(false);
  expect(names.filter((name) => name.startsWith('latentwire_results_total'))).toEqual([
    `latentwire_results_total{${model}}`,
  ]);
});

test('takes a key where keys are set, from this machine too', async () => {
  await using server = await startTestServer({ apiKey: ['secret-key'] });
  const stranger = await fetch(`${server.url}/metrics`);
  expect([stranger.status, stranger.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect(await stranger.text()).not.toContain('latentwire_');
  const wrong = await fetch(`${server.url}/metrics`, { headers: { authorization: 'Bearer wrong' } });
  expect((await wrong.json()).error.code).toBe('invalidApiKey');
  expect((await read(server.url, { authorization: 'Bearer secret-key' })).get('latentwire_connections')).toBe(0);
  for (let guess = 0; guess < 30; guess++) {
    await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${randomUUID()}` } });
  }
  const refused = await fetch(`${server.url}/metrics`, { headers: { authorization: 'Bearer wrong' } });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60']);
  expect((await read(server.url, { authorization: 'Bearer secret-key' })).get('latentwire_connections')).toBe(0);
});
