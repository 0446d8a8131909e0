import type { StoredTensors } from '../files/safetensors.ts';
import type { GraphBuilder, Value } from './builder.ts';
import { attention, conv, layerNorm, linear } from './layers.ts';
import { countModules } from './transformerLayers.ts';

/** What the layers of an encoder of pictures have in common, whatever it was trained for. */
interface LayerForm {
  heads: number;
  epsilon: number;
  activation: (graph: GraphBuilder, x: Value, path: string) => Value;
}

/** What stands before the names of all tensors: transformers from 5 on leaves the outer prefix away. */
export function visionRoot(tensors: StoredTensors): string {
  return tensors.has('vision_model.embeddings.patch_embedding.weight') ? 'vision_model.' : '';
}

/** The square patches of a picture as rows: [batch, patches, hidden]. */
export function patchRows(graph: GraphBuilder, pixels: Value, path: string): Value {
  const [hidden, , side] = graph.shapeOf(`${path}.weight`) as [number, number, number];
  const patches = conv(graph, pixels, path, { stride: side, pads: [0, 0, 0, 0] });
  const flat = graph.node('Reshape', [patches, graph.ints([0, hidden, -1])], { name: path });
  return graph.node('Transpose', [flat], { name: path, attributes: { perm: [0, 2, 1] } });
}

/** What each layer leaves of the rows, the rows themselves first. */
export function visionStates(graph: GraphBuilder, rows: Value, layers: string, form: LayerForm): Value[] {
  const states = [rows];
  for (let i = 0; i < countModules(graph, layers, 'self_attn.q_proj.weight'); i++) {
    states.push(visionLayer(graph, states.at(-1)!, `${layers}.${i}`, form));
  }
  return states;
}

function visionLayer(graph: GraphBuilder, x: Value, path: string, { heads, epsilon, activation }: LayerForm): Value {
  const add = (a: Value, b: Value) => graph.node('Add', [a, b], { name: path });
  const normal = layerNorm(graph, x, `${path}.layer_norm1`, epsilon);
  const state = add(x, attend(graph, normal, `${path}.self_attn`, heads));
  const next = layerNorm(graph, state, `${path}.layer_norm2`, epsilon);
  const activated = activation(graph, linear(graph, next, `${path}.mlp.fc1`), `${path}.mlp`);
  return add(state, linear(graph, activated, `${path}.mlp.fc2`));
}

function attend(graph: GraphBuilder, x: Value, path: string, heads: number): Value {
  const [query, key, value] = ['q', 'k', 'v'].map((which) => linear(graph, x, `${path}.${which}_proj`)) as [
    Value,
    Value,
    Value,
  ];
  const width = graph.shapeOf(`${path}.q_proj.weight`)[0]!;
  return linear(graph, attention(graph, query, key, value, path, { heads, width }), `${path}.out_proj`);
}
