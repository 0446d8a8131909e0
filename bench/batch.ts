/**
 * `npm run bench:batch`: what batching pays on this machine, and what taking turns does for a newcomer, on the embedded
 * model. Sizes of a batch are measured in turn, and ratios pair by pair, because machines are noisy.
 *
 *     npm run bench:batch -- --provider cpu --rounds 9 --latents 16,32,64 --runs 8
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GenerateRequest, type Runtime, startRuntime } from '../runtime/index.ts';
import { chooseProvider } from '../runtime/onnx/providers.ts';
import { ModelCache } from '../runtime/pipelines/modelCache.ts';
import { floats, join as joined, type Tensor } from '../runtime/tensors/tensor.ts';
import { type Figure, median, pairedRatio, printTable, quantile } from './figures.ts';
import { numbers, readOptions, text, whole } from './options.ts';

const options = readOptions({
  provider: text('auto'),
  rounds: whole(9, 1, 1000),
  latents: numbers([16, 32, 64]),
  /** Runs under way when the newcomer comes; 0 leaves that part out. */
  runs: whole(8, 0, 15),
  pairs: whole(5, 1, 1000),
});
const { rounds, runs, pairs } = options;
const batches = [1, 2, 4, 8, 16];
const pocket = join(fileURLToPath(new URL('../../', import.meta.url)), 'models/pocket');
const figures: Figure[] = [];

const provider = await chooseProvider(options.provider);
console.error(`provider: ${provider.name}. ${provider.reason}`);
const model = await new ModelCache({ provider, onLoaded: () => {} }).model(pocket);
const unet = await model.network('denoiser').graph();

function noise(dims: readonly number[]): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return floats(
    Float32Array.from({ length: count }, () => Math.random() - 0.5),
    dims,
  );
}

for (const size of options.latents) {
  console.error(`${size}×${size} latents …`);
  const row = (): Record<string, Tensor> =>
    Object.fromEntries(
      unet.inputs.map(({ name, shape }) => {
        if (name === 'timestep') return [name, floats(Float32Array.of(Math.random() * 900), [1])];
        const free: Record<string, number> = { batch: 1, length: 77, height: size, width: size };
        return [name, noise(shape.map((dim) => (typeof dim === 'number' ? dim : (free[dim] ?? 1))))];
      }),
    );
  const rows = Array.from({ length: Math.max(...batches) }, row);
  const wallMs = new Map<number, number[]>();
  const cpuMs = new Map<number, number[]>();
  // The first round only warms up.
  for (let round = -1; round < rounds; round++) {
    for (const batch of round % 2 === 0 ? batches : batches.toReversed()) {
      const feeds = Object.fromEntries(
        Object.keys(rows[0]!).map((name) => [name, joined(rows.slice(0, batch).map((each) => each[name]!))]),
      );
      const [begun, before] = [performance.now(), process.cpuUsage()];
      await unet.run(feeds);
      const [ms, used] = [performance.now() - begun, process.cpuUsage(before)];
      if (round < 0) continue;
      wallMs.set(batch, [...(wallMs.get(batch) ?? []), ms / batch]);
      cpuMs.set(batch, [...(cpuMs.get(batch) ?? []), (used.user + used.system) / 1000 / batch]);
    }
  }
  for (const batch of batches) {
    const [wall, cpu] = [wallMs.get(batch)!, cpuMs.get(batch)!];
    const best = Math.min(...wall);
    figures.push({
      name: `${size}×${size}, ${batch} rows`,
      value: 1000 / median(wall),
      unit: 'rows/s',
      detail:
        `× ${pairedRatio(wallMs.get(1)!, wall).toFixed(2)} of one row; a row: ${median(wall).toFixed(1)} ms, ` +
        `at best ${best.toFixed(1)}, CPU ${median(cpu).toFixed(1)}`,
    });
  }
}
await unet.close();
printTable(figures);

/** Milliseconds from a newcomer's request to its first step, while others are under way. */
async function newcomer(runtime: Runtime, seed: number): Promise<number> {
  const request: GenerateRequest = {
    model: pocket,
    prompt: 'a red potion',
    width: 256,
    height: 256,
    steps: 10,
    guidanceScale: 5,
    seed: BigInt(seed),
  };
  const stop = new AbortController();
  let onFirst = () => {};
  const begun = new Promise<void>((resolve) => (onFirst = resolve));
  const others = Array.from({ length: runs }, async (_, index) => {
    const events = runtime.generate({ ...request, seed: BigInt(1000 * seed + index) }, stop.signal);
    for await (const event of events) if (event.type === 'stepped') onFirst();
  });
  await begun;
  const came = performance.now();
  let firstMs = Number.NaN;
  for await (const event of runtime.generate({ ...request, prompt: `a gem ${seed}` }, stop.signal)) {
    if (event.type !== 'stepped') continue;
    firstMs = performance.now() - came;
    stop.abort();
    break;
  }
  await Promise.allSettled(others);
  return firstMs;
}

if (runs > 0) {
  console.error(`a newcomer beside ${runs} runs …`);
  const each = { provider: provider.name, log: () => {} };
  await using turns = startRuntime(each);
  await using arrival = startRuntime({ ...each, liveRuns: 1 });
  const [inTurns, inOrder]: [number[], number[]] = [[], []];
  for (let pair = -1; pair < pairs; pair++) {
    const [first, second] = [await newcomer(turns, pair + 10), await newcomer(arrival, pair + 10)];
    if (pair < 0) continue;
    inTurns.push(first);
    inOrder.push(second);
  }
  const detail = `medians of ${pairs}; 256×256, 10 guided steps each, ${runs} under way`;
  printTable([
    { name: 'newcomer to first step, in turns', value: median(inTurns), unit: 'ms', detail },
    { name: 'newcomer, in turns, slowest', value: quantile(inTurns, 1), unit: 'ms' },
    { name: 'newcomer, in order of arrival', value: median(inOrder), unit: 'ms' },
    { name: 'arrival order / turns', value: pairedRatio(inOrder, inTurns), unit: '×', goal: '≥ 5' },
  ]);
}
