/** A process that draws pictures with weights held in one form. */
import { readFileSync } from 'node:fs';
import { Batcher } from '../runtime/batcher.js';
import { generate } from '../runtime/pipelines/generate.js';
import { ModelCache } from '../runtime/pipelines/modelCache.js';

const { model, weights, threads, packedFolder, size, steps } = JSON.parse(process.argv[2]);
const provider = { name: 'cpu', threads, weights, packedFolder };
const modelCache = new ModelCache({ provider, onLoaded: () => {} });
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
process.send('started');
process.on('message', async ({ prompt, seed }) => {
  let [begun, denoisingMs] = [0, 0];
  let pixels;
  const request = {
    model,
    prompt,
    negativePrompt: '',
    width: size,
    height: size,
    steps,
    guidanceScale: 4,
    seed: BigInt(seed),
  };
  await modelCache.use(() =>
    new Batcher().drive({
      run: generate(modelCache, request),
      signal: new AbortController().signal,
      emit: async (event) => {
        if (event.type === 'staged' && event.stage === 'denoising') begun = cpuMs();
        if (event.type === 'staged' && event.stage === 'decoding') denoisingMs = cpuMs() - begun;
        if (event.type === 'finished') pixels = event.pixels;
      },
    }),
  );
  process.send({ pixels: pixels, denoisingMs, peakBytes: peak() });
});
function peak() {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? 0) * 1024;
  } catch {
    return process.memoryUsage.rss();
  }
}
//# sourceMappingURL=weightFormsChild.js.map
