import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { flux2Positions } from '../runtime/families/flux2.js';
import { rotaryTables } from '../runtime/families/rotary.js';
import { packedFile } from '../runtime/files/packedFile.js';
import { writeFlux2Transformer } from '../runtime/graphs/flux2Transformer.js';
import { formOn } from '../runtime/onnx/openWritten.js';
import { kleinShapes, randomTensors } from './wideModels.js';

const folder = mkdtempSync('/tmp/lw-prof-');
const dtype = process.argv[2] ?? 'Q4_0';
const shapes = kleinShapes().filter(([n]) => {
  const m = /blocks\.(\d+)\./.exec(n);
  return !m || (n.startsWith('single') ? +m[1] < 2 : +m[1] < 1);
});
const tensors = await randomTensors(folder, shapes, dtype);
const w = writeFlux2Transformer({ axes_dims_rope: [32, 32, 32, 32], rope_theta: 2000 }, tensors, {
  ...formOn({ name: 'cpu' }),
  weights: process.argv[3] ?? 'stored',
});
await packedFile(w.packing, folder + '/p', 'x');
const s = await InferenceSession.create(w.bytes, {
  intraOpNumThreads: 2,
  graphOptimizationLevel: 'extended',
  enableProfiling: true,
  profileFilePrefix: folder + '/prof',
  extra: { session: { model_external_initializers_file_folder_path: folder + '/p' } },
});
const side = 32,
  L = 512;
const ids = flux2Positions(L, { rows: side, columns: side }, []);
const { cos, sin } = rotaryTables(ids, [32, 32, 32, 32], 2000);
const n = (...d) =>
  new Tensor(
    'float32',
    Float32Array.from({ length: d.reduce((a, b) => a * b) }, () => Math.random() * 2 - 1),
    d,
  );
const feeds = {
  sample: n(1, 128, side, side),
  timestep: new Tensor('float32', Float32Array.of(0.7), [1]),
  encoder_hidden_states: n(1, L, 7680),
  rotary_cos: new Tensor('float32', cos, [ids.length, cos.length / ids.length]),
  rotary_sin: new Tensor('float32', sin, [ids.length, cos.length / ids.length]),
};
for (let i = 0; i < 2; i++) {
  const a = process.cpuUsage(),
    t = performance.now();
  await s.run(feeds);
  const b = process.cpuUsage(a);
  console.log('wall', ((performance.now() - t) / 1000).toFixed(2), 'cpu', ((b.user + b.system) / 1e6).toFixed(2));
}
s.endProfiling?.();
const { readdirSync } = await import('node:fs');
const f = readdirSync(folder).find((x) => x.startsWith('prof'));
const ev = JSON.parse(readFileSync(folder + '/' + f, 'utf8'));
const by = {};
let all = 0;
for (const e of ev)
  if (e.cat === 'Node' && e.name.endsWith('_kernel_time')) {
    const k = e.args.op_name;
    by[k] ??= [0, 0];
    by[k][0] += e.dur;
    by[k][1]++;
    all += e.dur;
  }
for (const [k, [d, c]] of Object.entries(by).sort((a, b) => b[1][0] - a[1][0]))
  console.log(k.padEnd(30), (d / 1e6 / 2).toFixed(3), ((100 * d) / all).toFixed(1) + '%', c / 2);
rmSync(folder, { recursive: true });
