import type { StoredTensors } from '../files/safetensors.ts';
import { GraphBuilder, GraphError, type GraphForm, type Value, type Written } from './builder.ts';
import { attention, layerNorm, linear } from './layers.ts';
import { countModules } from './transformerLayers.ts';

/** What an adapter reads of a picture: its embedding as a whole, or the states of its patches. */
export type AdapterInput = 'image_embeds' | 'hidden_states';

/** An image projection. */
interface Projection {
  input: AdapterInput;
  /** The matrix that reads the picture, and the normalization of the tokens that it makes. */
  first: string;
  last: string;
  write: (graph: GraphBuilder, states: Value) => Value;
}

const root = 'image_proj';
const epsilon = 1e-5;
/** Of the attention of resamplers, in every published one. */
const HEAD_WIDTH = 64;

/** The projections of published adapters, told by their names: plain, plus, and full face. */
const projections: readonly Projection[] = [
  {
    input: 'image_embeds',
    first: `${root}.proj.weight`,
    last: `${root}.norm.weight`,
    write(graph, embeds) {
      const [width] = graph.shapeOf(`${root}.norm.weight`) as [number];
      const flat = linear(graph, embeds, `${root}.proj`);
      const count = graph.shapeOf(`${root}.proj.weight`)[0]! / width;
      const tokens = graph.node('Reshape', [flat, graph.ints([-1, count, width])], { name: root });
      return layerNorm(graph, tokens, `${root}.norm`, epsilon);
    },
  },
  { input: 'hidden_states', first: `${root}.proj_in.weight`, last: `${root}.norm_out.weight`, write: resample },
  {
    input: 'hidden_states',
    first: `${root}.proj.0.weight`,
    last: `${root}.proj.3.weight`,
    write(graph, states) {
      const wide = graph.node('Gelu', [linear(graph, states, `${root}.proj.0`)], { name: `${root}.proj.1` });
      return layerNorm(graph, linear(graph, wide, `${root}.proj.2`), `${root}.proj.3`, epsilon);
    },
  },
];

/** What an adapter reads of how many channels, and how wide the tokens are that it makes; undefined for other projections. */
export function adapterShape(
  tensors: StoredTensors,
): { input: AdapterInput; channels: number; width: number } | undefined {
  const found = projections.find(({ first, last }) => tensors.has(first) && tensors.has(last));
  if (!found) return undefined;
  const [, channels = 0] = tensors.get(found.first)!.shape;
  const [width = 0] = tensors.get(found.last)!.shape;
  return { input: found.input, channels, width };
}

/** The numbers of an adapter's pairs of matrices, in order: 1, 3, 5, … */
export function adapterNumbers(tensors: StoredTensors): number[] {
  const numbers = [...tensors.keys()].flatMap((name) => {
    const [, number] = /^ip_adapter\.(\d+)\.to_k_ip\.weight$/.exec(name) ?? [];
    return number === undefined ? [] : [Number(number)];
  });
  return numbers.sort((a, b) => a - b);
}

/**
 * An IP-Adapter (Ye et al. 2023, arXiv 2308.06721): from what an encoder gives of a picture to the keys and values of its tokens
 * for each cross attention of a UNet. They depend neither on the step nor on the latents, so this runs once for a picture and
 * not in each step, and the UNet's graph holds no weights of an adapter.
 *
 * Input: `image_embeds` [batch, channels] or `hidden_states` [batch, rows, channels], see `adapterShape`.
 * Outputs: `image_tokens` [batch, tokens, width]; `keys.<n>` and `values.<n>` [batch, tokens, channels of that attention].
 */
export function writeIpAdapter(tensors: StoredTensors, form: GraphForm = {}): Written {
  const graph = new GraphBuilder(tensors, form);
  const shape = adapterShape(tensors);
  const projection = projections.find(({ first, last }) => graph.has(first) && graph.has(last));
  if (!shape || !projection) {
    throw new GraphError(
      'The image projection is none of those that are supported: plain, plus and full face. Adapters that read faces with InsightFace (FaceID) are not supported.',
    );
  }
  const dims = shape.input === 'image_embeds' ? ['batch', shape.channels] : ['batch', 'rows', shape.channels];
  const made = projection.write(graph, graph.enter(shape.input, dims));
  const tokens = graph.leave('image_tokens', made, ['batch', 'tokens', shape.width]);
  for (const number of adapterNumbers(tensors)) {
    const [channels] = graph.shapeOf(`ip_adapter.${number}.to_k_ip.weight`) as [number];
    for (const [output, matrix] of [
      [`keys.${number}`, `ip_adapter.${number}.to_k_ip`],
      [`values.${number}`, `ip_adapter.${number}.to_v_ip`],
    ] as const) {
      const found = graph.shapeOf(`${matrix}.weight`);
      if (found.join() !== [channels, shape.width].join()) {
        const wanted = [channels, shape.width].join(', ');
        throw new GraphError(
          `The tensor "${matrix}.weight" has the shape [${found.join(', ')}]; it must be [${wanted}] for tokens of ${shape.width} channels.`,
        );
      }
      graph.leave(output, linear(graph, tokens, matrix), ['batch', 'tokens', channels]);
    }
  }
  return graph.finish('ipAdapter');
}

/** A perceiver (Alayrac et al. 2022, arXiv 2204.14198): some learned rows ask those of the picture. */
function resample(graph: GraphBuilder, states: Value): Value {
  const [, count, width] = graph.shapeOf(`${root}.latents`) as [number, number, number];
  const picture = linear(graph, states, `${root}.proj_in`);
  let rows = graph.repeated(graph.weight(`${root}.latents`), states, [count, width], root);
  const layers = `${root}.layers`;
  for (let i = 0; i < countModules(graph, layers, '0.to_q.weight'); i++) {
    const name = `${layers}.${i}`;
    const add = (x: Value) => graph.node('Add', [x, rows], { name });
    rows = add(ask(graph, rows, picture, `${name}.0`));
    const normal = layerNorm(graph, rows, `${name}.1.0`, epsilon);
    const wide = graph.node('Gelu', [linear(graph, normal, `${name}.1.1`)], { name: `${name}.1.2` });
    rows = add(linear(graph, wide, `${name}.1.3`));
  }
  return layerNorm(graph, linear(graph, rows, `${root}.proj_out`), `${root}.norm_out`, epsilon);
}

function ask(graph: GraphBuilder, rows: Value, picture: Value, path: string): Value {
  const seen = layerNorm(graph, picture, `${path}.norm1`, epsilon);
  const asking = layerNorm(graph, rows, `${path}.norm2`, epsilon);
  const all = graph.node('Concat', [seen, asking], { name: path, attributes: { axis: 1 } });
  const [width] = graph.shapeOf(`${path}.to_q.weight`) as [number];
  const query = linear(graph, asking, `${path}.to_q`);
  const key = linear(graph, all, `${path}.to_kv`, { rows: [0, width] });
  const value = linear(graph, all, `${path}.to_kv`, { rows: [width, 2 * width] });
  const mixed = attention(graph, query, key, value, path, { heads: width / HEAD_WIDTH, width });
  return linear(graph, mixed, `${path}.to_out`);
}
