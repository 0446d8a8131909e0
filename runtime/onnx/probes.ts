/** What of a provider can be trusted: its answers are compared with those of plainer graphs on the same device. */
import { GraphBuilder, type GraphForm, type Precision, type Value } from '../graphs/builder.ts';
import { attention } from '../graphs/layers.ts';
import { type DelicateOperator, delicateOperators } from '../graphs/precision.ts';
import { type FloatTensor, floats } from '../tensors/tensor.ts';
import { Graph } from './graph.ts';
import type { Provider } from './providers.ts';

type Device = Pick<Provider, 'name' | 'deviceId'>;

/** Of the largest magnitude: float16 has 11 bits, and a product of a few hundred values loses three of them. */
const HALF_TOLERANCE = 2e-2;

/** What float16 is good for on a device. */
export interface HalfTrust {
  /** Absent: products and convolutions come out as in float32. Else why float16 is not used. */
  complaint?: string;
  /** Operators that give wrong answers in float16, and are computed in float32. */
  widened: DelicateOperator[];
}

/** Tries float16 on a device. Never rejects. */
export async function tryHalf(device: Device): Promise<HalfTrust> {
  const complaint = await difference(device, network, 'network', [2, 32, 8, 8]);
  if (complaint !== undefined) return { complaint, widened: [...delicateOperators] };
  const widened: DelicateOperator[] = [];
  for (const operator of delicateOperators) {
    const { shape, write } = delicate[operator];
    if ((await difference(device, write, operator, shape)) !== undefined) widened.push(operator);
  }
  return { widened };
}

/**
 * Whether onnxruntime's fused attention can be trusted here: it is compared with the same written out. Its WebGPU kernel
 * takes paths that depend on the GPU, and some gave wrong pictures without any error (its issues 26064 and 26715; seen
 * here with SwiftShader, from 32 positions on).
 */
export async function attentionOn(device: Device, precision: Precision): Promise<'fused' | 'plain'> {
  const { name } = device;
  if (name === 'cpu') return 'fused';
  // CoreML does not have the operator, and would hand every one of them back to the CPU.
  if (name === 'coreml') return 'plain';
  const [heads, length] = [2, 80];
  for (const headSize of [40, 64]) {
    const width = heads * headSize;
    const write = (graph: GraphBuilder, x: Value) => attention(graph, x, x, x, 'probe', { heads, width });
    const shape = [2, length, width];
    const fused = { precision, attention: 'fused' } as const;
    if (
      (await difference(device, write, 'attention', shape, fused, precision === 'float32' ? 5e-3 : 2e-2)) !== undefined
    )
      return 'plain';
  }
  return 'fused';
}

/** The bulk of any network: a convolution, an activation, a matrix product, a sum. */
function network(graph: GraphBuilder, x: Value): Value {
  const name = 'probe';
  const weight = constant(graph, [32, 32, 3, 3], 0.06);
  const conv = graph.node('Conv', [x, weight], { name, attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } });
  const active = graph.node('QuickGelu', [conv], { name, attributes: { alpha: { float: 1 } } });
  const flat = graph.node('Reshape', [active, graph.ints([0, 32, -1])], { name });
  const tokens = graph.node('Transpose', [flat], { name, attributes: { perm: [0, 2, 1] } });
  const product = graph.node('MatMul', [tokens, constant(graph, [32, 48], 0.2)], { name });
  return graph.node('Add', [product, product], { name });
}

/** Inputs as large as networks have them: the sums that these operators need overflow or lose their bits in float16. */
const delicate: Record<DelicateOperator, { shape: number[]; write: (graph: GraphBuilder, x: Value) => Value }> = {
  groupNorm: {
    shape: [1, 2, 4, 16_384],
    write: (graph, x) =>
      graph.node(
        'InstanceNormalization',
        [scaled(graph, x, 30, 50), constant(graph, [2], 1), constant(graph, [2], 1)],
        {
          name: 'probe',
        },
      ),
  },
  layerNorm: {
    shape: [2, 1280],
    write: (graph, x) =>
      graph.node('LayerNormalization', [scaled(graph, x, 60, 100), constant(graph, [1280], 1)], {
        name: 'probe',
        attributes: { axis: -1 },
      }),
  },
  softmax: {
    shape: [2, 4096],
    write: (graph, x) => graph.node('Softmax', [scaled(graph, x, 1, 0)], { name: 'probe', attributes: { axis: -1 } }),
  },
};

function scaled(graph: GraphBuilder, x: Value, by: number, plus: number): Value {
  const product = graph.node('Mul', [x, graph.scalar(by)], { name: 'probe' });
  return graph.node('Add', [product, graph.scalar(plus)], { name: 'probe' });
}

function constant(graph: GraphBuilder, shape: readonly number[], size: number): Value {
  const { data } = waves(shape);
  return graph.inPrecision(
    graph.floats(
      [...data].map((value) => value * size),
      shape,
    ),
    'probe',
  );
}

/** Numbers in [-2, 2] without a pattern. */
function waves(shape: readonly number[]): FloatTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return floats(
    Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * i)),
    shape,
  );
}

/** How the answer in `form` differs from the plain one in float32 by more than `tolerance`; undefined: not at all. */
async function difference(
  device: Device,
  write: (graph: GraphBuilder, x: Value) => Value,
  what: string,
  shape: readonly number[],
  form: GraphForm = { precision: 'float16' },
  tolerance = HALF_TOLERANCE,
): Promise<string | undefined> {
  const answers: Float32Array[] = [];
  try {
    for (const each of [{ ...form, border: 'float32' }, { attention: 'plain' }] satisfies GraphForm[]) {
      const builder = new GraphBuilder(new Map(), each);
      builder.leave(
        'y',
        write(builder, builder.enter('x', shape)),
        shape.map((_, axis) => `out.${axis}`),
      );
      const graph = await Graph.open({ bytes: builder.finish('probe').bytes }, { ...device, threads: 1 });
      try {
        const { y } = await graph.run({ x: waves(shape) });
        answers.push(y?.data as Float32Array);
      } finally {
        await graph.close();
      }
    }
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return `${what} fails: ${cause instanceof Error ? cause.message.trim().split('\n')[0]!.replace(/\.+$/, '') : String(cause)}`;
  }
  const [actual, expected] = answers as [Float32Array, Float32Array];
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const close = actual.every((value, i) => Math.abs(value - expected[i]!) <= tolerance * largest);
  return close ? undefined : `${what} gives other results than in float32`;
}
