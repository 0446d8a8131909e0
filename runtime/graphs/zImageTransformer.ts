import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, GraphError, type Value, type Written } from './builder.ts';
import { attention, linear, silu } from './layers.ts';
import {
  bounded,
  type CachedForm,
  countModules,
  FirstBlock,
  gatedFeedForward,
  headNorm,
  modulate,
  modulationParts,
  plainLayerNorm,
  type Rotary,
  rmsNorm,
  rotaryInputs,
  rotate,
  sizeOf,
  slice,
  timeWaves,
  toTheEnd,
} from './transformerLayers.ts';

/** `transformer/config.json` as diffusers writes it; what is absent has the values of the published models. */
export interface ZImageConfig {
  norm_eps?: number;
  t_scale?: number;
  rope_theta?: number;
  axes_dims?: number[];
  all_patch_size?: number[];
  all_f_patch_size?: number[];
  siglip_feat_dim?: number | null;
}

/** Both sequences are filled with learned tokens to a multiple of this; the model attends to those. */
export const Z_IMAGE_MULTIPLE = 32;

/** Side of a patch of latents. */
export const Z_IMAGE_PATCH = 2;
const finalEpsilon = 1e-6;
/** Of the norms of queries and keys, whatever the config says of all others. */
const headEpsilon = 1e-5;

/** What the blocks share. */
interface Context {
  graph: GraphBuilder;
  heads: number;
  epsilon: number;
  /** The time as the modulations read it, [batch, width]. */
  time: Value;
}

/**
 * The transformer of Z-Image (diffusers' ZImageTransformer2DModel), written for one caption length and one size in a call.
 *
 * Inputs: `sample` [batch, 16, height, width], even sizes; `timestep` float32 [batch], 1 - sigma; `encoder_hidden_states`
 * [batch, length, caption width], rows of real tokens only; `rotary_cos` and `rotary_sin` float32 [batch · positions, head / 2],
 * for the patches filled to a multiple of 32, and then the caption filled likewise.
 * Output: `out_sample` like `sample`; the pipeline negates it.
 */
export function writeZImageTransformer(
  config: ZImageConfig,
  tensors: StoredTensors,
  form: AdaptedForm & CachedForm = {},
): Written {
  check(config);
  const graph = new GraphBuilder(tensors, form);
  const key = `${Z_IMAGE_PATCH}-1`;
  const [inner, features] = graph.shapeOf(`all_x_embedder.${key}.weight`) as [number, number];
  const channels = features / Z_IMAGE_PATCH ** 2;
  const head = graph.shapeOf('layers.0.attention.norm_q.weight')[0]!;

  const sample = graph.enter('sample', ['batch', channels, 'height', 'width']);
  const timestep = graph.input('timestep', 'float32', ['batch']);
  const captionWidth = graph.shapeOf('cap_embedder.1.weight')[1]!;
  const caption = graph.enterWide('encoder_hidden_states', ['batch', 'length', captionWidth]);
  const rotary = rotaryInputs(graph, head, sample, true);

  const time = timeEmbedding(graph, config, timestep);
  const epsilon = config.norm_eps ?? 1e-5;
  const context: Context = { graph, heads: inner / head, epsilon, time };

  const [patches, grid] = intoPatches(graph, sample, channels);
  let image = graph.widen(linear(graph, patches, `all_x_embedder.${key}`), 'all_x_embedder');
  const imageLength = filledLength(graph, image, 'x_pad_token');
  image = filled(graph, image, 'x_pad_token', imageLength);
  const imageRotary = { ...rotary, positions: slice(graph, rotary.positions, 1, 0, imageLength, 'noise_refiner') };
  for (let i = 0; i < countModules(graph, 'noise_refiner', 'attention_norm1.weight'); i++) {
    image = block(context, image, `noise_refiner.${i}`, imageRotary);
  }

  const normal = graph.inPrecision(rmsNorm(graph, caption, 'cap_embedder.0', epsilon), 'cap_embedder.0');
  let text = graph.widen(linear(graph, normal, 'cap_embedder.1'), 'cap_embedder');
  text = filled(graph, text, 'cap_pad_token', filledLength(graph, text, 'cap_pad_token'));
  const textRotary = {
    ...rotary,
    positions: slice(graph, rotary.positions, 1, imageLength, toTheEnd, 'context_refiner'),
  };
  for (let i = 0; i < countModules(graph, 'context_refiner', 'attention_norm1.weight'); i++) {
    text = block(context, text, `context_refiner.${i}`, textRotary);
  }

  let joint = graph.node('Concat', [image, text], { name: 'layers', attributes: { axis: 1 } });
  const final = `all_final_layer.${key}`;
  // The tokens of the picture, without what was filled in.
  const ownLength = sizeOf(graph, patches, 1, final);
  const ofPicture = (x: Value) => slice(graph, x, 1, 0, ownLength, final);
  const cache = new FirstBlock(graph, form, inner);
  for (let i = 0; i < cache.blocks(countModules(graph, 'layers', 'attention_norm1.weight')); i++) {
    const before = joint;
    joint = block(context, joint, `layers.${i}`, rotary);
    if (i === 0) cache.done(ofPicture(before), ofPicture(joint));
  }
  const own = cache.last(ofPicture(joint));
  const [scale] = modulationParts(graph, silu(graph, time, final), `${final}.adaLN_modulation.1`, 1) as [Value];
  const last = modulate(graph, plainLayerNorm(graph, own, final, inner, finalEpsilon), final, scale);
  const out = linear(graph, graph.inPrecision(last, final), `${final}.linear`);
  graph.leave('out_sample', fromPatches(graph, out, grid, channels), ['batch', channels, 'height', 'width']);
  return graph.finish('zImageTransformer');
}

function timeEmbedding(graph: GraphBuilder, config: ZImageConfig, timestep: Value): Value {
  const name = 't_embedder';
  const scaled = graph.node('Mul', [timestep, graph.floats(config.t_scale ?? 1000)], { name });
  const waves = timeWaves(graph, scaled, graph.shapeOf(`${name}.mlp.0.weight`)[1]!, name);
  return linear(graph, silu(graph, linear(graph, waves, `${name}.mlp.0`), name), `${name}.mlp.2`);
}

/**
 * Norms before and after attention and feed-forward, gates after the second of each; `x` is wide. A block without
 * modulation has neither scales nor gates.
 */
function block({ graph, heads, epsilon, time }: Context, x: Value, path: string, rotary: Rotary): Value {
  const norm = (value: Value, name: string) => rmsNorm(graph, value, `${path}.${name}`, epsilon);
  const modulation = `${path}.adaLN_modulation.0`;
  const isModulated = graph.has(`${modulation}.weight`);
  const parts = isModulated ? modulationParts(graph, time, modulation, 4) : [];
  const gate = (value: Value | undefined) => value && graph.node('Tanh', [value], { name: path });
  const read = (value: Value, scale: Value | undefined) =>
    graph.inPrecision(scale === undefined ? value : modulate(graph, value, path, scale), path);
  // Sums go on in float32, and so does what their parts are normalized from.
  const add = (sum: Value, part: Value, name: string, by: Value | undefined) => {
    const normal = norm(graph.widen(bounded(graph, part, path), path), name);
    const gated = by === undefined ? normal : graph.node('Mul', [normal, by], { name: path });
    return graph.node('Add', [sum, gated], { name: path });
  };

  const attended = attend(graph, read(norm(x, 'attention_norm1'), parts[0]), `${path}.attention`, heads, rotary);
  const middle = add(x, attended, 'attention_norm2', gate(parts[1]));
  const paths = { gate: `${path}.feed_forward.w1`, up: `${path}.feed_forward.w3`, down: `${path}.feed_forward.w2` };
  const forward = gatedFeedForward(graph, read(norm(middle, 'ffn_norm1'), parts[2]), `${path}.feed_forward`, paths);
  return add(middle, forward, 'ffn_norm2', gate(parts[3]));
}

function attend(graph: GraphBuilder, x: Value, path: string, heads: number, rotary: Rotary): Value {
  const width = graph.shapeOf(`${path}.to_q.weight`)[0]!;
  const [query, key] = ['q', 'k'].map((which) => {
    const normal = headNorm(
      graph,
      linear(graph, x, `${path}.to_${which}`),
      `${path}.norm_${which}`,
      heads,
      headEpsilon,
    );
    return graph.inPrecision(rotate(graph, normal, `${path}.norm_${which}`, heads, rotary), path);
  }) as [Value, Value];
  const value = linear(graph, x, `${path}.to_v`);
  return linear(graph, attention(graph, query, key, value, path, { heads, width }), `${path}.to_out.0`);
}

/** The next multiple of 32 of a sequence's length. */
function filledLength(graph: GraphBuilder, x: Value, name: string): Value {
  const raised = graph.node('Add', [sizeOf(graph, x, 1, name), graph.ints([Z_IMAGE_MULTIPLE - 1])], { name });
  const count = graph.node('Div', [raised, graph.ints([Z_IMAGE_MULTIPLE])], { name });
  return graph.node('Mul', [count, graph.ints([Z_IMAGE_MULTIPLE])], { name });
}

/** A wide sequence filled with a learned token up to `length`. */
function filled(graph: GraphBuilder, x: Value, token: string, length: Value): Value {
  const width = graph.shapeOf(token).at(-1)!;
  const stored = graph.weight(token, { shape: [1, 1, width], precision: 'float32' });
  const shape = graph.node('Concat', [sizeOf(graph, x, 0, token), graph.ints([Z_IMAGE_MULTIPLE - 1, width])], {
    name: token,
    attributes: { axis: 0 },
  });
  // As many as can be needed, then cut: some providers know no tensor without values.
  const most = graph.node('Expand', [stored, shape], { name: token });
  const longer = graph.node('Concat', [x, most], { name: token, attributes: { axis: 1 } });
  return slice(graph, longer, 1, 0, length, token);
}

/** [batch, channels, height, width] → [batch, patches, (dy, dx, channel)], and the shape that the way back needs. */
function intoPatches(graph: GraphBuilder, sample: Value, channels: number): [patches: Value, grid: Value] {
  const name = 'patchify';
  const [batch, height, width] = [0, 2, 3].map((axis) => sizeOf(graph, sample, axis, name)) as [Value, Value, Value];
  const half = (size: Value) => graph.node('Div', [size, graph.ints([Z_IMAGE_PATCH])], { name });
  const [rows, columns] = [half(height), half(width)];
  const concat = (values: Value[]) => graph.node('Concat', values, { name, attributes: { axis: 0 } });
  const apart = concat([
    batch,
    graph.ints([channels]),
    rows,
    graph.ints([Z_IMAGE_PATCH]),
    columns,
    graph.ints([Z_IMAGE_PATCH]),
  ]);
  const split = graph.node('Reshape', [sample, apart], { name });
  // batch, channel, y, dy, x, dx → batch, y, x, dy, dx, channel
  const turned = graph.node('Transpose', [split], { name, attributes: { perm: [0, 2, 4, 3, 5, 1] } });
  const patches = graph.node('Reshape', [turned, concat([batch, graph.ints([-1, channels * Z_IMAGE_PATCH ** 2])])], {
    name,
  });
  return [patches, concat([batch, rows, columns, graph.ints([Z_IMAGE_PATCH, Z_IMAGE_PATCH, channels])])];
}

function fromPatches(graph: GraphBuilder, patches: Value, grid: Value, channels: number): Value {
  const name = 'unpatchify';
  const split = graph.node('Reshape', [patches, grid], { name });
  // batch, y, x, dy, dx, channel → batch, channel, y, dy, x, dx
  const turned = graph.node('Transpose', [split], { name, attributes: { perm: [0, 5, 1, 3, 2, 4] } });
  const size = (axis: number) =>
    graph.node('Mul', [slice(graph, grid, 0, axis, axis + 1, name), graph.ints([Z_IMAGE_PATCH])], { name });
  const shape = graph.node('Concat', [slice(graph, grid, 0, 0, 1, name), graph.ints([channels]), size(1), size(2)], {
    name,
    attributes: { axis: 0 },
  });
  return graph.node('Reshape', [turned, shape], { name });
}

function check(config: ZImageConfig): void {
  const [patch = Z_IMAGE_PATCH] = config.all_patch_size ?? [];
  const [frames = 1] = config.all_f_patch_size ?? [];
  if (patch !== Z_IMAGE_PATCH || frames !== 1) {
    throw new GraphError(`The transformer has patches of ${patch} × ${patch} × ${frames}; supported are 2 × 2 × 1.`);
  }
  if (config.siglip_feat_dim) {
    throw new GraphError('The transformer takes image prompts (siglip_feat_dim), which are not supported.');
  }
}
