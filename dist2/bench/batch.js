var __addDisposableResource =
  (this && this.__addDisposableResource) ||
  ((env, value, async) => {
    if (value !== null && value !== void 0) {
      if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError('Object expected.');
      var dispose, inner;
      if (async) {
        if (!Symbol.asyncDispose) throw new TypeError('Symbol.asyncDispose is not defined.');
        dispose = value[Symbol.asyncDispose];
      }
      if (dispose === void 0) {
        if (!Symbol.dispose) throw new TypeError('Symbol.dispose is not defined.');
        dispose = value[Symbol.dispose];
        if (async) inner = dispose;
      }
      if (typeof dispose !== 'function') throw new TypeError('Object not disposable.');
      if (inner)
        dispose = function () {
          try {
            inner.call(this);
          } catch (e) {
            return Promise.reject(e);
          }
        };
      env.stack.push({ value: value, dispose: dispose, async: async });
    } else if (async) {
      env.stack.push({ async: true });
    }
    return value;
  });
var __disposeResources =
  (this && this.__disposeResources) ||
  ((SuppressedError) => (env) => {
    function fail(e) {
      env.error = env.hasError ? new SuppressedError(e, env.error, 'An error was suppressed during disposal.') : e;
      env.hasError = true;
    }
    var r,
      s = 0;
    function next() {
      while ((r = env.stack.pop())) {
        try {
          if (!r.async && s === 1) return (s = 0), env.stack.push(r), Promise.resolve().then(next);
          if (r.dispose) {
            var result = r.dispose.call(r.value);
            if (r.async)
              return (
                (s |= 2),
                Promise.resolve(result).then(next, (e) => {
                  fail(e);
                  return next();
                })
              );
          } else s |= 1;
        } catch (e) {
          fail(e);
        }
      }
      if (s === 1) return env.hasError ? Promise.reject(env.error) : Promise.resolve();
      if (env.hasError) throw env.error;
    }
    return next();
  })(
    typeof SuppressedError === 'function'
      ? SuppressedError
      : (error, suppressed, message) => {
          var e = new Error(message);
          return (e.name = 'SuppressedError'), (e.error = error), (e.suppressed = suppressed), e;
        },
  );

/**
 * `npm run bench:batch`: what batching pays on this machine, and what taking turns does for a newcomer, on the embedded
 * model. Sizes of a batch are measured in turn, and ratios pair by pair, because machines are noisy.
 *
 *     npm run bench:batch -- --provider cpu --rounds 9 --latents 16,32,64 --runs 8
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRuntime } from '../runtime/index.js';
import { chooseProvider } from '../runtime/onnx/providers.js';
import { ModelCache } from '../runtime/pipelines/modelCache.js';
import { floats, join as joined } from '../runtime/tensors/tensor.js';
import { median, pairedRatio, printTable, quantile } from './figures.js';
import { numbers, readOptions, text, whole } from './options.js';

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
const figures = [];
const provider = await chooseProvider(options.provider);
console.error(`provider: ${provider.name}. ${provider.reason}`);
const model = await new ModelCache({ provider, onLoaded: () => {} }).model(pocket);
const unet = await model.network('denoiser').graph();
function noise(dims) {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return floats(
    Float32Array.from({ length: count }, () => Math.random() - 0.5),
    dims,
  );
}
for (const size of options.latents) {
  console.error(`${size}×${size} latents …`);
  const row = () =>
    Object.fromEntries(
      unet.inputs.map(({ name, shape }) => {
        if (name === 'timestep') return [name, floats(Float32Array.of(Math.random() * 900), [1])];
        const free = { batch: 1, length: 77, height: size, width: size };
        return [name, noise(shape.map((dim) => (typeof dim === 'number' ? dim : (free[dim] ?? 1))))];
      }),
    );
  const rows = Array.from({ length: Math.max(...batches) }, row);
  const wallMs = new Map();
  const cpuMs = new Map();
  // The first round only warms up.
  for (let round = -1; round < rounds; round++) {
    for (const batch of round % 2 === 0 ? batches : batches.toReversed()) {
      const feeds = Object.fromEntries(
        Object.keys(rows[0]).map((name) => [name, joined(rows.slice(0, batch).map((each) => each[name]))]),
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
    const [wall, cpu] = [wallMs.get(batch), cpuMs.get(batch)];
    const best = Math.min(...wall);
    figures.push({
      name: `${size}×${size}, ${batch} rows`,
      value: 1000 / median(wall),
      unit: 'rows/s',
      detail:
        `× ${pairedRatio(wallMs.get(1), wall).toFixed(2)} of one row; a row: ${median(wall).toFixed(1)} ms, ` +
        `at best ${best.toFixed(1)}, CPU ${median(cpu).toFixed(1)}`,
    });
  }
}
await unet.close();
printTable(figures);
/** Milliseconds from a newcomer's request to its first step, while others are under way. */
async function newcomer(runtime, seed) {
  const request = {
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
  const begun = new Promise((resolve) => (onFirst = resolve));
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
  const env_1 = { stack: [], error: void 0, hasError: false };
  try {
    console.error(`a newcomer beside ${runs} runs …`);
    const each = { provider: provider.name, log: () => {} };
    const turns = __addDisposableResource(env_1, startRuntime(each), true);
    const arrival = __addDisposableResource(env_1, startRuntime({ ...each, liveRuns: 1 }), true);
    const [inTurns, inOrder] = [[], []];
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
  } catch (e_1) {
    env_1.error = e_1;
    env_1.hasError = true;
  } finally {
    const result_1 = __disposeResources(env_1);
    if (result_1) await result_1;
  }
}
//# sourceMappingURL=batch.js.map
