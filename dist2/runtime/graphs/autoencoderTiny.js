import { GraphBuilder, GraphError } from './builder.js';
import { conv, upsample } from './layers.js';
/**
 * The tiny decoder (TAESD): `latent_sample` [batch, latent channels, height, width], as the UNet has them (scaled) →
 * `sample` [batch, 3, s · height, s · width], RGB, mostly within [-1, 1]. s doubles with each upsampling: 8 for the published ones.
 */
export function writeTinyDecoder(config, tensors, form) {
  check(config);
  const graph = new GraphBuilder(tensors, { ...form, weights: 'float16' });
  const channels = graph.shapeOf('decoder.layers.0.weight')[1];
  let x = graph.enter('latent_sample', ['batch', channels, 'latent_height', 'latent_width']);
  // 3 tanh(x / 3): latents far outside the usual range end at its edge.
  x = graph.node('Div', [x, graph.scalar(3)], { name: 'decoder.clamp' });
  x = graph.node('Mul', [graph.node('Tanh', [x], { name: 'decoder.clamp' }), graph.scalar(3)], {
    name: 'decoder.clamp',
  });
  const last = lastLayer(tensors, 'decoder');
  for (let i = 0; i <= last; i++) {
    const path = `decoder.layers.${i}`;
    // Layers without weights: after the first convolution its activation, further on what doubles the size.
    if (graph.has(`${path}.weight`)) x = conv(graph, x, path);
    else if (graph.has(`${path}.conv.0.weight`)) x = block(graph, x, path);
    else x = i === 1 ? relu(graph, x, path) : upsample(graph, x, path);
  }
  // [0, 1] → [-1, 1]
  x = graph.node('Mul', [x, graph.scalar(2)], { name: 'decoder' });
  x = graph.node('Sub', [x, graph.scalar(1)], { name: 'decoder' });
  const colours = graph.shapeOf(`decoder.layers.${last}.weight`)[0];
  graph.leave('sample', x, ['batch', colours, 'height', 'width']);
  return graph.finish('tinyDecoder');
}
/**
 * The tiny encoder: `sample` [batch, 3, height, width], RGB in [-1, 1] → `latent_sample` [batch, latent channels,
 * height / 8, width / 8], as the UNet takes them (scaled).
 */
export function writeTinyEncoder(config, tensors, form) {
  check(config);
  const graph = new GraphBuilder(tensors, { ...form, weights: 'float16' });
  const colours = graph.shapeOf('encoder.layers.0.weight')[1];
  const sample = graph.enter('sample', ['batch', colours, 'height', 'width']);
  // [-1, 1] → [0, 1]
  let x = graph.node('Add', [sample, graph.scalar(1)], { name: 'encoder' });
  x = graph.node('Div', [x, graph.scalar(2)], { name: 'encoder' });
  const last = lastLayer(tensors, 'encoder');
  for (let i = 0; i <= last; i++) {
    const path = `encoder.layers.${i}`;
    // The convolutions that halve the size are those between the first and the last.
    if (graph.has(`${path}.weight`)) x = conv(graph, x, path, { stride: i > 0 && i < last ? 2 : 1 });
    else x = block(graph, x, path);
  }
  const channels = graph.shapeOf(`encoder.layers.${last}.weight`)[0];
  graph.leave('latent_sample', x, ['batch', channels, 'latent_height', 'latent_width']);
  return graph.finish('tinyEncoder');
}
/** Settings of both halves, with the values this file knows. */
const understood = { act_fn: 'relu', upsample_fn: 'nearest', upsampling_scaling_factor: 2 };
function check(config) {
  for (const [key, value] of Object.entries(understood)) {
    const given = config[key] ?? value;
    if (given !== value) {
      throw new GraphError(
        `The tiny autoencoder's config says ${key}: ${JSON.stringify(given)}; supported: ${JSON.stringify(value)}.`,
      );
    }
  }
}
/** Number of the last layer, which has weights. */
function lastLayer(tensors, half) {
  let last = 0;
  for (const name of tensors.keys()) {
    const number = name.match(/^(\w+)\.layers\.(\d+)\./);
    if (number?.[1] === half) last = Math.max(last, Number(number[2]));
  }
  return last;
}
/** Three convolutions and what they were given, then the activation: relu(x + f(x)). */
function block(graph, x, path) {
  let y = relu(graph, conv(graph, x, `${path}.conv.0`), path);
  y = relu(graph, conv(graph, y, `${path}.conv.2`), path);
  y = conv(graph, y, `${path}.conv.4`);
  const skip = graph.has(`${path}.skip.weight`) ? conv(graph, x, `${path}.skip`) : x;
  return relu(graph, graph.node('Add', [y, skip], { name: path }), path);
}
function relu(graph, x, name) {
  return graph.node('Relu', [x], { name });
}
//# sourceMappingURL=autoencoderTiny.js.map
