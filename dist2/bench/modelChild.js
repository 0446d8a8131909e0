/**
 * A process that opens one network, tells what that took, and then computes one step (or one picture) for each message:
 * fresh for each figure, because peaks of memory never go down again.
 */
import { readFileSync } from 'node:fs';
import { open as openFile, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { openCheckpoint } from '../runtime/checkpoints/checkpoint.js';
import { stableDiffusionXL } from '../runtime/families/stableDiffusionXL.js';
import { Graph } from '../runtime/onnx/graph.js';
import { floats, int64s } from '../runtime/tensors/tensor.js';
import { openComponent } from '../test/helpers/openComponent.js';

const question = JSON.parse(process.argv[2]);
const { component, path, latents } = question;
const provider = { name: 'cpu', threads: question.threads };
const begun = performance.now();
const graph = await open();
process.send({ openMs: performance.now() - begun, memory: memory() });
process.on('message', async () => {
  const started = performance.now();
  const usage = process.cpuUsage();
  let output = new Float32Array();
  // Guidance is two calls of one row, as the batcher makes them on a CPU.
  for (const row of component === 'denoiser' ? [0, 1] : [0]) {
    const out = await graph.run(feeds(row));
    output = Object.values(out)[0].data;
  }
  const { user, system } = process.cpuUsage(usage);
  const ms = performance.now() - started;
  process.send({ ms, cpuMs: (user + system) / 1000, memory: memory(), output });
});
async function open() {
  switch (question.way) {
    case 'runtime':
      return openComponent(path, component, provider);
    case 'optimized':
    case 'memory': {
      const source = await (await openCheckpoint(path)).component(component);
      if (source.kind !== 'safetensors') throw new Error(`${path} has no safetensors weights for its ${component}.`);
      const inMemory = question.way === 'memory';
      const form = { linear: inMemory ? 'plain' : 'fused' };
      const { bytes, files } = stableDiffusionXL.networks[component].write(source.config, source.tensors, form);
      const [file] = files;
      if (!inMemory) return Graph.open({ bytes, folder: dirname(file) }, provider);
      return Graph.open({ bytes, externalData: [{ path: basename(file), data: await readWhole(file) }] }, provider);
    }
    case 'export':
      return Graph.open({ file: path }, provider);
  }
}
/** `readFile` takes no more than 2 GiB. */
async function readWhole(file) {
  const { size } = await stat(file);
  const handle = await openFile(file);
  const data = Buffer.allocUnsafeSlow(size);
  for (let at = 0; at < size; ) at += (await handle.read(data, at, Math.min(2 ** 30, size - at), at)).bytesRead;
  await handle.close();
  return data;
}
function feeds(row) {
  const waves = (dims) =>
    floats(
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * (0.7 + row))),
      dims,
    );
  const widthOf = (name, axis) => {
    const dim = graph.inputs.find((input) => input.name === name)?.shape[axis];
    return typeof dim === 'number' ? dim : 768;
  };
  switch (component) {
    case 'denoiser':
      return {
        sample: waves([1, 4, latents, latents]),
        timestep: floats(Float32Array.of(500), [1]),
        encoder_hidden_states: waves([1, 77, widthOf('encoder_hidden_states', 2)]),
      };
    case 'vae_decoder':
      return { latent_sample: waves([1, 4, latents, latents]) };
    case 'text_encoder':
      return {
        input_ids: int64s(
          Array.from({ length: 77 }, (_, i) => i * 100),
          [1, 77],
        ),
      };
  }
}
function memory() {
  if (process.platform !== 'linux') return { peak: 0, anonymous: 0, mapped: 0 };
  const status = readFileSync('/proc/self/status', 'utf8');
  const bytes = (field) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
  return { peak: bytes('VmHWM'), anonymous: bytes('RssAnon'), mapped: bytes('RssFile') };
}
//# sourceMappingURL=modelChild.js.map
