/**
 * The denoising loop of the same graphs in one process: no server, no border between processes, no previews, no picture
 * file. It answers `{ prompt, seed, steps }` with the milliseconds of one picture, text encoding and decoding included.
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Batcher } from '../runtime/batcher.js';
import { chooseProvider } from '../runtime/onnx/providers.js';
import { generate as diffusion } from '../runtime/pipelines/generate.js';
import { ModelCache } from '../runtime/pipelines/modelCache.js';

const [folder, providerName, batchesFile] = process.argv.slice(2);
if (folder === undefined || providerName === undefined) {
  throw new Error('usage: bareLoop <model folder> <provider> [batches.json of a server]');
}
const provider = await chooseProvider(providerName);
const modelCache = new ModelCache({ provider, onLoaded: () => {} });
const model = await modelCache.model(folder);
const kept = batchesFile === undefined ? undefined : await readFile(batchesFile, 'utf8').catch(() => undefined);
const known = kept === undefined ? [] : JSON.parse(kept).batches;
const batcher = new Batcher({
  exact: provider.name === 'cpu',
  knownRows: (graph, shape) => known.find((batch) => batch.graph === graph.label && batch.shape === shape)?.rows,
});
process.on('message', async ({ prompt, seed, steps }) => {
  const request = {
    model: folder,
    prompt,
    width: 256,
    height: 256,
    steps,
    guidanceScale: model.configs.settings.defaultGuidanceScale ?? 7,
    seed: BigInt(seed),
  };
  const started = performance.now();
  let denoisingMs = 0;
  await batcher.drive({
    run: diffusion(modelCache, request),
    signal: new AbortController().signal,
    emit: async (event) => {
      if (event.type === 'finished') denoisingMs = event.timings.denoisingMs;
    },
  });
  const answer = {
    totalMs: performance.now() - started,
    stepMs: denoisingMs / steps,
    memoryBytes: process.memoryUsage().rss,
  };
  process.send?.(answer);
});
process.on('disconnect', () => process.exit(1));
process.send?.({ provider: provider.name, cores: availableParallelism() });
//# sourceMappingURL=bareLoop.js.map
