import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ManualClock } from '../helpers/clock.ts';
import { describeTestModel, imageTask, startTestServer } from '../helpers/server.ts';

test('a task whose model is still looked at is superseded by a newer one of its lane', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-'));
  const addModel = async (name: string) => {
    await mkdir(path.join(folder, name), { recursive: true });
    await writeFile(path.join(folder, name, 'model_index.json'), '{}');
  };
  await addModel('known');
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const clock = new ManualClock();
  {
    await using server = await startTestServer({
      modelsDir: [folder],
      defaultModel: 'local:known@1',
      clock,
      describe: async (file) => {
        if (file.endsWith('slow')) await held;
        return describeTestModel(file);
      },
    });
    await addModel('slow');
    await clock.advance(2_100);
    const socket = await server.socket();
    const [older, newer] = [
      imageTask({ lane: 'a', model: 'local:slow@1' }),
      imageTask({ lane: 'a', model: 'local:known@1' }),
    ];
    socket.send(older);
    socket.send(newer);
    expect((await socket.item(newer.taskUUID)).status).toBe('success');
    release();
    expect(await socket.event('cancelled', older.taskUUID)).toMatchObject({ reason: 'superseded' });
  }
  await rm(folder, { recursive: true });
});
