import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Server, startServer } from '../../server/index.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { imageTask, TestSocket } from '../helpers/server.ts';

const [modelA, modelB] = ['local:tiny-sd15@1', 'local:tiny-sd21-v@1'];

let dataDir: string;
let server: Server;
const logged: Record<string, unknown>[] = [];
const sockets: TestSocket[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'latentwire-devices-'));
  const log = pino({ level: 'info' }, { write: (line) => logged.push(JSON.parse(line)) });
  const modelsDir = [modelsFolder];
  // Each device takes one result at a time.
  server = await startServer({ port: 0, dataDir, modelsDir, device: ['cpu', 'cpu'], concurrency: 1, log });
});
afterAll(async () => {
  for (const socket of sockets) socket.terminate();
  await server.close(0);
  await rm(dataDir, { recursive: true });
});

async function open(): Promise<TestSocket> {
  const socket = await TestSocket.open(server.url);
  sockets.push(socket);
  return socket;
}

// biome-ignore lint/suspicious/noExplicitAny: what the test expects there is what it tests
const health = async (): Promise<any> => (await fetch(`${server.url}/health`)).json();
const metrics = async () => (await fetch(`${server.url}/metrics`)).text();

test('two devices draw at once for two clients, and /health and /metrics name each of them', {
  timeout: 300_000,
}, async () => {
  const clients = await Promise.all([open(), open()]);
  const short = [modelA, modelB].map((model) => imageTask({ model }));
  for (const [index, client] of clients.entries()) client.send(short[index]);
  await Promise.all(clients.map((client, index) => client.item(short[index]!.taskUUID, 120_000)));
  const size = { width: 256, height: 256 };
  const tasks = [modelA, modelB].map((model) => imageTask({ model, ...size, steps: 100, progress: true }));
  for (const [index, client] of clients.entries()) client.send(tasks[index]);
  await Promise.all(clients.map((client, index) => client.event('stepped', tasks[index]!.taskUUID)));
  const { status, runtime, queue, models } = await health();
  expect({ status, queue }).toEqual({ status: 'ok', queue: { waiting: 0, running: 2 } });
  expect(runtime).toMatchObject({ state: 'ready', provider: 'cpu', restarts: 0, memoryBytes: expect.any(Number) });
  expect(runtime.pid).toBeUndefined();
  expect(runtime.devices).toMatchObject(
    ['cpu#1', 'cpu#2'].map((device) => ({
      ...{ device, state: 'ready', provider: 'cpu', restarts: 0, runs: 1 },
      ...{ pid: expect.any(Number), memoryBytes: expect.any(Number) },
    })),
  );
  expect(runtime.devices.flatMap((each: { models: string[] }) => each.models).sort()).toEqual([modelA, modelB]);
  const held = models.filter(({ loaded }: { loaded: boolean }) => loaded).map(({ air }: { air: string }) => air);
  expect(held.sort()).toEqual([modelA, modelB]);
  // Before either ends: a device without a run may load the model of the other.
  const text = await metrics();
  const devicesOf = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}\\{.*?device="([^"]*)".*?\\} (\\S+)$`, 'gm'))].map(([, device, value]) => [
      device,
      Number(value),
    ]);
  expect(devicesOf('latentwire_runtime_up')).toEqual([
    ['cpu#1', 1],
    ['cpu#2', 1],
  ]);
  expect(devicesOf('latentwire_runtime_models')).toEqual([
    ['cpu#1', 1],
    ['cpu#2', 1],
  ]);
  for (const [, bytes] of devicesOf('latentwire_runtime_memory_bytes')) expect(bytes).toBeGreaterThan(1e6);
  expect(new Set(devicesOf('latentwire_graph_seconds_total').map(([device]) => device))).toEqual(
    new Set(['cpu#1', 'cpu#2']),
  );
  expect(text.match(/^latentwire_info\{.*\} 1$/gm)).toHaveLength(1);
  for (const [index, client] of clients.entries()) {
    await client.ask({ taskType: 'taskCancel', tasks: [tasks[index]!.taskUUID] });
  }
});

test('the log says one line for each device that started', () => {
  const lines = logged.filter(({ msg }) => msg === 'The runtime is ready.');
  expect(lines.map(({ device, provider }) => [device, provider]).sort()).toEqual([
    ['cpu#1', 'cpu'],
    ['cpu#2', 'cpu'],
  ]);
});

test('a process that is killed costs no result, and the other device serves on', { timeout: 300_000 }, async () => {
  const { runtime } = await health();
  const client = await open();
  const tasks = [modelA, modelB, modelA, modelB].map((model) => imageTask({ model, steps: 16, progress: true }));
  client.send(...tasks);
  await client.event('stepped', tasks[0]!.taskUUID);
  process.kill(runtime.devices[0].pid, 'SIGKILL');
  for (const { taskUUID } of tasks) await client.item(taskUUID, 120_000);
  const after = (await health()).runtime;
  expect(after).toMatchObject({ restarts: 1, lastLoss: { reason: 'SIGKILL' } });
  expect(after.devices.map(({ restarts }: { restarts: number }) => restarts)).toEqual([1, 0]);
  expect(await metrics()).toContain('latentwire_runtime_restarts_total{device="cpu#1"} 1');
});
