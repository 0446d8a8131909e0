import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../runtime/graphs/builder.ts';
import { Graph, joinLasting, traffic } from '../../runtime/onnx/graph.ts';
import { Residents } from '../../runtime/onnx/resident.ts';
import { type FloatTensor, floats } from '../../runtime/tensors/tensor.ts';
import { testsWebGpu, whenSkipped } from '../helpers/webgpu.ts';

const sample = (...values: number[]) => floats(Float32Array.from(values), [values.length / 2, 2]);

// Needs a WebGPU adapter; `whenSkipped` says how to get one. CI installs a software adapter.
describe.runIf(testsWebGpu)(`inputs that stay the same on WebGPU${whenSkipped}`, { timeout: 300_000 }, () => {
  let graph: Graph;
  beforeAll(async () => {
    const builder = new GraphBuilder(new Map());
    const x = builder.input('sample', 'float32', ['batch', 2]);
    const states = builder.input('encoder_hidden_states', 'float32', ['batch', 2]);
    builder.output('y', builder.node('Mul', [x, states], { name: 'mul' }), 'float32', ['batch', 2]);
    graph = await Graph.open({ bytes: builder.finish('product').bytes }, { name: 'webgpu' });
  });
  afterAll(() => graph.close());

  /** What a call gives, and the bytes that went in for it. */
  async function call(x: FloatTensor, states: FloatTensor): Promise<{ y: number[]; bytes: number }> {
    const before = traffic.bytesIn;
    // As runs do: another tensor at each step, over the same array.
    const { y } = await graph.run({ sample: x, encoder_hidden_states: floats(states.data, states.dims) });
    return { y: [...(y!.data as Float32Array)], bytes: traffic.bytesIn - before };
  }

  test('cross once, and those that change at each step each time', async () => {
    const states = sample(3, 5);
    expect(await call(sample(1, 2), states)).toEqual({ y: [3, 10], bytes: 16 });
    expect(await call(sample(4, 6), states)).toEqual({ y: [12, 30], bytes: 8 });
    expect(await call(sample(7, 8), sample(1, 1))).toEqual({ y: [7, 8], bytes: 16 });
    expect(await call(sample(1, 1), states)).toEqual({ y: [3, 5], bytes: 8 });
  });

  test('are joined once for the same runs in a call, in their order', async () => {
    const [a, b] = [sample(2, 3), sample(5, 7)];
    const rows = sample(1, 1, 1, 1);
    const both = () => joinLasting([floats(a.data, a.dims), floats(b.data, b.dims)]) as FloatTensor;
    expect(await call(rows, both())).toEqual({ y: [2, 3, 5, 7], bytes: 32 });
    expect(await call(rows, both())).toEqual({ y: [2, 3, 5, 7], bytes: 16 });
    expect((await call(rows, joinLasting([b, a]) as FloatTensor)).y).toEqual([5, 7, 2, 3]);
    expect((await call(rows, joinLasting([a, a]) as FloatTensor)).y).toEqual([2, 3, 2, 3]);
    expect((await call(rows, both())).y).toEqual([2, 3, 5, 7]);
  });

  test('may be one array in two shapes', async () => {
    const ones = Float32Array.of(1, 1, 1, 1);
    expect((await call(sample(1, 2, 3, 4), floats(ones, [2, 2]))).y).toEqual([1, 2, 3, 4]);
    expect((await call(sample(1, 2), floats(ones.subarray(0, 2), [1, 2]))).y).toEqual([1, 2]);
  });

  test('leave the device when no call has used them for long, and come back', async () => {
    const states = sample(3, 5);
    await call(sample(1, 2), states);
    const others = sample(1, 1);
    for (let at = 0; at < 70; at++) await call(sample(1, 2), others);
    expect(await call(sample(1, 2), states)).toEqual({ y: [3, 10], bytes: 16 });
  });

  test('leave the device at once where there are too many, but for those of the last call', async () => {
    const residents = new Residents(24);
    const [a, b, c] = [0, 1, 2].map((value) => Float32Array.of(value, value));
    const crosses = async (data: Float32Array) => (await residents.of(data, [1, 2])).bytes;
    expect([await crosses(a!), await crosses(b!)]).toEqual([8, 8]);
    residents.called();
    residents.called();
    // 24 bytes are not too many.
    expect([await crosses(a!), await crosses(c!)]).toEqual([0, 8]);
    residents.called();
    expect(await crosses(b!)).toBe(0);
    const d = Float32Array.of(3, 3);
    expect([await crosses(b!), await crosses(d)]).toEqual([0, 8]);
    residents.called();
    expect([await crosses(b!), await crosses(d), await crosses(c!)]).toEqual([0, 0, 0]);
    expect(await crosses(a!)).toBe(8);
  });
});
