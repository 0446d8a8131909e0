/** A process that opens one network of a large model with random weights, and computes one call for each message. */
import { readFileSync } from 'node:fs';
import { flux2Positions } from '../runtime/families/flux2.js';
import { rotaryTables } from '../runtime/families/rotary.js';
import { zImagePositions } from '../runtime/families/zImage.js';
import { GraphBuilder } from '../runtime/graphs/builder.js';
import { writeFlux2Transformer } from '../runtime/graphs/flux2Transformer.js';
import { linear } from '../runtime/graphs/layers.js';
import { writeQwen3 } from '../runtime/graphs/qwen3.js';
import { writeZImageTransformer } from '../runtime/graphs/zImageTransformer.js';
import { formOn, openWritten } from '../runtime/onnx/openWritten.js';
import { createNoise } from '../runtime/tensors/noise.js';
import { floats } from '../runtime/tensors/tensor.js';
import { kleinShapes, qwen3Shapes, randomTensors, zImageShapes } from './wideModels.js';

const question = JSON.parse(process.argv[2]);
const { network, dtype, size, folder } = question;
const provider = { name: 'cpu', threads: question.threads, packedFolder: `${folder}/packed` };
/** Of a prompt with a few words; klein fills all prompts to 512. */
const WORDS = 30;
const LENGTH = network.startsWith('klein') ? 512 : WORDS;
const begun = performance.now();
const [written, feeds] = await prepare();
const graph = await openWritten(written, network, provider);
process.send({
  openMs: performance.now() - begun,
  weightBytes: written.weightBytes,
  memory: memory(),
});
process.on('message', async () => {
  const started = performance.now();
  const usage = process.cpuUsage();
  const [output] = Object.values(await graph.run(feeds));
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(usage);
  const areNumbers = output.data.every(Number.isFinite);
  process.send({ ms, cpuMs: (user + system) / 1000, memory: memory(), areNumbers });
});
function normal(...dims) {
  return floats(createNoise(3n).normal(dims.reduce((product, dim) => product * dim, 1)), dims);
}
function rotary(ids, axes, base) {
  const { cos, sin } = rotaryTables(ids, axes, base);
  const dims = [ids.length, cos.length / ids.length];
  return { rotary_cos: floats(cos, dims), rotary_sin: floats(sin, dims) };
}
async function prepare() {
  const form = formOn(provider);
  const blocks = dtype === 'F32' ? 'Q8_0' : dtype;
  const timestep = floats(Float32Array.of(0.7), [1]);
  switch (network) {
    case 'klein': {
      const config = { axes_dims_rope: [32, 32, 32, 32], rope_theta: 2000 };
      const side = size / 16;
      const ids = flux2Positions(LENGTH, { rows: side, columns: side }, []);
      return [
        writeFlux2Transformer(config, await randomTensors(folder, kleinShapes(), blocks), form),
        {
          sample: normal(1, 128, side, side),
          timestep,
          encoder_hidden_states: normal(1, LENGTH, 7680),
          ...rotary(ids, config.axes_dims_rope, config.rope_theta),
        },
      ];
    }
    case 'z-image': {
      const config = { axes_dims: [32, 48, 48], rope_theta: 256 };
      const side = size / 8;
      const ids = zImagePositions(side / 2, side / 2, LENGTH);
      return [
        writeZImageTransformer(config, await randomTensors(folder, zImageShapes(), blocks), form),
        {
          sample: normal(1, 16, side, side),
          timestep,
          encoder_hidden_states: normal(1, LENGTH, 2560),
          ...rotary(ids, config.axes_dims, config.rope_theta),
        },
      ];
    }
    case 'klein text':
    case 'z-image text': {
      const isKlein = network === 'klein text';
      const states = isKlein ? [9, 18, 27] : [-2];
      const written = writeQwen3({}, await randomTensors(folder, qwen3Shapes(), blocks), {
        ...form,
        states,
        attentionMask: isKlein,
      });
      const ids = BigInt64Array.from({ length: LENGTH }, (_, i) => BigInt((i * 4001) % 151_000));
      const mask = Int32Array.from({ length: LENGTH }, (_, i) => (i < WORDS ? 1 : 0));
      return [
        written,
        {
          input_ids: { dtype: 'int64', data: ids, dims: [1, LENGTH] },
          ...(isKlein && { attention_mask: { dtype: 'int32', data: mask, dims: [1, LENGTH] } }),
        },
      ];
    }
    case 'layer': {
      const { rows, inner, out } = question.layer;
      const tensors = await randomTensors(folder, [['layer.weight', out, inner]], blocks);
      const builder = new GraphBuilder(tensors, { ...form, ...(dtype === 'F32' && { weights: 'float16' }) });
      const x = builder.enter('x', ['batch', 'rows', inner]);
      builder.leave('y', linear(builder, x, 'layer'), ['batch', 'rows', out]);
      return [builder.finish('layer'), { x: normal(1, rows, inner) }];
    }
  }
}
function memory() {
  try {
    const status = readFileSync('/proc/self/status', 'latin1');
    const of = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024;
    return { peak: of('VmHWM'), anonymous: of('RssAnon'), mapped: of('RssFile') };
  } catch {
    return { peak: 0, anonymous: 0, mapped: 0 };
  }
}
//# sourceMappingURL=fullSizeChild.js.map
