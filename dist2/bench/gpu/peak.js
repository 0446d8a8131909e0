/** What the device reaches at best: products of large matrices, and the traffic to its memory. (g) of the table. */
import { mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { largest, one, openTiny, spread } from './tinyGraphs.js';
import { measureTransfers } from './transfers.js';
import { writeWeights } from './weights.js';
export async function measurePeak(cases) {
  const provider = await cases.provider();
  const precisions = cases.question.half ? ['float16', 'float32'] : ['float32'];
  await cases.within(0.7, async () => {
    for (const precision of precisions) await product(cases, provider, precision);
    await bandwidth(cases, provider);
  });
  await measureTransfers(cases, provider);
}
/** Longer than this, a size is large enough. */
const ENOUGH_MS = 15;
/** Chains of products of growing matrices until one takes long enough; told is the best. */
async function product(cases, provider, precision) {
  const temp = join(await realpath(cases.question.temp), `peak-${precision}`);
  await cases.each(`product of matrices, ${precision}`, {}, async () => {
    let best = 0;
    let at = 0;
    let took = 0;
    const tried = [];
    for (const n of [64, 128, 256, 512, 1024, 2048, 4096, 8192]) {
      // Eight times the work of the size before, part of which was opening graphs and compiling kernels.
      if (took * 6 > cases.leftMs() * 0.7) break;
      const begun = performance.now();
      await mkdir(temp, { recursive: true });
      const weights = await writeWeights(temp, [{ name: 'm', shape: [n, n], spread: 1 / Math.sqrt(n) }]);
      const chain = (length) => (g, x) => {
        const matrix = g.weight('m');
        // What depends on an input is not computed while the graph is loaded.
        let y = g.node('Mul', [matrix, x], { name: 'scaled' });
        for (let i = 0; i < length; i++) y = g.node('MatMul', [y, matrix], { name: `product.${i}` });
        return largest(g, y);
      };
      const perOne = await slopeOf(cases, provider, precision, chain, [2, 6], { weights, folder: temp });
      await rm(temp, { recursive: true, force: true });
      took = performance.now() - begun;
      if (perOne === undefined) continue;
      const speed = (2 * n ** 3) / (perOne / 1000);
      tried.push(`${n}: ${(speed / 1e12).toPrecision(3)}`);
      if (speed > best) [best, at] = [speed, n];
      if (perOne > ENOUGH_MS) break;
    }
    if (best === 0) throw new Error('no size took longer than the call itself');
    cases.question.speed[precision] = best;
    return {
      value: best / 1e12,
      unit: 'TFLOP/s',
      detail: `${at}×${at}, from chains of 2 and 6; by size ${tried.join(', ')}`,
      numbers: { operationsPerSecond: best, size: at },
    };
  });
}
/** Reads and writes of a large tensor, element by element. */
async function bandwidth(cases, provider) {
  await cases.each('memory traffic', {}, async () => {
    // Of the largest size: smaller ones stay in caches.
    let last = 0;
    let at = 0;
    let took = 0;
    const tried = [];
    for (const mib of [1, 4, 16, 64, 256, 1024]) {
      if (took * 4 > cases.leftMs() * 0.7) break;
      const begun = performance.now();
      const length = mib * 2 ** 18;
      const chain = (count) => (g, x) => {
        let y = spread(g, x, [1024, length / 1024]);
        for (let i = 0; i < count; i++) y = g.node('Mul', [y, x], { name: `times.${i}` });
        return largest(g, y);
      };
      const perOne = await slopeOf(cases, provider, 'float32', chain, [4, 20]);
      took = performance.now() - begun;
      if (perOne === undefined) continue;
      const speed = (2 * 4 * length) / (perOne / 1000);
      tried.push(`${mib}: ${(speed / 1e9).toPrecision(3)}`);
      [last, at] = [speed, mib];
      if (perOne > ENOUGH_MS) break;
    }
    if (last === 0) throw new Error('no size took longer than the call itself');
    return {
      value: last / 1e9,
      unit: 'GB/s',
      detail: `${at} MiB of float32 times one number, read and written; by MiB ${tried.join(', ')}`,
      numbers: { bytesPerSecond: last },
    };
  });
}
/**
 * Milliseconds of one more node, from a short chain and a long one in turn; what is constant in a call drops out. Undefined
 * where that cannot be told from noise.
 */
async function slopeOf(cases, provider, precision, chain, [short, long], options = {}) {
  const [little, much] = await Promise.all(
    [short, long].map((length) => openTiny(provider, precision, chain(length), options)),
  );
  const x = one();
  // The smallest of some calls: what a device reaches, not what it usually does.
  let [least, most] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  await little.run(x);
  await much.run(x);
  const begun = performance.now();
  for (let round = 0; round < 7 && (round < 2 || performance.now() - begun < cases.leftMs() / 10); round++) {
    let from = performance.now();
    await little.run(x);
    least = Math.min(least, performance.now() - from);
    from = performance.now();
    await much.run(x);
    most = Math.min(most, performance.now() - from);
  }
  await Promise.all([little.close(), much.close()]);
  // Of small sizes nearly all of a call is its overhead, whose noise would pass for speed.
  return most - least > least / 2 ? (most - least) / (long - short) : undefined;
}
//# sourceMappingURL=peak.js.map
