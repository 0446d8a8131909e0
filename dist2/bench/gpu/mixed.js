/** 1, 4 and 16 clients with tasks of mixed sizes, through the real server: (h) of the table. */
import { BenchServer } from '../benchServer.js';
import { BenchClient } from '../client.js';
import { median, quantile } from '../figures.js';
import { mixedTask, seeded, workOf } from '../tasks.js';

const previews = { every: 1, delivery: 'binary' };
export async function measureMixed(cases) {
  const server = await BenchServer.start(['--device', cases.question.device]);
  // Small ones where a large one would take all of the time.
  const shrink = (task) => (cases.slow ? { ...task, width: 128, height: 128, steps: 2 } : task);
  let alone = 0;
  for (const [index, clients] of [1, 4, 16].entries()) {
    const name = clients === 1 ? '1 client' : `${clients} clients`;
    await cases.each(name, {}, async () => {
      const sockets = await Promise.all(Array.from({ length: clients }, () => BenchClient.connect(server.url)));
      const random = seeded(1000 * clients);
      const ran = [];
      const run = async (socket) => {
        const task = shrink(mixedTask(random));
        ran.push({ task, times: await socket.run({ ...task, previews }) });
      };
      // Models are loaded and batches found out before anything counts.
      await Promise.all(sockets.map(run));
      ran.length = 0;
      const begun = performance.now();
      const until = begun + (0.7 * cases.leftMs()) / (3 - index);
      await Promise.all(
        sockets.map(async (socket) => {
          do await run(socket);
          while (performance.now() < until);
          socket.close();
        }),
      );
      const tookMs = performance.now() - begun;
      const work = (ran.reduce((sum, { task }) => sum + workOf(task), 0) / tookMs) * 1000;
      alone ||= work;
      const firsts = ran.flatMap(({ times }) => times.firstPreviewMs ?? []);
      const totals = ran.map(({ times }) => times.totalMs);
      return {
        value: work,
        unit: 'megapixel steps/s',
        detail: [
          `${(work / alone).toFixed(2)} of one client's; ${ran.length} pictures in ${(tookMs / 1000).toFixed(1)} s`,
          `first preview p50 ${Math.round(median(firsts))} ms, p99 ${Math.round(quantile(firsts, 0.99))}`,
          `picture p50 ${Math.round(median(totals))} ms, p99 ${Math.round(quantile(totals, 0.99))}`,
        ].join('; '),
        numbers: { pictures: ran.length, firstPreviewP50Ms: median(firsts), pictureP50Ms: median(totals) },
      };
    });
  }
  await server[Symbol.asyncDispose]();
}
//# sourceMappingURL=mixed.js.map
