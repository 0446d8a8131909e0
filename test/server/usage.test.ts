import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Frame, imageTask, startTestServer, type TestServer } from '../helpers/server.ts';

const day = (text: string) => Date.parse(`${text}T12:00:00Z`);
const isAnswer = (frame: Frame) => frame.data !== undefined || frame.errors !== undefined;

async function ask(server: TestServer, task: object, apiKey?: string) {
  const socket = await server.socket(apiKey === undefined ? {} : { authenticate: { apiKey } });
  socket.send({ taskUUID: randomUUID(), ...task });
  const { data, errors } = await socket.take(isAnswer);
  socket.terminate();
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects there is what it tests
  return (data?.[0] ?? errors?.[0]) as any;
}
const account = (operation: string, more: object = {}) => ({ taskType: 'accountManagement', operation, ...more });

describe('accountManagement', () => {
  test('counts the tasks of the caller’s key, and tells nothing of another', async () => {
    await using server = await startTestServer({ apiKey: ['mine', 'theirs'] });
    for (let i = 0; i < 3; i++) await ask(server, imageTask(), 'mine');
    await ask(server, imageTask({ model: 'local:absent@1' }), 'mine');
    await ask(server, imageTask({ width: 1 }), 'mine');
    await server.post([imageTask({ steps: 0 })], { authorization: 'Bearer mine' });
    await ask(server, imageTask(), 'theirs');
    const errors = await ask(server, account('getUsageErrors'), 'mine');
    expect(errors).toMatchObject({ usage: { total: { count: 6, clientErrors: 3, serverErrors: 0 } } });
    expect(errors).toMatchObject({ usage: { today: { count: 6 }, last30Days: { count: 6 } } });
    const mine = await ask(server, account('getUsageActivity'), 'mine');
    const theirs = await ask(server, account('getUsageActivity'), 'theirs');
    expect(mine).toMatchObject({ usage: { model: [{ model: 'test:small@1', count: 3, spend: 0 }] } });
    expect(theirs).toMatchObject({ usage: { total: { count: 1 }, model: [{ count: 1 }], apiKey: [{ count: 1 }] } });
    expect(JSON.stringify([mine, theirs])).not.toMatch(/"mine"|"theirs"/);
    expect(mine.organizationUUID).not.toBe(theirs.organizationUUID);
  });

  test('tells how long tasks took, and only the groups that were asked for', async () => {
    await using server = await startTestServer();
    for (let i = 0; i < 5; i++) await ask(server, imageTask());
    const answer = await ask(server, account('getUsagePerformance', { groupBy: 'MODEL'.toLowerCase() }));
    const usage: Record<string, Record<string, number>> = answer.usage;
    expect(Object.keys(usage)).toEqual(['today', 'last7Days', 'last30Days', 'total', 'model']);
    const { p50InferenceTime: p50 = -1, p90InferenceTime: p90 = -1, p99InferenceTime: p99 = -1 } = usage.total ?? {};
    expect(p50).toBeGreaterThan(0);
    expect(p90).toBeGreaterThanOrEqual(p50);
    expect(p99).toBeGreaterThanOrEqual(p90);
  });

  test.each([
    [{ operation: 'deleteEverything' }, 'invalidOperation', 'operation'],
    [{}, 'missingOperation', 'operation'],
    [{ operation: 'getDetails', startDate: 'yesterday' }, 'invalidStartDate', 'startDate'],
    [{ operation: 'getDetails', startDate: '2026-13-45' }, 'invalidStartDate', 'startDate'],
    [{ operation: 'getDetails', startDate: '2026-02-01', endDate: '2026-01-01' }, 'invalidEndDate', 'endDate'],
    [{ operation: 'getDetails', startDate: '2026-01-01', endDate: '2026-03-01' }, 'invalidEndDate', 'endDate'],
    [{ operation: 'getDetails', startDate: '2001-01-01' }, 'invalidStartDate', 'startDate'],
    [{ operation: 'getDetails', groupBy: 'team' }, 'invalidGroupBy', 'groupBy'],
  ])('refuses %j', async (task, code, parameter) => {
    await using server = await startTestServer();
    expect(await ask(server, { taskType: 'accountManagement', ...task })).toMatchObject({ code, parameter });
  });
});

describe('getTaskDetails', () => {
  test('tells settings and results, and nothing of the prompt', async () => {
    await using server = await startTestServer();
    const task = imageTask({ seed: 7, positivePrompt: 'my secret', outputType: ['base64Data'] });
    const result = await ask(server, task);
    const details = await ask(server, { taskType: 'getTaskDetails', taskUUID: task.taskUUID });
    expect(details).toMatchObject({
      taskType: 'getTaskDetails',
      taskUUID: task.taskUUID,
      request: [{ taskType: 'imageInference', model: 'test:small@1', seed: 7, width: 128, steps: 4, CFGScale: 5 }],
      response: { data: [{ imageUUID: result.imageUUID, seed: 7 }] },
    });
    expect(JSON.stringify(details)).not.toMatch(/secret|imageBase64Data/);
  });

  test('tells a cancel as an error, and knows no task of another key', async () => {
    await using server = await startTestServer({ apiKey: ['mine', 'theirs'] });
    const task = imageTask();
    await ask(server, task, 'mine');
    const question = { taskType: 'getTaskDetails', taskUUID: task.taskUUID };
    expect(await ask(server, question, 'theirs')).toMatchObject({ code: 'taskNotFound', parameter: 'taskUUID' });
    expect(await ask(server, question, 'mine')).toMatchObject({ response: { data: [{}] } });
  });
});

test('days are told apart, and forgotten after a month', async () => {
  const { Usage, dayOf } = await import('../../server/observe/usage.ts');
  let now = day('2026-11-01');
  const usage = new Usage({ now: () => now } as never);
  const record = { owner: 'a', state: 'finished', error: undefined } as never;
  const meter = { model: 'm:1@1', stages: { denoisingMs: 100 } } as never;
  usage.taskEnded(record, meter);
  now = day('2026-11-20');
  usage.taskEnded(record, meter);
  const between = (first: string, last: string) => usage.between('a', dayOf(first), dayOf(last)).length;
  expect([between('2026-11-01', '2026-11-20'), between('2026-11-02', '2026-11-20')]).toEqual([2, 1]);
  now = day('2026-12-15');
  usage.taskEnded(record, meter);
  expect(between('2026-11-01', '2026-12-15')).toBe(2);
  expect(usage.total('a').tasks).toBe(3);
  expect(Math.abs(usage.total('a').quantileMs(0.99) - 100)).toBeLessThanOrEqual(2);
});
