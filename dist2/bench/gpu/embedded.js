/** The embedded model through the real server: (c) of the table. */
import { BenchServer } from '../benchServer.js';
import { BenchClient } from '../client.js';
import { median, pairedRatio, quantile } from '../figures.js';
import { now } from '../process.js';
import { promptOf, seeded } from '../tasks.js';
import { seconds } from './cases.js';

const previews = { every: 1, delivery: 'binary' };
export async function measureEmbedded(cases) {
  const [size, steps] = cases.slow ? [128, 2] : [256, 20];
  const what = `${size}², ${steps} guided steps`;
  let server;
  let client;
  let seeds = 0;
  const task = (more = {}) => ({
    positivePrompt: promptOf(seeds),
    width: size,
    height: size,
    steps,
    seed: seeds++,
    ...more,
  });
  const start = async () => {
    server = await BenchServer.start(['--device', cases.question.device], './watchedServer.js');
    client = await BenchClient.connect(server.url);
  };
  if (cases.question.done.length > 0) {
    await start();
    await client.run(task());
  }
  await cases.each('start to first picture', {}, async () => {
    const begun = performance.now();
    await start();
    const listening = performance.now() - begun;
    await client.run(task());
    const ms = performance.now() - begun;
    return {
      value: ms / 1000,
      unit: 's',
      detail: `process, provider, model and one picture; it listened after ${seconds(listening)}`,
    };
  });
  if (server === undefined || client === undefined) return;
  const socket = client;
  // Pictures with previews and without, in turn, so that both see the same machine.
  const [quiet, watched, firsts, gaps] = [[], [], [], []];
  let got = 0;
  const pair = async () => {
    const at = [];
    const times = await socket.run(task({ progress: true }), (event) => {
      if (event.event === 'stepped') at.push(performance.now());
    });
    quiet.push(times.totalMs);
    gaps.push(...at.slice(1).map((ms, i) => ms - at[i]));
    const seen = await socket.run(task({ previews }));
    watched.push(seen.totalMs);
    if (seen.firstPreviewMs !== undefined) firsts.push(seen.firstPreviewMs);
    got += seen.previews;
  };
  const measured = await cases.each('picture', {}, async () => {
    // Batches are found out and kernels compiled before anything counts.
    await pair();
    for (const list of [quiet, watched, firsts, gaps]) list.length = 0;
    got = 0;
    const until = performance.now() + cases.leftMs() * 0.5;
    while (quiet.length === 0 || (quiet.length < 15 && performance.now() + median(quiet) * 2 < until)) await pair();
    return {
      value: median(quiet),
      unit: 'ms',
      detail: `${what}, without previews; median of ${quiet.length}`,
      numbers: { p90: quantile(quiet, 0.9) },
    };
  });
  const stepMs = median(gaps);
  if (measured) {
    cases.also({
      name: 'step',
      value: stepMs,
      unit: 'ms',
      detail: `median of ${gaps.length}, as the client is told; p90 ${quantile(gaps, 0.9).toFixed(1)} ms`,
      numbers: { p90: quantile(gaps, 0.9) },
    });
    const rest = median(quiet) - steps * stepMs;
    cases.also({
      name: 'picture without its steps',
      value: rest,
      unit: 'ms',
      detail: 'text, decoding, encoding, network',
    });
    if (firsts.length > 0) {
      cases.also({
        name: 'first preview',
        value: median(firsts),
        unit: 'ms',
        detail: `from sending the task; ${(median(firsts) / stepMs).toFixed(1)} steps`,
      });
    }
    cases.also({
      name: 'a preview at every step',
      value: pairedRatio(watched, quiet),
      unit: '×',
      detail: `of the picture's time; ${((median(watched) - median(quiet)) / steps).toFixed(2)} ms a step, ${(got / watched.length).toFixed(1)} of ${steps} arrived`,
    });
  }
  await cancels(cases, server, socket, stepMs, (count) => task({ steps: count, progress: true }));
  socket.close();
  await server[Symbol.asyncDispose]();
}
/** From the frame that cancels a running task until its run has ended. */
async function cancels(cases, server, client, stepMs, task) {
  const endedAt = new Map();
  let heard = () => {};
  server.child.listen(({ seed, at }) => {
    endedAt.set(seed, at);
    heard();
  });
  const random = seeded(4);
  const most = cases.slow ? 3 : 30;
  await cases.each('cancel, p50', { ms: 3 * stepMs }, async () => {
    const took = [];
    while (took.length < most && (took.length === 0 || cases.leftMs() > 10 * stepMs + 1000)) {
      const asked = task(100);
      let arrived = () => {};
      const twoSteps = new Promise((resolve) => {
        arrived = resolve;
      });
      let count = 0;
      const running = client.start(asked, (event) => {
        if (event.event === 'stepped' && ++count === 2) arrived();
      });
      await Promise.race([twoSteps, running.ended]);
      // At any point of a step.
      await new Promise((resolve) => setTimeout(resolve, random() * stepMs));
      const sentAt = now();
      void client.cancel(running.taskUUID);
      await running.ended;
      const seed = BigInt(asked.seed);
      while (!endedAt.has(seed)) {
        await new Promise((resolve) => {
          heard = resolve;
        });
      }
      took.push(endedAt.get(seed) - sentAt);
    }
    const [half, late] = [median(took), quantile(took, 0.99)];
    return {
      value: half / stepMs,
      unit: 'steps',
      detail: `${half.toFixed(1)} ms until the run had stopped; p99 ${late.toFixed(1)} ms, ${(late / stepMs).toFixed(2)} steps; ${took.length} cancels`,
      numbers: { p50Ms: half, p99Ms: late, p99Steps: late / stepMs },
    };
  });
}
//# sourceMappingURL=embedded.js.map
