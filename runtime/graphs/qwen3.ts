import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, GraphError, type Value, type Written } from './builder.ts';
import { attention, linear } from './layers.ts';
import {
  addGated,
  countModules,
  embedTokens,
  gatedFeedForward,
  headNorm,
  type Rotary,
  rmsNorm,
  rotate,
  sizeOf,
} from './transformerLayers.ts';

/** `text_encoder/config.json` as transformers writes it; what is absent has the values of Qwen3 4B. */
export interface Qwen3Config {
  hidden_act?: string;
  rms_norm_eps?: number;
  rope_theta?: number;
  /** Where transformers 5 and later write the base. */
  rope_parameters?: { rope_theta?: number; rope_type?: string } | null;
  rope_scaling?: unknown;
  use_sliding_window?: boolean;
}

export interface Qwen3Form extends AdaptedForm {
  /**
   * Which states are wanted, as transformers counts them: 0 is the embedding, `n` what layer n - 1 left, the last one is
   * normed; below 0 from the end. Layers that none of them needs are not written.
   */
  states: readonly number[];
  /** Adds the input `attention_mask`, which hides tokens as keys. Default false. */
  attentionMask?: boolean;
}

/**
 * The Qwen3 language model as a text encoder, without its output layer. Heads, layers and widths are read off the shapes.
 *
 * Inputs: `input_ids` int64 [batch, length]; where the form asks for it `attention_mask` int32 [batch, length], 0 for tokens
 * that no other sees. Positions count from 0, hidden tokens included.
 * Output: `hidden_states` [batch, length, states · hidden], the wanted states side by side in each row.
 */
export function writeQwen3(config: Qwen3Config, tensors: StoredTensors, form: Qwen3Form): Written {
  check(config);
  const graph = new GraphBuilder(tensors, form);
  // Files of the whole language model have the outer prefix, those of the bare encoder do not.
  const root = graph.has('model.embed_tokens.weight') ? 'model.' : '';
  const layers = countModules(graph, `${root}layers`, 'self_attn.q_proj.weight');
  const wanted = form.states.map((state) => (state < 0 ? layers + 1 + state : state));
  const missing = wanted.findIndex((state) => !(state >= 0 && state <= layers));
  if (missing >= 0) {
    throw new GraphError(`The text encoder has ${layers} layers, so no hidden state ${form.states[missing]}.`);
  }
  const epsilon = config.rms_norm_eps ?? 1e-6;
  const hidden = graph.shapeOf(`${root}embed_tokens.weight`)[1]!;

  const ids = graph.input('input_ids', 'int64', ['batch', 'length']);
  const mask = form.attentionMask ? graph.input('attention_mask', 'int32', ['batch', 'length']) : undefined;
  const head = layers > 0 ? graph.shapeOf(`${root}layers.0.self_attn.q_norm.weight`)[0]! : 2;
  const rotary = positionsOf(graph, ids, head, config.rope_theta ?? config.rope_parameters?.rope_theta ?? 1e6);

  let state = embedTokens(graph, ids, `${root}embed_tokens`);
  const states = [state];
  for (let layer = 0; layer < Math.max(...wanted); layer++) {
    const path = `${root}layers.${layer}`;
    const normal = graph.inPrecision(rmsNorm(graph, state, `${path}.input_layernorm`, epsilon), path);
    state = addGated(graph, state, attend(graph, normal, `${path}.self_attn`, { head, epsilon, rotary, mask }), path);
    const second = graph.inPrecision(rmsNorm(graph, state, `${path}.post_attention_layernorm`, epsilon), path);
    const paths = { gate: `${path}.mlp.gate_proj`, up: `${path}.mlp.up_proj`, down: `${path}.mlp.down_proj` };
    state = addGated(graph, state, gatedFeedForward(graph, second, `${path}.mlp`, paths), path);
    states.push(state);
  }
  if (wanted.includes(layers)) states[layers] = rmsNorm(graph, states[layers]!, `${root}norm`, epsilon);
  const chosen = wanted.map((index) => states[index]!);
  const together =
    chosen.length === 1 ? chosen[0]! : graph.node('Concat', chosen, { name: 'hidden_states', attributes: { axis: 2 } });
  graph.leaveWide('hidden_states', together, ['batch', 'length', hidden * chosen.length]);
  return graph.finish('qwen3');
}

/** Cosines and sines of positions from 0, in halves, and the row of each token. */
function positionsOf(graph: GraphBuilder, ids: Value, head: number, base: number): Rotary {
  const name = 'rotary';
  const length = graph.node('Squeeze', [sizeOf(graph, ids, 1, name), graph.ints([0])], { name });
  const range = graph.node('Range', [graph.ints(0), length, graph.ints(1)], { name });
  const frequencies = Array.from({ length: head / 2 }, (_, i) => base ** ((-2 * i) / head));
  const column = graph.node('Unsqueeze', [graph.cast(range, 'float32', name), graph.ints([1])], { name });
  const angles = graph.node('Mul', [column, graph.floats(frequencies)], { name });
  const [cos, sin] = ['Cos', 'Sin'].map((type) => graph.node(type, [angles], { name })) as [Value, Value];
  const shape = graph.node('Shape', [ids], { name });
  return { cos, sin, positions: graph.node('Expand', [range, shape], { name }), interleaved: false };
}

/** Grouped attention: query head h uses key head ⌊h · key heads / heads⌋. */
function attend(
  graph: GraphBuilder,
  x: Value,
  path: string,
  { head, epsilon, rotary, mask }: { head: number; epsilon: number; rotary: Rotary; mask: Value | undefined },
): Value {
  const width = graph.shapeOf(`${path}.q_proj.weight`)[0]!;
  const [heads, keyHeads] = [width / head, graph.shapeOf(`${path}.k_proj.weight`)[0]! / head];
  if (!Number.isInteger(heads / keyHeads)) {
    throw new GraphError(`${keyHeads} heads of keys do not divide ${heads} heads of queries (${path}).`);
  }
  const [query, key] = (['q', 'k'] as const).map((which) => {
    const count = which === 'q' ? heads : keyHeads;
    const normal = headNorm(graph, linear(graph, x, `${path}.${which}_proj`), `${path}.${which}_norm`, count, epsilon);
    return graph.inPrecision(rotate(graph, normal, `${path}.${which}_norm`, count, rotary), path);
  }) as [Value, Value];
  const repeated = (value: Value) => {
    if (keyHeads === heads) return value;
    // [batch, length, key heads · head] → each head as often as queries use it
    const split = graph.node('Reshape', [value, graph.ints([0, 0, keyHeads, 1, head])], { name: path });
    const wide = graph.node('Expand', [split, graph.ints([1, 1, 1, heads / keyHeads, 1])], { name: path });
    return graph.node('Reshape', [wide, graph.ints([0, 0, width])], { name: path });
  };
  const value = repeated(linear(graph, x, `${path}.v_proj`));
  const attended = attention(graph, query, repeated(key), value, path, {
    heads,
    width,
    causal: true,
    ...(mask && { mask }),
  });
  return linear(graph, attended, `${path}.o_proj`);
}

function check(config: Qwen3Config): void {
  if (config.hidden_act !== undefined && config.hidden_act !== 'silu') {
    throw new GraphError(`The text encoder uses the activation "${config.hidden_act}"; only silu is supported.`);
  }
  const { rope_type: type = 'default', rope_theta: base = 1 } = config.rope_parameters ?? {};
  if (!(typeof base === 'number' && base >= 1)) {
    throw new GraphError(`The text encoder says rope_theta: ${base}; it must be a number from 1.`);
  }
  if (config.rope_scaling || type !== 'default' || config.use_sliding_window) {
    throw new GraphError('The text encoder scales its positions or uses a sliding window, which is not supported.');
  }
}
