/** Networks of Stable Diffusion's sizes with random half-precision weights: (d) of the table. */
import { mkdir, realpath, rm, statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { stableDiffusionXL } from '../../runtime/families/stableDiffusionXL.js';
import { formOn, openWritten } from '../../runtime/onnx/openWritten.js';
import { vocabularySize } from '../randomModel.js';
import { clocked, seconds } from './cases.js';
import { decoderOperations, encoderOperations, halfBytes, shapes, unetOperations } from './shapes.js';
import { tokenIds, waves } from './tinyGraphs.js';
import { writeWeights } from './weights.js';
/** Pixels and rows of a step, in the order of worth. */
export const steps = [
  [512, 1],
  [512, 2],
  [1024, 1],
  [512, 4],
  [1024, 2],
  [512, 8],
  [1024, 4],
  [1024, 8],
];
export async function measureNetworks(cases, name) {
  const shape = shapes[name];
  const provider = await cases.provider();
  await cases.within(0.75, () => unet(cases, provider, shape));
  await decoder(cases, provider, shape);
  await encoder(cases, provider, shape);
}
async function unet(cases, provider, shape) {
  const { title } = shape;
  const plan = shape.unet.plan();
  const whole = halfBytes(plan);
  const about = `${(whole / 2e6).toFixed(0)} million weights, ${gib(whole)} in half precision`;
  // Before anything is opened: which steps fit at all.
  const fitting = steps.some(
    ([pixels, rows]) => (cases.callMs(rows * unetOperations(plan, pixels / 8)) ?? 0) * 2 < cases.leftMs(),
  );
  const first = cases.callMs(unetOperations(plan, 64)) ?? 0;
  if (!fitting) {
    const left = seconds(cases.leftMs());
    cases.skip(`${title} UNet`, `${about}: a step of 512² would take about ${seconds(first)}, and ${left} are left`);
    return;
  }
  await withGraph(cases, provider, `${title} UNet, opening`, shape.unet, async (graph) => {
    for (const [pixels, rows] of steps) {
      const side = pixels / 8;
      const operations = rows * unetOperations(plan, side);
      await cases.each(`${title} step, ${pixels}², ${rowsText(rows)}`, { operations }, async () => {
        const { ms, firstMs, calls, finite } = await timed(cases, graph, {
          sample: waves([rows, 4, side, side]),
          timestep: { dtype: 'float32', dims: [rows], data: new Float32Array(rows).fill(500) },
          encoder_hidden_states: waves([rows, 77, shape.text]),
          ...(shape.pooled !== undefined && {
            text_embeds: waves([rows, shape.pooled]),
            time_ids: {
              dtype: 'float32',
              dims: [rows, 6],
              data: Float32Array.from({ length: 6 * rows }, (_, i) => [pixels, pixels, 0, 0, pixels, pixels][i % 6]),
            },
          }),
        });
        return told(cases, operations, ms, firstMs, calls, `${(ms / rows).toFixed(1)} ms a row${finite}`);
      });
    }
  });
}
async function decoder(cases, provider, shape) {
  const { title } = shape;
  const plan = shape.decoder.plan();
  const operations = decoderOperations(plan, 64);
  if ((cases.callMs(operations) ?? 0) * 2 > cases.leftMs()) {
    cases.skip(`${title} decoder`, `512² would take about ${seconds(cases.callMs(operations))}`);
    return;
  }
  await withGraph(cases, provider, `${title} decoder, opening`, shape.decoder, async (graph) => {
    for (const pixels of [512, 1024]) {
      const operations = decoderOperations(plan, pixels / 8);
      await cases.each(`${title} decoding, ${pixels}²`, { operations }, async () => {
        const { ms, firstMs, calls, finite } = await timed(cases, graph, {
          latent_sample: waves([1, 4, pixels / 8, pixels / 8]),
        });
        return told(cases, operations, ms, firstMs, calls, finite);
      });
    }
  });
}
async function encoder(cases, provider, shape) {
  const { title } = shape;
  const operations = encoderOperations(shape.encoder.plan());
  if ((cases.callMs(operations) ?? 0) * 2 > cases.leftMs()) {
    cases.skip(`${title} text encoder`, `a text would take about ${seconds(cases.callMs(operations))}`);
    return;
  }
  await withGraph(cases, provider, `${title} text encoder, opening`, shape.encoder, async (graph) => {
    await cases.each(`${title} text`, { operations }, async () => {
      const { ms, firstMs, calls, finite } = await timed(cases, graph, { input_ids: tokenIds(vocabularySize) });
      return told(cases, operations, ms, firstMs, calls, `77 tokens${finite}`);
    });
  });
}
/** Opens a network of random weights, which is a figure of its own, and closes it when the figures are there. */
async function withGraph(cases, provider, name, network, use) {
  const plan = network.plan();
  const bytes = halfBytes(plan);
  const lacking = await shortage(cases, provider, bytes);
  if (lacking !== undefined) return cases.skip(name, lacking);
  const folder = join(await realpath(cases.question.temp), 'network');
  await mkdir(folder, { recursive: true });
  const open = (weights) =>
    openWritten(
      stableDiffusionXL.networks[network.component].write(network.config, weights, formOn(provider)),
      name,
      provider,
    );
  try {
    let graph;
    await cases.each(name, {}, async () => {
      const weights = await writeWeights(folder, plan);
      const ms = await clocked(async () => {
        const form = { ...formOn(provider), precision: 'float16' };
        graph = await openWritten(
          stableDiffusionXL.networks[network.component].write(network.config, weights, form),
          name,
          provider,
        );
      });
      return {
        value: ms / 1000,
        unit: 's',
        detail: `${gib(bytes)} of weights, of files that the system holds in memory; computes in ${provider.precision ?? 'float32'}`,
      };
    });
    // Where an earlier process died in one of the cases, the graph is opened again for the others.
    if (graph === undefined && cases.question.done.includes(name)) {
      graph = await open(await writeWeights(folder, plan));
    }
    if (graph === undefined) return;
    await use(graph);
    await graph.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
/** Why the weights should not be loaded here; undefined when there is room. */
async function shortage(cases, provider, bytes) {
  const disk = await statfs(cases.question.temp);
  const free = disk.bavail * disk.bsize;
  // Tensors of one spread share their bytes, so the file is far smaller.
  if (free < bytes / 4 + 2 ** 28)
    return `needs ${gib(bytes / 4)} of disk in ${cases.question.temp}, and ${gib(free)} are free`;
  // Half precision becomes float32 on the CPU; an imitated GPU holds everything in the memory of the machine.
  const needed = provider.name === 'cpu' || cases.slow ? 3 * bytes : bytes / 2;
  if (freemem() < needed) return `needs ${gib(needed)} of memory, and ${gib(freemem())} are free`;
  return undefined;
}
async function timed(cases, graph, feeds) {
  const [output] = graph.outputs;
  let last = {};
  const call = async () => {
    last = await graph.run(feeds, [output.name]);
  };
  const times = await cases.time(call);
  const values = last[output.name].data;
  const wrong = values.reduce((sum, value) => sum + (Number.isFinite(value) ? 0 : 1), 0);
  return { ...times, finite: wrong === 0 ? '' : `; ${wrong} of ${values.length} values are not finite` };
}
function told(cases, operations, ms, firstMs, calls, more) {
  cases.learn(operations, ms);
  const speed = operations / (ms / 1000);
  const share = cases.peak === undefined ? '' : `, ${Math.round((100 * speed) / cases.peak)} % of the best product`;
  const first = `first call ${seconds(firstMs)}`;
  const text = `${(speed / 1e12).toPrecision(3)} TFLOP/s${share}; ${first}, median of ${calls}`;
  const lead = more.startsWith(';') || more === '' ? `${text}${more}` : `${more}; ${text}`;
  return { value: ms, unit: 'ms', detail: lead, numbers: { operations, firstMs, calls } };
}
function rowsText(rows) {
  return rows === 1 ? '1 row' : `${rows} rows`;
}
function gib(bytes) {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
//# sourceMappingURL=networks.js.map
