import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { packageRoot } from '../../server/packageRoot.ts';
import { imageTask, TestSocket } from '../helpers/server.ts';

/** The built server as a program of its own, with the real runtime process. */
async function startProgram(...argv: string[]) {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'latentwire-'));
  const from = (name: string) => JSON.stringify(pathToFileURL(path.join(packageRoot, 'dist', 'server', name)));
  const script = `
    import { serve } from ${from('serve.js')};
    import { loadConfig } from ${from('config/config.js')};
    await serve(loadConfig(process.argv.slice(1), process.env));
  `;
  const flags = ['--port', '0', '--device', 'cpu', '--log-level', 'error', '--data-dir', dataDir, ...argv];
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<[number | null, string | null]>((resolve) => {
    child.on('exit', (code, signal) => resolve([code, signal]));
  });
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.on('data', (chunk) => {
      output += chunk;
      const found = /^listening on (http:\S+)$/m.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.on('exit', () => reject(new Error(`ended before it listened: ${output}`)));
  });
  return {
    child: child as ChildProcess,
    url,
    exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  'says where it listens, and ends on %s with 1012 for its sockets',
  async (signal) => {
    await using program = await startProgram();
    const health = await (await fetch(`${program.url}/health`)).json();
    expect(health).toMatchObject({ status: 'ok', runtime: { state: 'ready', provider: 'cpu' } });
    const socket = await TestSocket.open(program.url);
    program.child.kill(signal);
    expect(await socket.closed).toMatchObject({ code: 1012 });
    expect(await program.exited).toEqual([0, null]);
  },
);

test('makes an image with the real runtime, shows it on the way, and answers pings meanwhile', async () => {
  await using program = await startProgram('--models-dir', path.join(packageRoot, 'test', 'fixtures', 'models'));
  const socket = await TestSocket.open(program.url);
  const task = imageTask({ model: 'local:tiny-sd15@1', steps: 5, seed: 7, progress: true, previews: { size: 64 } });
  socket.send(task);
  let pongs = 0;
  for (let finished = false; !finished; pongs++) {
    socket.send({ taskType: 'ping', ping: true });
    await socket.take(({ data }) => data?.[0]?.taskType === 'ping');
    finished = socket.frames.some(({ data, errors }) => data !== undefined || errors !== undefined);
  }
  // The last one came with the result, the others before it.
  expect(pongs).toBeGreaterThan(1);
  expect(await socket.event('previewed', task.taskUUID)).toMatchObject({ width: 64, height: 64, steps: 5 });
  const item = await socket.item(task.taskUUID);
  expect(item).toMatchObject({ status: 'success', seed: 7 });
  const again = await socket.ask({ ...imageTask({ model: 'local:tiny-sd15@1', steps: 2 }), seedImage: item.imageUUID });
  expect((await fetch(again.imageURL)).headers.get('content-type')).toBe('image/jpeg');
});
