import { clocked, seconds } from './cases.js';
import { largest, one, openTiny, spread, waves } from './tinyGraphs.js';
export async function measureTransfers(cases, provider) {
  const floatsOf = (mib) => mib * 2 ** 18;
  const moved = cases.slow ? 16 : 64;
  await cases.each('host to device', {}, async () => {
    const length = floatsOf(moved);
    const graph = await openTiny(provider, 'float32', largest, { x: ['length'] });
    const x = waves([length]);
    const { ms } = await cases.time(() => graph.run({ x }), { most: 10 });
    return { value: (4 * length) / ms / 1e6, unit: 'GB/s', detail: `${moved} MiB there and one number back` };
  });
  await cases.each('device to host', {}, async () => {
    const length = floatsOf(moved);
    const graph = await openTiny(provider, 'float32', (g, x) => spread(g, x, [length]), { y: [length] });
    const { ms } = await cases.time(() => graph.run(one()), { most: 10 });
    return { value: (4 * length) / ms / 1e6, unit: 'GB/s', detail: `one number there and ${moved} MiB back` };
  });
  // The last ones, as running out of memory may take the process along. Plain attention of large pictures needs them.
  for (const mib of cases.slow ? [256] : [256, 1024, 2048, 4096, 8192]) {
    const fits = await cases.each(`tensor of ${mib} MiB`, {}, async () => {
      const graph = await openTiny(provider, 'float32', (g, x) =>
        largest(g, g.node('Mul', [spread(g, x, [1024, floatsOf(mib) / 1024]), x], { name: 'square' })),
      );
      const ms = await clocked(async () => {
        const { y } = await graph.run(one(3));
        if (Number(y.data[0]) !== 9) throw new Error(`the answer was ${y.data[0]} instead of 9`);
      });
      return { value: 'works', detail: `two of them in ${seconds(ms)}` };
    });
    if (!fits) break;
  }
}
//# sourceMappingURL=transfers.js.map
