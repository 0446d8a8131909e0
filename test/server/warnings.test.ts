import { describe, expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { describeTestModel, type Frame, imageTask, startTestServer, type TestSocket } from '../helpers/server.ts';

const isAnswer = (frame: Frame) => frame.data !== undefined || frame.errors !== undefined;
const answerTo = async (socket: TestSocket, task: object) => {
  socket.send(task);
  return (await socket.take(isAnswer)).data?.[0];
};
const unknown = { code: 'unknownParameter', parameter: 'stepz' };

describe('warnings about a task', () => {
  test('are on its acknowledgement, its results and what is told of it later', async () => {
    await using server = await startTestServer();
    const socket = await server.socket();
    const task = imageTask({ stepz: 3, deliveryMethod: 'async', numberResults: 2 });
    expect(await answerTo(socket, task)).toMatchObject({ status: 'processing', warnings: [unknown] });
    for (let poll = 0; poll < 500; poll++) {
      socket.send({ taskType: 'getResponse', taskUUID: task.taskUUID, wiat: 1 });
      const { data = [] } = await socket.take((frame) => frame.data !== undefined && frame.data.length > 0);
      for (const { warnings } of data) expect(warnings[0]).toMatchObject(unknown);
      if (data.length === 2 && data.every(({ status }) => status === 'success')) {
        expect(data.map(({ warnings }) => warnings.length)).toEqual([2, 1]);
        return;
      }
    }
    throw new Error('The task did not end.');
  });

  test('come over HTTP too, and with the answers of other tasks', async () => {
    await using server = await startTestServer();
    const image = imageTask({ stepz: 3 });
    const search = { taskType: 'modelSearch', taskUUID: crypto.randomUUID(), sort: 'name' };
    const { status, body } = await server.post([image, search]);
    expect(status).toBe(200);
    expect(body.data).toMatchObject([{ warnings: [unknown] }, { warnings: [{ parameter: 'sort' }] }]);
  });

  test('come with the answer to an authentication, over HTTP too', async () => {
    await using server = await startTestServer();
    const { body } = await server.post([{ taskType: 'authentication', apiKey: 'any', apikey: 'any' }]);
    const warnings = [{ code: 'unknownParameter', parameter: 'apikey' }];
    expect(body.data).toMatchObject([{ taskType: 'authentication', warnings }]);
  });

  test('are no part of what makes two tasks the same', async () => {
    await using server = await startTestServer();
    const socket = await server.socket();
    const task = imageTask();
    const first = await answerTo(socket, task);
    const other = await server.socket();
    const again = await answerTo(other, { ...task, stepz: 3 });
    expect(again).toMatchObject({ imageUUID: first?.imageUUID });
  });

  test('tell that a preset of acceleration is beyond a model of ONNX graphs, which is drawn whole', async () => {
    const runtime = createFakeRuntime();
    await using server = await startTestServer({
      runtime,
      describe: async (folder) => ({ ...describeTestModel(folder), layout: 'onnx' as const }),
    });
    const socket = await server.socket();
    expect(await answerTo(socket, imageTask({ acceleration: 'high' }))).toMatchObject({
      status: 'success',
      warnings: [{ code: 'ignoredParameter', parameter: 'acceleration' }],
    });
    expect(await answerTo(socket, imageTask({ acceleration: 'none' }))).not.toHaveProperty('warnings');
  });

  test('are absent where a preset of acceleration is honoured', async () => {
    await using server = await startTestServer();
    const socket = await server.socket();
    expect(await answerTo(socket, imageTask({ acceleration: 'high' }))).not.toHaveProperty('warnings');
  });
});

test('every seed that is answered can be sent again: they wrap below 2^64', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  socket.send(imageTask({ seed: 2n ** 64n - 2n, numberResults: 4 }));
  const seeds: bigint[] = [];
  while (seeds.length < 4) seeds.push(BigInt((await socket.take(isAnswer)).data![0]!.seed));
  expect(seeds.sort((a, b) => (a < b ? -1 : 1))).toEqual([0n, 1n, 2n ** 64n - 2n, 2n ** 64n - 1n]);
  for (const seed of seeds) {
    socket.send(imageTask({ seed }));
    expect(BigInt((await socket.take(isAnswer)).data![0]!.seed)).toBe(seed);
  }
  socket.send(imageTask({ seed: 2n ** 64n }));
  const [error] = (await socket.take(isAnswer)).errors!;
  expect(error).toMatchObject({ code: 'invalidSeed', message: expect.stringContaining('18446744073709551615') });
});
