import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, GraphError, type Value, type Written } from './builder.ts';
import { attention, geluTanh, linear } from './layers.ts';
import { addGated, bounded, countModules, embedTokens, rmsNorm, sizeOf } from './transformerLayers.ts';

/** `config.json` of a T5 v1.1 encoder as transformers writes it; what is absent has the values of the published models. */
export interface T5Config {
  feed_forward_proj?: string;
  layer_norm_epsilon?: number;
  relative_attention_max_distance?: number;
}

/** Distances of this many tokens and more are one bucket. */
const MAX_DISTANCE = 128;

/**
 * The encoder of T5, v1.1 or the first. Heads, layers and widths are read off the shapes.
 *
 * Input: `input_ids` int64 [batch, length]; what fills a row is read like any other token.
 * Output: `last_hidden_state` [batch, length, hidden], after the final normalization.
 */
export function writeT5Encoder(config: T5Config, tensors: StoredTensors, form: AdaptedForm = {}): Written {
  const { feed_forward_proj: forward = 'gated-gelu' } = config;
  if (forward !== 'gated-gelu' && forward !== 'relu') {
    throw new GraphError(
      `The text encoder has feed-forward layers of "${forward}"; supported are gated-gelu (T5 v1.1) and relu (T5).`,
    );
  }
  const graph = new GraphBuilder(tensors, form);
  const epsilon = config.layer_norm_epsilon ?? 1e-6;
  const embedding = graph.has('shared.weight') ? 'shared' : 'encoder.embed_tokens';
  const hidden = graph.shapeOf(`${embedding}.weight`)[1]!;

  const ids = graph.input('input_ids', 'int64', ['batch', 'length']);
  const bias = positionBias(graph, ids, config.relative_attention_max_distance ?? MAX_DISTANCE);
  let state = embedTokens(graph, ids, embedding);
  for (let block = 0; block < countModules(graph, 'encoder.block', 'layer.0.SelfAttention.q.weight'); block++) {
    const [first, second] = [0, 1].map((layer) => `encoder.block.${block}.layer.${layer}`) as [string, string];
    const normal = graph.inPrecision(rmsNorm(graph, state, `${first}.layer_norm`, epsilon), first);
    state = addGated(graph, state, attend(graph, normal, `${first}.SelfAttention`, bias), first);
    const next = graph.inPrecision(rmsNorm(graph, state, `${second}.layer_norm`, epsilon), second);
    state = addGated(
      graph,
      state,
      feedForward(graph, next, `${second}.DenseReluDense`, forward === 'gated-gelu'),
      second,
    );
  }
  const last = rmsNorm(graph, state, 'encoder.final_layer_norm', epsilon);
  graph.leaveWide('last_hidden_state', last, ['batch', 'length', hidden]);
  return graph.finish('t5Encoder');
}

function attend(graph: GraphBuilder, x: Value, path: string, { value: bias, heads }: Bias): Value {
  const [query, key, value] = ['q', 'k', 'v'].map((which) => linear(graph, x, `${path}.${which}`)) as [
    Value,
    Value,
    Value,
  ];
  const width = graph.shapeOf(`${path}.q.weight`)[0]!;
  // The division by √d is in the trained weights.
  return linear(graph, attention(graph, query, key, value, path, { heads, width, scale: 1, bias }), `${path}.o`);
}

function feedForward(graph: GraphBuilder, x: Value, path: string, isGated: boolean): Value {
  const inner = isGated
    ? graph.node('Mul', [geluTanh(graph, linear(graph, x, `${path}.wi_0`), path), linear(graph, x, `${path}.wi_1`)], {
        name: path,
      })
    : graph.node('Relu', [linear(graph, x, `${path}.wi`)], { name: path });
  return bounded(graph, linear(graph, bounded(graph, inner, path), `${path}.wo`), path);
}

interface Bias {
  /** [1, heads, length, length], in the precision of the graph. */
  value: Value;
  heads: number;
}

/** What each head adds to its scores by the distance from query to key; the first block's table serves all blocks. */
function positionBias(graph: GraphBuilder, ids: Value, maxDistance: number): Bias {
  const path = 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias';
  const [buckets, heads] = graph.shapeOf(`${path}.weight`) as [number, number];
  const name = path;
  // Distances of maxDistance and more share a bucket, so a table of this many holds all of them.
  const distances = Array.from({ length: 2 * maxDistance + 1 }, (_, at) => at - maxDistance);
  const rows = graph.ints(distances.map((distance) => bucketOf(distance, buckets, maxDistance)));
  const perDistance = graph.node('Gather', [graph.weight(`${path}.weight`), rows], { name });
  const perHead = graph.node('Transpose', [perDistance], { name, attributes: { perm: [1, 0] } });

  const length = graph.node('Squeeze', [sizeOf(graph, ids, 1, name), graph.ints([0])], { name });
  const range = graph.node('Range', [graph.ints(0), length, graph.ints(1)], { name });
  const [keys, queries] = [0, 1].map((axis) => graph.node('Unsqueeze', [range, graph.ints([axis])], { name })) as [
    Value,
    Value,
  ];
  const apart = graph.node('Sub', [keys, queries], { name });
  const capped = graph.node('Clip', [apart, graph.ints(-maxDistance), graph.ints(maxDistance)], { name });
  const places = graph.node('Add', [capped, graph.ints(maxDistance)], { name });
  const square = graph.node('Gather', [perHead, places], { name, attributes: { axis: 1 } });
  return { value: graph.node('Unsqueeze', [square, graph.ints([0])], { name }), heads };
}

/**
 * The bucket of a distance, key minus query (Raffel et al. 2019, arXiv 1910.10683, section 2.1): half of them for keys that
 * come later; of each half, half for distances of their own, and the others for ever wider ranges.
 */
function bucketOf(distance: number, buckets: number, maxDistance: number): number {
  const half = Math.floor(buckets / 2);
  const exact = Math.floor(half / 2);
  const offset = distance > 0 ? half : 0;
  const far = Math.abs(distance);
  if (far < exact) return offset + far;
  // In float32 like the reference: a distance at the border of two ranges would fall into the other one.
  const share = Math.fround(Math.fround(Math.log(far / exact)) / Math.fround(Math.log(maxDistance / exact)));
  return offset + Math.min(half - 1, exact + Math.floor(share * (half - exact)));
}
