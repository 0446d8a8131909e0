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
 * `npm run bench:full`: large models with random weights of their full shape in blocks of 4 or 8 bits, on the CPU: seconds
 * for a step and for the text, memory, and processor time against that of as many multiplications in plain float32 products.
 *
 *     npm run bench:full -- --networks "klein,klein text,z-image,z-image text" --dtype Q4_0 --size 512 --calls 1
 *
 * Written under the system's folder for temporary files (up to 5 GB), and removed at the end.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.js';
import { median } from './figures.js';
import { readOptions, text, whole } from './options.js';
import { count } from './randomModel.js';
import { kleinShapes, qwen3Shapes, zImageShapes } from './wideModels.js';

const options = readOptions({
  networks: text('layers,klein text,klein,z-image text,z-image'),
  dtype: text('Q4_0'),
  size: whole(512, 64, 2048),
  calls: whole(1, 1, 100),
  threads: whole(0, 0, 1024),
});
const { size, calls } = options;
const dtype = options.dtype;
const folder = await mkdtemp(join(tmpdir(), 'latentwire-full-'));
const threads = options.threads === 0 ? undefined : options.threads;
const gib = (bytes) => (bytes / 2 ** 30).toFixed(2);
function row(...cells) {
  console.log(`| ${cells.join(' | ')} |`);
}
async function measure(question, repeats) {
  const env_1 = { stack: [], error: void 0, hasError: false };
  try {
    const asked = { ...question, size, threads, folder };
    const started = await Child.start('./fullSizeChild.js', [JSON.stringify(asked)]);
    const child = __addDisposableResource(env_1, started.child, true);
    const calls = [];
    for (let i = 0; i < repeats; i++) calls.push(await child.ask('call'));
    const last = calls.at(-1);
    if (!last.areNumbers) throw new Error(`${question.network} gave values that are not numbers.`);
    return {
      opened: started.first,
      ms: median(calls.map(({ ms }) => ms)),
      cpuMs: median(calls.map(({ cpuMs }) => cpuMs)),
      memory: last.memory,
    };
  } catch (e_1) {
    env_1.error = e_1;
    env_1.hasError = true;
  } finally {
    const result_1 = __disposeResources(env_1);
    if (result_1) await result_1;
  }
}
const layer = { rows: 1536, inner: 3072, out: 9216 };
const productsOf = { layer: layer.rows * layer.inner * layer.out };
/** Multiplications of one call, in matrices alone. */
function products(network) {
  const matrices = (shapes, rowsOf) =>
    shapes.reduce((sum, [name, ...shape]) => sum + (shape.length === 2 ? count(shape) * rowsOf(name) : 0), 0);
  const picture = (size / 16) ** 2;
  const isOnce = (name) => /time_guidance|modulation|norm_out|t_embedder|pad_token|embed_tokens/i.test(name);
  switch (network) {
    case 'klein':
      return matrices(kleinShapes(), (name) => {
        if (isOnce(name)) return 1;
        if (/context|add_|to_add/.test(name)) return 512;
        return name.startsWith('single') ? picture + 512 : picture;
      });
    case 'z-image':
      return matrices(zImageShapes(), (name) => {
        if (isOnce(name)) return 1;
        if (/context|cap_/.test(name)) return 32;
        return name.startsWith('layers') ? picture + 32 : picture;
      });
    default: {
      const layers = network === 'klein text' ? 27 : 35;
      const rows = network === 'klein text' ? 512 : 30;
      return matrices(
        qwen3Shapes().filter(([name]) => Number(/layers\.(\d+)/.exec(name)?.[1] ?? 99) < layers),
        () => rows,
      );
    }
  }
}
try {
  if (options.networks.split(',').includes('layers')) {
    console.log(
      `One linear layer, milliseconds of processor time (medians of 9), float32 / ${['Q4_0', 'Q8_0'].join(' / ')}:\n`,
    );
    row('channels', 'rows', 'float32', 'Q4_0', 'Q8_0', 'Q4_0 : float32', 'Q8_0 : float32');
    row('---', '---', '---', '---', '---', '---', '---');
    for (const out of [3072, 9216]) {
      for (const rows of [1, 256, 1536]) {
        const shape = { rows, inner: 3072, out };
        const [float, four, eight] = [
          await measure({ network: 'layer', dtype: 'F32', layer: shape }, 9),
          await measure({ network: 'layer', dtype: 'Q4_0', layer: shape }, 9),
          await measure({ network: 'layer', dtype: 'Q8_0', layer: shape }, 9),
        ].map(({ cpuMs }) => cpuMs);
        row(
          `3072 → ${out}`,
          rows,
          float.toFixed(2),
          four.toFixed(2),
          eight.toFixed(2),
          (four / float).toFixed(2),
          (eight / float).toFixed(2),
        );
      }
    }
    console.log();
  }
  row(
    'network',
    'stored',
    'weights GiB',
    'first opening s',
    'call s',
    'processor s',
    'float32 products s',
    'ratio',
    'peak GiB',
    'own GiB',
    'mapped GiB',
  );
  row('---', '---', '---', '---', '---', '---', '---', '---', '---', '---', '---');
  for (const network of options.networks.split(',').filter((name) => name !== 'layers')) {
    // Before and after, as the machine's speed drifts.
    const speed = async () => productsOf.layer / (await measure({ network: 'layer', dtype: 'F32', layer }, 5)).cpuMs;
    const before = await speed();
    const { opened, ms, cpuMs, memory } = await measure({ network, dtype }, calls);
    const float = products(network) / ((before + (await speed())) / 2);
    row(
      network,
      dtype,
      gib(opened.weightBytes),
      (opened.openMs / 1000).toFixed(1),
      (ms / 1000).toFixed(1),
      (cpuMs / 1000).toFixed(1),
      (float / 1000).toFixed(1),
      (cpuMs / float).toFixed(2),
      gib(memory.peak),
      gib(memory.anonymous),
      gib(memory.mapped),
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
//# sourceMappingURL=fullSize.js.map
