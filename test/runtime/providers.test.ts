import { describe, expect, test } from 'vitest';
import { ProviderError, providerNames } from '../../runtime/devices.ts';
import { GraphBuilder, type OnnxDtype } from '../../runtime/graphs/builder.ts';
import { Graph, OnnxError } from '../../runtime/onnx/graph.ts';
import { chooseProvider } from '../../runtime/onnx/providers.ts';
import { fromFloat16, toFloat16 } from '../../runtime/tensors/float16.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';

describe('choosing a provider', () => {
  test('auto always finds one, and says why that one and not the others', async () => {
    const chosen = await chooseProvider('auto');
    expect(providerNames()).toContain(chosen.name);
    expect(chosen.reason).toMatch(/\.$/);
    const passed = providerNames().slice(0, providerNames().indexOf(chosen.name));
    expect((chosen.fallbackFrom ?? []).map(({ name }) => name)).toEqual(passed);
    for (const { reason } of chosen.fallbackFrom ?? []) expect(reason.length).toBeGreaterThan(10);
  });

  test('the CPU always starts, with fused attention, and is found in any spelling', async () => {
    expect(await chooseProvider('CPU', { threads: 1 })).toEqual({
      name: 'cpu',
      attention: 'fused',
      threads: 1,
      precision: 'float32',
      precisionReason: 'CPUs compute in float32.',
      reason: 'cpu was requested and started.',
    });
  });

  test.each(['tpu', 'toString', ''])(
    'one that does not exist (%j) is an error that lists those there are',
    async (wanted) => {
      await expect(chooseProvider(wanted)).rejects.toThrow(ProviderError);
      await expect(chooseProvider(wanted)).rejects.toThrow(/There are: auto, cuda, webgpu, coreml, dml, cpu\./);
    },
  );

  test('one asked for by name either starts or is an error that lists those that do', async () => {
    for (const name of providerNames().filter((each) => each !== 'cpu')) {
      const outcome = await chooseProvider(name).catch((error: unknown) => error);
      if (outcome instanceof Error) {
        expect(outcome.message).toMatch(new RegExp(`^The provider ${name} does not start: .+ Available: .*cpu\\.$`));
      } else {
        expect(outcome).toMatchObject({ name });
      }
    }
  });

  test('a GPU by its number is asked of providers that number them alone', async () => {
    await expect(chooseProvider('cpu:1')).rejects.toThrow('"cpu:1" has a device number, which only cuda and dml');
    // On a machine with so many of them this would start; everywhere else it must not fall back to the first.
    await expect(chooseProvider('cuda:99')).rejects.toThrow(/^The provider cuda:99 does not start: /);
  });

  test('a program that imitates a GPU is not chosen by auto', async () => {
    const before = process.env.VK_ICD_FILENAMES;
    process.env.VK_ICD_FILENAMES = '/usr/lib/chromium/vk_swiftshader_icd.json';
    try {
      const { name, fallbackFrom } = await chooseProvider('auto');
      if (process.platform !== 'linux' || name === 'cuda') return;
      expect(name).toBe('cpu');
      const webgpu = fallbackFrom?.find((tried) => tried.name === 'webgpu');
      expect(webgpu?.reason).toMatch(/software driver|does not contain it/);
    } finally {
      if (before === undefined) delete process.env.VK_ICD_FILENAMES;
      else process.env.VK_ICD_FILENAMES = before;
    }
  });
});

describe('a graph', () => {
  /** Gives its input back, cast to `to`. */
  async function caster(from: OnnxDtype, to: OnnxDtype, shape: (number | string)[]): Promise<Graph> {
    const builder = new GraphBuilder(new Map());
    const x = builder.input('x', from, shape);
    builder.output('y', builder.cast(x, to, 'cast'), to, shape);
    return Graph.open({ bytes: builder.finish('caster').bytes, label: 'caster' }, { name: 'cpu' });
  }

  const values = Float32Array.of(0, 1, -2, 601);

  test.each<OnnxDtype>(['float32', 'float16', 'float64', 'int64', 'int32'])('takes float32 as %s', async (dtype) => {
    const graph = await caster(dtype, 'float32', ['n']);
    expect(graph.inputs).toEqual([{ name: 'x', dtype, shape: ['n'] }]);
    const { y } = await graph.run({ x: floats(values, [4]) });
    expect(y).toEqual({ dtype: 'float32', dims: [4], data: values });
    await graph.close();
  });

  test.each<OnnxDtype>(['float16', 'float64'])('gives %s back as float32', async (dtype) => {
    const graph = await caster('float32', dtype, ['n']);
    const { y } = await graph.run({ x: floats(values, [4]) });
    expect(y).toEqual({ dtype: 'float32', dims: [4], data: values });
    await graph.close();
  });

  test('takes token ids as int32 where it was exported so', async () => {
    const graph = await caster('int32', 'int64', ['n']);
    const { y } = await graph.run({ x: int64s([49406, 49407], [2]) });
    expect(y).toEqual({ dtype: 'int64', dims: [2], data: BigInt64Array.of(49406n, 49407n) });
    await graph.close();
  });

  test('takes a scalar from a list of equal values, and a list from a scalar', async () => {
    const scalar = await caster('int64', 'float32', []);
    expect((await scalar.run({ x: floats(Float32Array.of(7, 7), [2]) })).y?.data).toEqual(Float32Array.of(7));
    await expect(scalar.run({ x: floats(Float32Array.of(7, 8), [2]) })).rejects.toThrow(/^caster takes one x/);
    await scalar.close();
    const list = await caster('int64', 'float32', ['n']);
    expect((await list.run({ x: floats(Float32Array.of(7), []) })).y?.dims).toEqual([1]);
    await list.close();
  });

  test('says which input is unknown, missing or of the wrong shape', async () => {
    const graph = await caster('float32', 'float32', ['n', 4]);
    const good: Tensor = floats(values, [1, 4]);
    await expect(graph.run({ x: good, z: good })).rejects.toThrow('caster has no input "z". Its inputs: x.');
    await expect(graph.run({})).rejects.toThrow('caster got no input "x".');
    await expect(graph.run({ x: floats(values, [4, 1]) })).rejects.toThrow(/^caster failed while running: /);
    await graph.close();
  });

  test('that cannot be loaded is an error with its cause', async () => {
    const opening = Graph.open({ bytes: Uint8Array.of(1, 2, 3), label: 'broken' }, { name: 'cpu' });
    const error = await opening.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(OnnxError);
    expect((error as OnnxError).message).toMatch(/^broken could not be loaded on cpu: .+\.$/);
    expect((error as OnnxError).cause).toBeInstanceOf(Error);
  });
});

describe('half precision', () => {
  test('survives the way to float32 and back, bit by bit', () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const back = toFloat16(fromFloat16(bits));
    for (let i = 0; i < bits.length; i++) {
      const notANumber = (i & 0x7c00) === 0x7c00 && (i & 0x3ff) !== 0;
      if (notANumber) expect(back[i]! & 0x7e00).toBe(0x7e00);
      else if (back[i] !== i) expect(back[i]).toBe(i);
    }
  });

  test.each<[number, number]>([
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [-1e9, 0xfc00],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [2 ** -25 * 1.01, 1],
    [2 ** -24 * 1.5, 2],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [-0, 0x8000],
  ])('rounds %d to the nearest, ties to even', (value, bits) => {
    expect(toFloat16(Float32Array.of(value))[0]).toBe(bits);
  });
});
