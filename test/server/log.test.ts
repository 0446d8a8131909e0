import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import pino from 'pino';
import { expect, test } from 'vitest';
import { RuntimeError } from '../../runtime/index.ts';
import { logOptions, plainText } from '../../server/log.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

function createMemoryLog() {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return { lines, log: pino(logOptions('debug'), stream) };
}

test('never has prompts, keys or images in it', async () => {
  const { lines, log } = createMemoryLog();
  let failures = 1;
  const runtime = createFakeRuntime({
    failWith: () => (failures-- > 0 ? (new Error('nobody foresaw this') as never) : undefined),
  });
  await using server = await startTestServer({ log, runtime, apiKey: ['secret-key'], allowPrivateUrls: true });
  const secrets = { positivePrompt: 'private-prompt', negativePrompt: 'private-negative' };
  const image = Buffer.from('private-image-bytes-private-image').toString('base64');
  const socket = await server.socket({ authenticate: { apiKey: 'secret-key' } });
  const unreachable = 'http://127.0.0.1:1/picture.png?token=private-token';
  for (const task of [
    imageTask(secrets),
    imageTask({ ...secrets, seedImage: image }),
    imageTask({ ...secrets, seedImage: unreachable }),
    imageTask({ ...secrets, promptWeighting: 'sdEmbeds', lane: 'private-lane', model: 'no:such@1' }),
  ]) {
    socket.send(task);
    await socket.error(task.taskUUID);
  }
  await socket.ask(imageTask(secrets));
  await server.post([imageTask(secrets)], { authorization: 'Bearer wrong-key' });
  await server.post([{ taskType: 'imageUpload', taskUUID: randomUUID(), image }], {
    authorization: 'Bearer secret-key',
  });
  const text = lines.join('');
  expect(text).toContain('A task finished.');
  expect(text).toContain('nobody foresaw');
  for (const secret of ['private-', 'secret-key', 'wrong-key', image]) expect(text).not.toContain(secret);
});

test('blackens what should not have been given to it', () => {
  const { lines, log } = createMemoryLog();
  log.info({ apiKey: 'secret', task: { positivePrompt: 'secret', seedImage: 'secret' } }, 'A mistake.');
  expect(lines.join('')).not.toContain('secret');
});

test('reads as plain text at a terminal, redacted all the same', () => {
  const { lines, log } = createMemoryLog();
  log.warn({ taskUUID: 'a-b', ms: 12, apiKey: 'secret' }, 'A task failed.');
  log.error({ err: new Error('Broken.') }, 'It broke.');
  expect(plainText(lines[0]!)).toMatch(
    /^\d\d:\d\d:\d\d WARN {2}A task failed\. {23,}taskUUID=a-b {2}ms=12 {2}apiKey=\[redacted\]\n$/,
  );
  log.info({ reason: 'no model \u001b[2J' }, 'Odd.');
  expect(plainText(lines[2]!)).toContain('reason="no model \\u001b[2J"');
  expect(plainText(lines[1]!)).toMatch(/ERROR It broke\.\nError: Broken\.\n/);
});

test('tells the end of each task in one line, with its session and where its time went', async () => {
  const { lines, log } = createMemoryLog();
  const failWith = (request: { steps: number }) =>
    request.steps === 7 ? new RuntimeError('inferenceError', 'A graph failed.') : undefined;
  await using server = await startTestServer({
    log,
    runtime: createFakeRuntime({ stepMs: 20, loadingMs: 30, failWith }),
  });
  const socket = await server.socket();
  const tasks = {
    finished: imageTask({ steps: 5, numberResults: 2 }),
    failed: imageTask({ steps: 7 }),
    superseded: imageTask({ steps: 100, lane: 'a' }),
    last: imageTask({ steps: 2, lane: 'a' }),
    refused: imageTask({ model: 'not:here@1' }),
  };
  socket.send(...Object.values(tasks));
  for (const task of [tasks.finished, tasks.finished, tasks.last]) await socket.item(task.taskUUID, 10_000);
  const endings = lines
    .map((line) => JSON.parse(line))
    .filter(({ msg }) => msg.startsWith('A task ') && !msg.includes('accepted'));
  const ending = ({ taskUUID }: { taskUUID: string }) => {
    const found = endings.filter((line) => line.taskUUID === taskUUID);
    expect(found).toHaveLength(1);
    expect(found[0].session).toBe(socket.sessionUUID);
    return found[0];
  };
  const finished = ending(tasks.finished);
  expect(finished).toMatchObject({ msg: 'A task finished.', level: 30, model: 'test:small@1', results: 2 });
  expect(finished.loadingMs).toBe(60);
  // Two results of five steps.
  expect(finished.denoisingMs).toBeGreaterThanOrEqual(190);
  expect(finished.ms).toBeGreaterThanOrEqual(finished.loadingMs + finished.denoisingMs);
  for (const field of ['queuedMs', 'encodingMs', 'decodingMs'])
    expect(finished[field], field).toBeGreaterThanOrEqual(0);
  const failed = ending(tasks.failed);
  expect(failed).toMatchObject({ msg: 'A task failed.', level: 40, code: 'inferenceError', reason: 'A graph failed.' });
  expect(ending(tasks.superseded)).toMatchObject({ msg: 'A task was cancelled.', reason: 'superseded' });
  expect(ending(tasks.refused)).toMatchObject({ msg: 'A task was refused.', code: 'modelNotFound' });
  expect(ending(tasks.refused)).not.toHaveProperty('reason');
  expect(ending(tasks.last).queuedMs).toBeGreaterThan(finished.queuedMs);
});
