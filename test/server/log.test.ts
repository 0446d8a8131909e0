import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import pino from 'pino';
import { expect, test } from 'vitest';
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
  await using server = await startTestServer({ log, runtime, apiKey: ['secret-key'] });
  const secrets = { positivePrompt: 'private-prompt', negativePrompt: 'private-negative' };
  const image = Buffer.from('private-image-bytes-private-image').toString('base64');
  const socket = await server.socket({ authenticate: { apiKey: 'secret-key' } });
  for (const task of [imageTask(secrets), imageTask({ ...secrets, seedImage: image })]) {
    socket.send(task);
    await socket.error(task.taskUUID);
  }
  await socket.ask(imageTask(secrets));
  await server.post([imageTask(secrets)], { authorization: 'Bearer wrong-key' });
  await server.post([{ taskType: 'imageUpload', taskUUID: randomUUID(), image }], {
    authorization: 'Bearer secret-key',
  });
  const text = lines.join('');
  expect(text).toContain('A task is finished.');
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
    /^\d\d:\d\d:\d\d WARN A task failed\. {2}taskUUID=a-b {2}ms=12 {2}apiKey=\[redacted\]\n$/,
  );
  log.info({ reason: 'no model \u001b[2J' }, 'Odd.');
  expect(plainText(lines[2]!)).toContain('reason="no model \\u001b[2J"');
  expect(plainText(lines[1]!)).toMatch(/ERROR It broke\.\nError: Broken\.\n/);
});
