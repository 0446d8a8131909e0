/** What a process of a benchmark tells of itself. */
import v8 from 'node:v8';
import vm from 'node:vm';
/** Milliseconds of a clock that all processes of the machine share. */
export function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}
/** @param collect - whether garbage is collected first, which takes a moment */
export async function memoryOf({ collect }) {
  if (collect) {
    v8.setFlagsFromString('--expose-gc');
    const collectGarbage = vm.runInNewContext('gc');
    // What ends in a callback of the first round is garbage for the next.
    for (let round = 0; round < 3; round++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed + external };
}
//# sourceMappingURL=process.js.map
