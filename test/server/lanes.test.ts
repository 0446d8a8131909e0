import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type GenerateRequest, type Runtime, startRuntime } from '../../runtime/index.ts';
import { overhear } from '../helpers/overhear.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

/** What the process of a runtime says of its runs, those too that nobody reads any more, in the order in which they were asked for. */
function overhearRuns(runtime: Runtime) {
  const runs: { steps: number; stepsAfterAbort: number; aborted: boolean; seed: bigint }[] = [];
  const hearing = overhear((message) => {
    for (const part of message) {
      if (part.type !== 'reported' || part.event.type !== 'stepped') continue;
      const run = runs[part.run - 1]!;
      run.steps++;
      if (run.aborted) run.stepsAfterAbort++;
    }
  });
  const heard: Runtime = {
    ready: () => runtime.ready(),
    status: () => runtime.status(),
    close: (graceMs) => runtime.close(graceMs),
    [Symbol.asyncDispose]: () => runtime.close(),
    generate(request, signal) {
      const run = { steps: 0, stepsAfterAbort: 0, aborted: false, seed: (request as GenerateRequest).seed };
      runs.push(run);
      signal.addEventListener('abort', async () => {
        // A step that was told before the process could know of the cancel may lie unread in the pipe, where this process
        // is slower than the steps: the next turn of its event loop reads all that lies there.
        await turn();
        await turn();
        run.aborted = true;
      });
      return runtime.generate(request, signal);
    },
  };
  return {
    runs,
    heard,
    [Symbol.dispose]() {
      hearing[Symbol.dispose]();
    },
  };
}

test('a lane in which 20 tasks a second come leaves each older one at most a step', async () => {
  await using runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
  using overheard = overhearRuns(runtime);
  const { runs, heard } = overheard;
  await using server = await startTestServer({ runtime: heard });
  const socket = await server.socket();
  const task = (seed: number) =>
    imageTask({ model: 'local:pocket@1', lane: 'drawing', steps: 15, seed, progress: true, CFGScale: 3 });
  // The model is read first, so that there are steps to count.
  const warm = task(1000);
  socket.send(warm);
  await socket.item(warm.taskUUID, 60_000);
  const tasks = Array.from({ length: 24 }, (_, seed) => task(seed + 1));
  for (const [index, each] of tasks.entries()) {
    socket.send(each);
    // However slow the machine is, some of them are drawn a little, or there would be nothing to see.
    if (index % 4 === 3) await socket.event('stepped', each.taskUUID);
    else await sleep(50);
  }
  const last = tasks.at(-1)!;
  expect((await socket.item(last.taskUUID, 60_000)).status).toBe('success');
  for (const { taskUUID } of tasks.slice(0, -1)) {
    expect(await socket.event('cancelled', taskUUID)).toMatchObject({ reason: 'superseded' });
  }
  const superseded = runs.filter(({ aborted, steps }) => aborted && steps > 0);
  expect(superseded.length).toBeGreaterThanOrEqual(6);
  for (const { stepsAfterAbort } of superseded) expect(stepsAfterAbort).toBeLessThanOrEqual(1);
  console.info(
    `${superseded.length} superseded runs had ${superseded.reduce((sum, { steps }) => sum + steps, 0)} steps, ` +
      `${superseded.reduce((sum, { stepsAfterAbort }) => sum + stepsAfterAbort, 0)} of them after`,
  );
});
