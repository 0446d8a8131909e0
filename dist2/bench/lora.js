/**
 * `npm run bench:lora`: what LoRAs cost, applied in two ways: as inputs of the graph (low-rank matrices beside the
 * weights), or merged into the weights of a session of their own. One guided step of a model's UNet is run on every side in
 * turn; medians of what each costs against the plain graph. Times are of the processor, summed over its threads, because
 * they hold on a machine that does other things; `--threads` above 1 counts threads that spin as well.
 *
 *     npm run bench:lora -- --model models/pocket --latents 32 --rank 16 --pairs 15 --threads 1
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adapterFeeds, modulesOf } from '../runtime/addons/lora.js';
import { readStoredTensors } from '../runtime/files/safetensors.js';
import { writeUNet2DCondition } from '../runtime/graphs/unet2DCondition.js';
import { Graph } from '../runtime/onnx/graph.js';
import { floats } from '../runtime/tensors/tensor.js';
import { median, pairedRatio, printTable } from './figures.js';
import { readOptions, text, whole } from './options.js';

const options = readOptions({
  model: text(join(fileURLToPath(new URL('../../', import.meta.url)), 'models/pocket')),
  latents: whole(32, 1, 1024),
  rank: whole(16, 1, 1024),
  pairs: whole(15, 1, 1000),
  threads: whole(1, 1, 1024),
  /** Which of them take LoRAs: linear, all. */
  layers: text('linear,all'),
});
const { latents, rank, pairs, threads } = options;
const kinds = options.layers.split(',');
const folder = join(resolve(options.model), 'unet');
const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
const file = join(folder, 'diffusion_pytorch_model.safetensors');
const tensors = await readStoredTensors(file);
const bytes = readFileSync(file);
/** Milliseconds of the processor, and of the clock, that some work took. */
async function timed(work) {
  const [begun, before] = [performance.now(), process.cpuUsage()];
  await work();
  const used = process.cpuUsage(before);
  return { cpuMs: (used.user + used.system) / 1000, wallMs: performance.now() - begun };
}
function open(form, data = bytes) {
  const written = writeUNet2DCondition(config, tensors, form);
  const externalData = written.files.map((name) => ({ path: basename(name), data }));
  return Graph.open({ bytes: written.bytes, externalData }, { name: 'cpu', threads });
}
/** A LoRA over every layer that a graph of the form adapts. */
function randomLora(graph) {
  const layers = new Map();
  const shapes = new Map(modulesOf(tensors));
  for (const { name } of graph.inputs) {
    if (!name.endsWith('.lora_down')) continue;
    const path = name.slice(0, -'.lora_down'.length);
    const [out, inner, ...kernel] = shapes.get(path).shape;
    const size = kernel.reduce((product, dim) => product * dim, inner);
    const random = (count) => Float32Array.from({ length: count }, () => (Math.random() - 0.5) * 0.05);
    layers.set(path, {
      down: random(rank * size),
      up: random(out * rank),
      rank,
      downShape: [rank, inner, ...kernel],
      upShape: [out, rank, ...kernel.map(() => 1)],
      scale: 1,
    });
  }
  return { layers, weight: 0.8 };
}
/** W + weight · scale · up · down, in a copy of the file. */
function merge(lora) {
  const copy = new Uint8Array(bytes);
  for (const [path, { down, up, scale }] of lora.layers) {
    const stored = tensors.get(`${path}.weight`);
    // Half precision would have to be decoded and encoded as well; the benchmark leaves that out, to merging's advantage.
    const own =
      stored.dtype === 'F32'
        ? copy.slice(stored.offset, stored.offset + stored.length)
        : new Uint8Array(stored.shape.reduce((a, b) => a * b, 4));
    const weights = new Float32Array(own.buffer);
    const size = down.length / rank;
    for (let row = 0; row < up.length / rank; row++) {
      const target = weights.subarray(row * size, (row + 1) * size);
      for (let r = 0; r < rank; r++) {
        const factor = up[row * rank + r] * lora.weight * scale;
        for (let i = 0, k = r * size; i < size; i++, k++) target[i] += factor * down[k];
      }
    }
    if (stored.dtype === 'F32') copy.set(own, stored.offset);
  }
  return copy;
}
const plain = await open({});
const step = {};
for (const { name, shape } of plain.inputs) {
  const dims = shape.map((dim) =>
    typeof dim === 'number'
      ? dim
      : ({
          batch: 2,
          length: 77,
          height: latents,
          width: latents,
          time_ids_count: 6,
          text_embeds_width: 1280,
        }[dim] ?? 1),
  );
  const count = dims.reduce((product, dim) => product * dim, 1);
  step[name] = floats(
    Float32Array.from({ length: count }, () => (name === 'timestep' ? 500 : Math.random() - 0.5)),
    dims,
  );
}
const figures = [];
for (const kind of kinds) {
  console.error(`adapters for ${kind} layers …`);
  const graph = await open({ adapters: kind });
  const loras = [1, 2, 3].map(() => randomLora(graph));
  const sides = [0, 1, 3].map((count) => ({
    count,
    feeds: adapterFeeds(graph.inputs, loras.slice(0, count)),
    ms: [],
  }));
  const plainMs = [];
  for (let n = -1; n < pairs; n++) {
    const runs = [
      async () => plainMs.push((await timed(() => plain.run(step))).cpuMs),
      ...sides.map(
        (side) => async () => side.ms.push((await timed(() => graph.run({ ...step, ...side.feeds }))).cpuMs),
      ),
    ];
    // The order turns around each time; the first round only warms up.
    for (const run of n % 2 === 0 ? runs : runs.reverse()) await run();
    if (n < 0) for (const list of [plainMs, ...sides.map(({ ms }) => ms)]) list.length = 0;
  }
  const inputs = `${graph.inputs.length - plain.inputs.length} inputs, rank ${rank}`;
  figures.push({ name: 'plain step', value: median(plainMs), unit: 'ms', detail: `median of ${pairs}` });
  for (const { count, ms } of sides) {
    figures.push({
      name: `${kind}: step with ${count} LoRAs`,
      value: pairedRatio(ms, plainMs),
      unit: '×',
      detail: inputs,
    });
  }
  const feeding = [];
  for (let n = 0; n < 5; n++) feeding.push((await timed(() => adapterFeeds(graph.inputs, loras.slice(0, 1)))).cpuMs);
  figures.push({ name: `${kind}: switching, as inputs`, value: median(feeding), unit: 'ms' });
  await graph.close();
  const merging = { cpuMs: [], openMs: [] };
  for (let n = 0; n < 3; n++) {
    let merged = bytes;
    merging.cpuMs.push(
      (
        await timed(() => {
          merged = merge(loras[0]);
        })
      ).cpuMs,
    );
    let opened;
    merging.openMs.push(
      (
        await timed(async () => {
          opened = await open({}, merged);
        })
      ).cpuMs,
    );
    await opened?.close();
  }
  figures.push({
    name: `${kind}: switching, merged`,
    value: median(merging.cpuMs) + median(merging.openMs),
    unit: 'ms',
    detail: `of which opening the session ${Math.round(median(merging.openMs))} ms`,
  });
}
await plain.close();
printTable(figures);
//# sourceMappingURL=lora.js.map
