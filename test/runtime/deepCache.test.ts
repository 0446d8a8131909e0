import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest';
import { type Caching, shallowCalls } from '../../runtime/addons/deepCache.ts';
import { Batcher, previewsOf } from '../../runtime/batcher.ts';
import { shallowTensors, writeShallowUNet, writeUNet2DCondition } from '../../runtime/graphs/unet2DCondition.ts';
import type { DeepCacheRequest, GenerateRequest, Pixels, RunEvent } from '../../runtime/index.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import { generate as diffusion } from '../../runtime/pipelines/generate.ts';
import { ModelCache } from '../../runtime/pipelines/modelCache.ts';
import { findPreviewDecoder } from '../../runtime/previews/index.ts';
import { floats, type Tensor } from '../../runtime/tensors/tensor.ts';
import { modelFolder, modelsFolder, readGoldens, relativeError, tinyModels } from '../helpers/goldens.ts';
import { cpu, expectClose, openWritten, type Part, readPart, unetFeeds } from '../helpers/graphs.ts';
import { writeOnnxFolder } from '../helpers/onnxFolder.ts';
import { openComponent } from '../helpers/openComponent.ts';

const pocket = fileURLToPath(new URL('../../models/pocket', import.meta.url));
const tiny = (name: string) => join(modelsFolder, name);
const always = (interval: number): DeepCacheRequest => ({ interval, startStep: 0, endStep: 100 });

describe.each(tinyModels)('the shallow graph of %s', (name) => {
  const goldens = readGoldens(name);
  let part: Part<Record<string, unknown>>;
  let feeds: Record<string, Tensor>;

  beforeAll(async () => {
    part = await readPart(join(modelFolder(name), 'unet'));
    const encoders = await Promise.all(
      (['text_encoder', ...(goldens.textEncoder2 ? ['text_encoder_2'] : [])] as const).map((component) =>
        openComponent(modelFolder(name), component as 'text_encoder', cpu),
      ),
    );
    feeds = await unetFeeds(goldens, encoders[0]!, encoders[1]);
    await Promise.all(encoders.map((encoder) => encoder.close()));
  });

  /** What the inputs of either graph are given that the recorded call has not: small numbers, the same for both. */
  function filled({ inputs }: Graph): Record<string, Tensor> {
    const [height, width] = feeds.sample!.dims.slice(2) as [number, number];
    const further = inputs.filter(({ name: input }) => !(input in feeds) && input !== 'deep_features');
    return Object.fromEntries(
      further.map(({ name: input, shape }) => {
        const isFirst = input === 'down_block_additional_residuals.0';
        const channels = part.config.block_out_channels as number[];
        const residual = isFirst ? [1, channels[0]!, height, width] : [1, 1, 1, 1];
        const dims = input.includes('residual') ? residual : shape.map((dim) => (typeof dim === 'number' ? dim : 2));
        const count = dims.reduce((product, dim) => product * dim, 1);
        return [
          input,
          floats(
            Float32Array.from({ length: count }, (_, at) => 0.1 * Math.sin(at + input.length)),
            dims,
          ),
        ];
      }),
    );
  }

  test.each([{}, { attention: 'plain', adapters: 'all', residuals: true }] as const)(
    'gives what the whole gives, from the features of the same call (%j)',
    async (form) => {
      const whole = await openWritten(writeUNet2DCondition(part.config, part.tensors, { ...form, deep: true }));
      const shallow = await openWritten(writeShallowUNet(part.config, shallowTensors(part.tensors), form));
      expect(whole.outputs.map((output) => output.name)).toEqual(['out_sample', 'deep_features']);
      const given = filled(whole);
      const { out_sample: out, deep_features: deep } = await whole.run({ ...feeds, ...given });
      if (Object.keys(given).length === 0) expectClose(out, goldens.unet.output);
      else expect(relativeError(out!.data as Float32Array, goldens.unet.output.data)).toBeGreaterThan(0.01);
      const own = Object.fromEntries(Object.entries({ ...feeds, ...given }).filter(([input]) => shallow.takes(input)));
      const { out_sample: same } = await shallow.run({ ...own, deep_features: deep! });
      expect(same!.dims).toEqual(out!.dims);
      expect(relativeError(same!.data as Float32Array, out!.data as Float32Array)).toBeLessThan(1e-5);
      // It depends on the features, on the sample, and on what adapts its own layers.
      const changes = ['deep_features', 'sample', ...Object.keys(given).filter((input) => shallow.takes(input))];
      for (const input of changes.filter((each) => !each.includes('.lora_') || each.endsWith('.conv1.lora_up'))) {
        const fed: Record<string, Tensor> = { ...own, deep_features: deep! };
        const { data, dims } = fed[input]!;
        fed[input] = floats(
          (data as Float32Array).map((value) => -value),
          dims,
        );
        const { out_sample: other } = await shallow.run(fed);
        expect(relativeError(other!.data as Float32Array, out!.data as Float32Array), input).toBeGreaterThan(1e-4);
      }
      await Promise.all([whole.close(), shallow.close()]);
    },
  );

  test('has few of the weights, and the whole one has no further output unless asked', async () => {
    const bytes = (tensors: Part<unknown>['tensors']) =>
      [...tensors.values()].reduce((sum, { length }) => sum + length, 0);
    expect(bytes(shallowTensors(part.tensors))).toBeLessThan(bytes(part.tensors) / 3);
    const named = (form: object) => {
      const { bytes: written } = writeUNet2DCondition(part.config, part.tensors, form);
      return ['out_sample', 'deep_features'].filter((output) => Buffer.from(written.buffer).includes(output));
    };
    expect(named({})).toEqual(['out_sample']);
    expect(named({ deep: true })).toEqual(['out_sample', 'deep_features']);
  });
});

describe('calls are shallow', () => {
  const caching = (changes: Partial<Caching>): number[] => [
    ...shallowCalls({ interval: 3, first: 0, end: 10, callsPerStep: 1, range: [0, 10], fresh: [], ...changes }),
  ];

  test.each<[string, Partial<Caching>, number[]]>([
    ['between every third', {}, [1, 2, 4, 5, 7, 8]],
    ['between every second', { interval: 2 }, [1, 3, 5, 7]],
    ['nowhere at an interval of 1', { interval: 1 }, []],
    ['all but the first and the last at a great interval', { interval: 100 }, [1, 2, 3, 4, 5, 6, 7, 8]],
    ['counted from the first call of a run', { first: 5 }, [6, 7]],
    ['from a step on, which follows a whole one', { range: [4, 10] }, [4, 5, 7, 8]],
    ['up to a step', { range: [0, 5] }, [1, 2, 4]],
    ['not where something begins or ends', { fresh: [2, 5, 10] }, [1, 3, 4, 6, 7]],
    ['not in the first and last step of Heun', { callsPerStep: 2, end: 9, range: [0, 10] }, [2, 3, 5, 6]],
    ['nowhere in two steps', { end: 2 }, []],
    ['nowhere in one', { end: 1 }, []],
  ])('%s', (_, changes, expected) => {
    expect(caching(changes)).toEqual(expected);
  });
});

describe('runs', () => {
  let spied: MockInstance<Graph['run']>;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deep-cache-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  beforeEach(() => {
    spied = vi.spyOn(Graph.prototype, 'run');
  });
  afterEach(() => {
    spied.mockRestore();
  });

  const loaded: string[] = [];
  const modelCache = new ModelCache({
    provider: cpu,
    onLoaded: (path, component) => void loaded.push(`${basename(path)}/${component}`),
  });

  const requestOf = (changes: Partial<GenerateRequest>): GenerateRequest => ({
    model: tiny('tiny-sd15'),
    prompt: 'a red potion on a blue table',
    negativePrompt: '',
    width: 96,
    height: 64,
    steps: 7,
    guidanceScale: 5,
    seed: 7n,
    ...changes,
  });

  async function run(
    changes: Partial<GenerateRequest>,
    batcher = new Batcher({ rowsPerCall: 8 }),
    of = modelCache,
  ): Promise<RunEvent[]> {
    const request = requestOf(changes);
    const events: RunEvent[] = [];
    await of.use(async () =>
      batcher.drive({
        previews: previewsOf(request, await of.previewSource(request), findPreviewDecoder),
        run: diffusion(of, request),
        signal: new AbortController().signal,
        emit: async (event) => void events.push(event),
      }),
    );
    return events;
  }

  async function draw(changes: Partial<GenerateRequest>, batcher?: Batcher, of?: ModelCache): Promise<Pixels> {
    const last = (await run(changes, batcher, of)).at(-1);
    if (last?.type !== 'finished') throw new Error('the last event is not finished');
    return last.pixels;
  }

  /** The graphs that were run, in order. */
  const graphs = () => spied.mock.contexts as Graph[];

  /** Calls of graphs since the test began: of the whole UNet, of the shallow one, and of ControlNets. */
  function calls(): { whole: number; shallow: number; controlNet: number } {
    const count = (network: string) => graphs().filter(({ label }) => label.endsWith(`/${network}`)).length;
    return { whole: count('unet'), shallow: count('shallow_unet'), controlNet: count('controlnet') };
  }

  function feedsOf(network: string): Record<string, Tensor>[] {
    return spied.mock.calls.flatMap(([feeds], at) => (graphs()[at]!.label.endsWith(`/${network}`) ? [feeds] : []));
  }

  function meanDifference(a: Pixels, b: Pixels): number {
    return a.data.reduce((sum, value, at) => sum + Math.abs(value - b.data[at]!), 0) / a.data.length;
  }

  function picture(): Pixels {
    const data = Uint8Array.from({ length: 96 * 64 * 3 }, (_, at) => (Math.sin(at * 0.013) * 0.5 + 0.5) * 255);
    return { width: 96, height: 64, data };
  }

  test('of the embedded model spare most of its UNet, and the picture is nearly the same', async () => {
    const request = { model: pocket, width: 128, height: 128, steps: 20, guidanceScale: 4 };
    const plain = await draw(request);
    expect(calls()).toMatchObject({ whole: 20, shallow: 0 });
    spied.mockClear();
    const third = await draw({ ...request, deepCache: always(3) });
    expect(calls()).toMatchObject({ whole: 8, shallow: 12 });
    // Measured here: 4.7 of 255; another picture of the model is 40 and more away.
    expect(meanDifference(third, plain)).toBeLessThan(8);
    expect(meanDifference(third, plain)).toBeGreaterThan(0.2);
    const second = await draw({ ...request, deepCache: always(2) });
    expect(meanDifference(second, plain)).toBeLessThan(meanDifference(third, plain));
  });

  test.each(['tiny-sd15', 'tiny-sd21-v', 'tiny-sdxl'])('of %s draw with it', async (name) => {
    const model = tiny(name);
    const plain = await draw({ model });
    expect(await draw({ model, deepCache: always(1) })).toEqual(plain);
    const shallow = () => loaded.filter((component) => component === `${name}/shallow_unet`);
    expect(shallow()).toEqual([]);
    spied.mockClear();
    const cached = await draw({ model, deepCache: always(3) });
    expect(calls()).toMatchObject({ whole: 3, shallow: 4 });
    expect(cached).not.toEqual(plain);
    // The graph with the further output is the same network.
    expect(await draw({ model })).toEqual(plain);
    expect(shallow()).toHaveLength(1);
  });

  test('keep the features of each branch apart', async () => {
    spied.mockClear();
    await draw({ deepCache: always(3) }, new Batcher({ rowsPerCall: 1 }));
    expect(calls()).toMatchObject({ whole: 6, shallow: 8 });
    const [one, other, oneMore, otherMore] = feedsOf('shallow_unet').map(({ deep_features: deep }) => deep!.data);
    expect(one).not.toEqual(other);
    expect([oneMore, otherMore]).toEqual([one, other]);
  });

  test('begin and end it where they are told, and count image-to-image from its first step', async () => {
    await draw({ steps: 10, deepCache: { interval: 3, startStep: 4, endStep: 7 } });
    expect(calls()).toMatchObject({ whole: 8, shallow: 2 });
    spied.mockClear();
    await draw({ steps: 8, image: { pixels: picture(), strength: 0.5 }, deepCache: always(3) });
    expect(calls()).toMatchObject({ whole: 2, shallow: 2 });
  });

  test('count the calls of Heun, and still tell each step', async () => {
    const events = await run({ steps: 4, scheduler: 'Heun', deepCache: always(3) });
    expect(calls()).toMatchObject({ whole: 4, shallow: 3 });
    expect(events.flatMap((event) => (event.type === 'stepped' ? event.step : []))).toEqual([0, 1, 2, 3]);
  });

  test('keep what a mask keeps', async () => {
    const mask = Uint8Array.from({ length: 96 * 64 }, (_, at) => (at % 96 >= 48 ? 255 : 0));
    const request = { image: { pixels: picture(), strength: 1 }, previews: { every: 100 }, deepCache: always(3) };
    const look = async (of: Uint8Array) => {
      const shown = (await run({ ...request, mask: of })).find((event) => event.type === 'previewed');
      return shown?.type === 'previewed' ? shown.pixels.data : new Uint8Array();
    };
    const [half, none] = [await look(mask), await look(new Uint8Array(mask.length))];
    const changed = half.map((value, at) => Math.abs(value - none[at]!)) as Uint8Array;
    const side = (isRight: boolean) => changed.filter((_, at) => Math.floor(at / 3) % 12 >= 6 === isRight);
    expect(Math.max(...side(false))).toBe(0);
    expect(Math.max(...side(true))).toBeGreaterThan(10);
    expect(calls().shallow).toBe(8);
  });

  test('begin anew where a refiner takes over', async () => {
    const model = tiny('tiny-sd15');
    await draw({ steps: 6, refiner: { model, startStep: 3 }, deepCache: always(6) });
    expect(calls()).toMatchObject({ whole: 3, shallow: 3 });
  });

  test('share the calls of their steps between', async () => {
    const batcher = new Batcher({ rowsPerCall: 8 });
    const seeds = [1n, 2n];
    const apart = [];
    for (const seed of seeds) apart.push(await draw({ seed, deepCache: always(3) }));
    spied.mockClear();
    const together = await Promise.all(seeds.map((seed) => draw({ seed, deepCache: always(3) }, batcher)));
    expect(calls()).toMatchObject({ whole: 3, shallow: 4 });
    for (const { deep_features: deep } of feedsOf('shallow_unet')) expect(deep!.dims[0]).toBe(4);
    for (const [at, pixels] of together.entries()) expect(meanDifference(pixels, apart[at]!)).toBeLessThan(0.1);
  });

  test('of a model exported to ONNX are refused with the reason, unless nothing would be spared', async () => {
    await writeOnnxFolder(tiny('tiny-sd15'), folder);
    await expect(draw({ model: folder, deepCache: always(3) })).rejects.toMatchObject({
      code: 'unsupportedParameter',
      parameter: 'deepCache',
      message: expect.stringContaining('exported to ONNX'),
    });
    expect((await draw({ model: folder, deepCache: always(1) })).data).toHaveLength(96 * 64 * 3);
  });

  test.each([
    { interval: 0 },
    { interval: 1.5 },
    { startStep: -1 },
    { startStep: 3, endStep: 3 },
    { endStep: Number.NaN },
  ])('are refused with %j', async (changes) => {
    await expect(draw({ deepCache: { ...always(3), ...changes } })).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'deepCache',
    });
  });

  // Last, as these change the forms of the UNets that all runs share from then on.
  test('ask ControlNets in whole steps only, and once more where one begins or ends', async () => {
    const net = {
      model: tiny('tiny-sd15-controlnet'),
      pixels: picture(),
      weight: 1,
      startStep: 0,
      endStep: 7,
      mode: 'balanced' as const,
    };
    await draw({ controlNets: [net], deepCache: always(3) });
    expect(calls()).toEqual({ whole: 3, shallow: 4, controlNet: 3 });
    const residual = 'down_block_additional_residuals.0';
    for (const feeds of feedsOf('shallow_unet')) {
      expect((feeds[residual]!.data as Float32Array).some((value) => value !== 0)).toBe(true);
    }
    spied.mockClear();
    await draw({ controlNets: [{ ...net, startStep: 2, endStep: 5 }], deepCache: always(100) });
    // Whole are 0, 2, 5 and 6.
    expect(calls()).toEqual({ whole: 4, shallow: 3, controlNet: 1 });
    const acted = feedsOf('shallow_unet').map((feeds) =>
      (feeds[residual]!.data as Float32Array).some((value) => value !== 0),
    );
    expect(acted).toEqual([false, true, true]);
  });

  test('apply LoRAs in the steps between too', async () => {
    const loras = [{ path: tiny('tiny-sd15-lora.safetensors'), weight: 0.75 }];
    const [without, adapted] = [await draw({ deepCache: always(3) }), await draw({ loras, deepCache: always(3) })];
    expect(meanDifference(adapted, without)).toBeGreaterThan(0.5);
    const whole = await draw({ loras });
    expect(meanDifference(adapted, whole)).toBeLessThan(meanDifference(adapted, without));
    const last = feedsOf('shallow_unet').at(-1)!;
    const acting = Object.entries(last).filter(
      ([name, { data }]) => name.endsWith('.lora_up') && (data as Float32Array).some((value) => value !== 0),
    );
    expect(acting.length).toBeGreaterThan(0);
    expect(await draw({ loras, deepCache: always(1) })).toEqual(whole);
  });
});
