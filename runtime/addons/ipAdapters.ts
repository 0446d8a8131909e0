import type { Graph } from '../onnx/graph.ts';
import type { Row } from '../run.ts';
import { floats } from '../tensors/tensor.ts';

/** A token of zeros for each image input of a graph, which adds nothing. */
const nothing = new WeakMap<Graph, Row>();

/**
 * The image inputs of a denoiser's graph: keys and values of the adapters of a run, and nothing where none acts. The graph may
 * have inputs for more adapters, which other runs needed.
 */
export function imageInputs(graph: Graph, images: Row = {}): Row {
  let row = nothing.get(graph);
  if (!row) {
    const inputs = graph.inputs.filter(({ name }) => /\.image_(keys|values)\.\d+$/.test(name));
    row = Object.fromEntries(
      inputs.map(({ name, shape }) => [name, floats(new Float32Array(Number(shape[2])), [1, 1, Number(shape[2])])]),
    );
    nothing.set(graph, row);
  }
  return Object.fromEntries(Object.entries(row).map(([name, zeros]) => [name, images[name] ?? zeros]));
}
