import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Batcher, type Job } from '../../runtime/batcher.ts';
import { stableDiffusion } from '../../runtime/families/stableDiffusion.ts';
import type { RunEvent } from '../../runtime/index.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import { type PreviewDecoder, previewDecoders } from '../../runtime/previews/index.ts';
import type { Row, Run } from '../../runtime/run.ts';
import { type FloatTensor, floats, type ValueInfo } from '../../runtime/tensors/tensor.ts';

/** A graph without onnxruntime: each row's answer is its latents plus the first number of its text. */
function countingGraph(timestepShape: ValueInfo['shape'] = ['batch'], sampleBatch: number | string = 'batch') {
  const run: Graph['run'] = async (feeds) => {
    if (graph.failing) throw new Error('The graph broke.');
    const sample = feeds.sample!;
    const text = feeds.encoder_hidden_states!;
    graph.calls.push({ rows: sample.dims[0]!, timesteps: [...(feeds.timestep!.data as Float32Array)] });
    const size = sample.data.length / sample.dims[0]!;
    const width = text.data.length / text.dims[0]!;
    const answer = (sample.data as Float32Array).map(
      (value, at) => value + Number(text.data[Math.floor(at / size) * width]),
    );
    await graph.onCall();
    if (graph.nothing) answer.fill(Number.NaN);
    return { out_sample: floats(answer, sample.dims) };
  };
  const graph = Object.assign(Object.create(Graph.prototype) as Graph, {
    inputs: [
      { name: 'sample', dtype: 'float32', shape: [sampleBatch, 4, 'height', 'width'] },
      { name: 'timestep', dtype: 'float32', shape: timestepShape },
    ],
    outputs: [{ name: 'out_sample', dtype: 'float32', shape: [] }],
    calls: [] as { rows: number; timesteps: number[] }[],
    failing: false,
    nothing: false,
    label: 'counting/unet',
    onCall: (): void | Promise<void> => {},
    run,
  });
  return graph;
}

const shape = { channels: 4, height: 1, width: 2 };
const branch = (text: number, length = 1): FloatTensor =>
  floats(new Float32Array(length * 3).fill(text), [1, length, 3]);

interface RunOptions {
  start: number;
  branches: FloatTensor[];
  shared?: Row;
  steps?: number;
  seen?: Float32Array[][];
}

/** Asks for a prediction of constant latents at each step and reports what came back. */
async function* countingRun(graph: Graph, { start, branches, steps = 3, seen = [], shared }: RunOptions): Run {
  yield { type: 'started', steps };
  yield { type: 'staged', stage: 'denoising' };
  const latents = new Float32Array(8).fill(start);
  for (let step = 0; step < steps; step++) {
    const rows = branches.map((text) => ({
      sample: floats(latents, [1, 4, 1, 2]),
      timestep: floats(Float32Array.of(start * 100 - step), [1]),
      encoder_hidden_states: text,
    }));
    const answers = yield { type: 'call', graph, rows, shared, outputs: ['out_sample'], positions: 2 };
    seen.push(answers.map(({ out_sample }) => out_sample!.data));
    yield { type: 'stepped', step, steps, denoised: seen.at(-1)![0]!, shape };
  }
  return { width: 1, height: 1, data: new Uint8Array(3) };
}

function job(run: Run, changes: Partial<Job> = {}): Job & { events: RunEvent[] } {
  const events: RunEvent[] = [];
  const emit = async (event: RunEvent) => void events.push(event);
  return { run, signal: new AbortController().signal, emit, ...changes, events };
}

describe('the batcher', () => {
  test('answers the branches of one run in order, in one call or in a call for each', async () => {
    for (const [rows, calls] of [
      [8, [3]],
      [2, [2, 1]],
      [1, [1, 1, 1]],
    ] as const) {
      const graph = countingGraph();
      const seen: Float32Array[][] = [];
      const branches = [branch(10), branch(20), branch(30)];
      const run = countingRun(graph, { start: 1, branches, steps: 1, seen });
      await new Batcher({ rowsPerCall: rows }).drive(job(run));
      expect(graph.calls.map((call) => call.rows)).toEqual(calls);
      expect(seen[0]!.map((answer) => answer[7])).toEqual([11, 21, 31]);
    }
  });

  test('drives many runs at once, one call for a step of all, and gives each its own answer', async () => {
    const graph = countingGraph();
    const batcher = new Batcher({ rowsPerCall: 8 });
    const runs = [1, 2, 3].map((start) => ({ start, seen: [] as Float32Array[][] }));
    await Promise.all(
      runs.map(({ start, seen }) => batcher.drive(job(countingRun(graph, { start, branches: [branch(10)], seen })))),
    );
    expect(graph.calls.map((call) => call.rows)).toEqual([3, 3, 3]);
    expect(graph.calls[1]!.timesteps).toEqual([99, 199, 299]);
    for (const { start, seen } of runs) expect(seen.map(([answer]) => answer![0])).toEqual(Array(3).fill(start + 10));
  });

  test('lets runs join and leave between steps', async () => {
    const graph = countingGraph();
    const batcher = new Batcher({ rowsPerCall: 8 });
    let late: Promise<void> | undefined;
    graph.onCall = () => {
      late ??= batcher.drive(job(countingRun(graph, { start: 2, branches: [branch(1)], steps: 3 })));
    };
    await batcher.drive(job(countingRun(graph, { start: 1, branches: [branch(1)], steps: 3 })));
    await late;
    expect(graph.calls.map((call) => call.rows)).toEqual([1, 2, 2, 1]);
  });

  test('keeps apart what cannot share a call', async () => {
    const [graph, other, scalar] = [countingGraph(), countingGraph(), countingGraph([])];
    const batcher = new Batcher({ rowsPerCall: 8 });
    const start = (of: Graph, first: number, text: FloatTensor) =>
      batcher.drive(job(countingRun(of, { start: first, branches: [text], steps: 1 })));
    await Promise.all([
      start(graph, 1, branch(1)),
      start(graph, 1, branch(1, 2)),
      start(other, 1, branch(1)),
      start(scalar, 1, branch(1)),
      start(scalar, 2, branch(1)),
    ]);
    expect(graph.calls.map((call) => call.rows)).toEqual([1, 1]);
    expect(other.calls.map((call) => call.rows)).toEqual([1]);
    expect(scalar.calls.map((call) => call.timesteps)).toEqual([[100], [200]]);
  });

  test('runs share a call only with the same common inputs, which every call is fed', async () => {
    const graph = countingGraph();
    const lora: Row = { 'to_q.lora_down': floats(new Float32Array(2), [2, 1]) };
    const fed: string[][] = [];
    const { run } = graph;
    graph.run = (feeds) => {
      fed.push(Object.keys(feeds));
      return run(feeds);
    };
    const batcher = new Batcher({ rowsPerCall: 8 });
    const start = (shared?: Row) =>
      batcher.drive(job(countingRun(graph, { start: 1, branches: [branch(1)], steps: 1, ...(shared && { shared }) })));
    await Promise.all([start(lora), start(lora), start({ ...lora }), start()]);
    expect(graph.calls.map((call) => call.rows)).toEqual([2, 1, 1]);
    expect(fed.map((names) => names.includes('to_q.lora_down'))).toEqual([true, true, false]);
  });

  test('a graph with a fixed batch is given no more rows than that', async () => {
    const graph = countingGraph([1], 1);
    const run = countingRun(graph, { start: 1, branches: [branch(1), branch(2)], steps: 1 });
    await new Batcher({ rowsPerCall: 8 }).drive(job(run));
    expect(graph.calls.map((call) => call.rows)).toEqual([1, 1]);
  });

  test('reads a cancel that arrives while a graph runs before it begins the next step', async () => {
    const graph = countingGraph();
    const controller = new AbortController();
    // As a message does that arrives during a call: it is read in the next turn of the loop, not before.
    graph.onCall = () => {
      if (graph.calls.length === 2) setImmediate(() => controller.abort(new Error('enough')));
    };
    const run = countingRun(graph, { start: 1, branches: [branch(1)], steps: 10 });
    await expect(new Batcher().drive(job(run, { signal: controller.signal }))).rejects.toThrow('enough');
    expect(graph.calls).toHaveLength(2);
  });

  test('reads a cancel between the two calls of one guided step', async () => {
    const graph = countingGraph();
    const controller = new AbortController();
    graph.onCall = () => {
      setImmediate(() => controller.abort(new Error('enough')));
    };
    const run = countingRun(graph, { start: 1, branches: [branch(1), branch(2)], steps: 10 });
    const batcher = new Batcher({ rowsPerCall: 1 });
    await expect(batcher.drive(job(run, { signal: controller.signal }))).rejects.toThrow('enough');
    expect(graph.calls).toHaveLength(1);
  });

  test('ends a run that is cancelled between the calls of a trial, and goes on for those it shared them with', async () => {
    const graph = countingGraph();
    const controller = new AbortController();
    const done: string[] = [];
    // Two runs of a row each: a call for each, and one for both to compare.
    graph.onCall = () => {
      done.push(`call of ${graph.calls.at(-1)!.rows}`);
      setImmediate(() => controller.abort(new Error('enough')));
    };
    const batcher = new Batcher();
    const seen: Float32Array[][] = [];
    const going = job(countingRun(graph, { start: 2, branches: [branch(10)], steps: 2, seen }));
    const cancelled = batcher
      .drive(job(countingRun(graph, { start: 1, branches: [branch(10)] }), { signal: controller.signal }))
      .catch((error: Error) => done.push(error.message));
    await Promise.all([cancelled, batcher.drive(going)]);
    expect(done.slice(0, 4)).toEqual(['call of 1', 'enough', 'call of 1', 'call of 2']);
    expect(seen.map(([answer]) => answer![0])).toEqual([12, 12]);
    expect(graph.calls.slice(3).map(({ rows }) => rows)).toEqual([1]);
  });

  test('ends a run of many rows between any two of the calls that they are split into', async () => {
    const graph = countingGraph();
    const controller = new AbortController();
    graph.onCall = () => {
      if (graph.calls.length === 2) setImmediate(() => controller.abort(new Error('enough')));
    };
    const branches = Array.from({ length: 12 }, (_, text) => branch(text));
    const run = countingRun(graph, { start: 1, branches });
    const batcher = new Batcher({ rowsPerCall: 3 });
    await expect(batcher.drive(job(run, { signal: controller.signal }))).rejects.toThrow('enough');
    expect(graph.calls.map(({ rows }) => rows)).toEqual([3, 3]);
    // And nothing of it is left: the next run has the machine to itself.
    const next = job(countingRun(graph, { start: 1, branches: [branch(1)], steps: 1 }));
    await batcher.drive(next);
    expect(graph.calls.map(({ rows }) => rows)).toEqual([3, 3, 1]);
  });

  test('texts and pictures are read and decoded in calls that runs share, and take turns with steps', async () => {
    const [encoder, unet, decoder] = [countingGraph(), countingGraph(), countingGraph()];
    const order: string[] = [];
    for (const [name, graph] of Object.entries({ encode: encoder, step: unet, decode: decoder })) {
      graph.onCall = () => {
        clock += 10;
        order.push(`${name} ${graph.calls.at(-1)!.rows}`);
      };
    }
    /** One row for the text, one for each step, one for the picture. */
    const whole = async function* (text: number, steps: number): Run {
      const row = (value: number) => ({
        sample: floats(new Float32Array(8).fill(value), [1, 4, 1, 2]),
        timestep: floats(Float32Array.of(value), [1]),
        encoder_hidden_states: branch(text),
      });
      const call = (graph: Graph, value: number, positions: number) =>
        ({ type: 'call', graph, rows: [row(value)], outputs: ['out_sample'], positions }) as const;
      yield call(encoder, text, 0);
      for (let step = 0; step < steps; step++) yield call(unet, step, 2);
      yield call(decoder, text, 128);
      order.push(`drawn ${text}`);
      return { width: 1, height: 1, data: new Uint8Array(3) };
    };
    const batcher = new Batcher({ rowsPerCall: 8, now });
    await Promise.all([1, 2, 3].map((text) => batcher.drive(job(whole(text, 4)))));
    expect(order).toEqual(['encode 3', ...Array(4).fill('step 3'), 'decode 3', 'drawn 1', 'drawn 2', 'drawn 3']);

    order.length = 0;
    const long = batcher.drive(job(whole(4, 30)));
    const short = batcher.drive(job(whole(5, 2)));
    await Promise.all([long, short]);
    // The finished picture is decoded next, not when the other has taken its steps.
    const [decoded, drawn] = [order.indexOf('decode 1'), order.indexOf('drawn 5')];
    expect(order.slice(0, decoded).filter((entry) => entry.startsWith('step')).length).toBeLessThanOrEqual(4);
    expect(drawn).toBe(decoded + 1);
  });

  test('a run that fails leaves the others alone', async () => {
    const [graph, broken] = [countingGraph(), countingGraph()];
    broken.failing = true;
    const batcher = new Batcher();
    const good = job(countingRun(graph, { start: 1, branches: [branch(1)] }));
    const bad = batcher.drive(job(countingRun(broken, { start: 1, branches: [branch(1)] })));
    await Promise.all([expect(bad).rejects.toThrow('The graph broke.'), batcher.drive(good)]);
    expect(good.events.at(-1)?.type).toBe('finished');
    await turn();
    const next = job(countingRun(graph, { start: 1, branches: [branch(1)] }));
    await batcher.drive(next);
    expect(next.events.at(-1)?.type).toBe('finished');
  });

  test('counts the time of each stage', async () => {
    const graph = countingGraph();
    let ms = 0;
    graph.onCall = () => {
      ms += 20;
    };
    const timed = job(countingRun(graph, { start: 1, branches: [branch(1)], steps: 2 }));
    await new Batcher({ now: () => ms, rowsPerCall: 1 }).drive(timed);
    expect(timed.events.at(-1)).toMatchObject({
      type: 'finished',
      timings: { loadingMs: 0, encodingMs: 0, denoisingMs: 40, decodingMs: 0 },
    });
  });

  describe('a preview by a network', () => {
    /** Asks the graph for a picture of 1×1 and takes what comes. */
    const by = (graph: Graph): PreviewDecoder =>
      async function* (denoised) {
        const sample = floats(denoised, [1, 4, 1, 2]);
        const rows = [{ sample, timestep: floats(Float32Array.of(0), [1]), encoder_hidden_states: branch(1) }];
        const [seen] = yield { type: 'call', graph, rows, outputs: ['out_sample'], positions: 128 };
        return { width: 1, height: 1, data: Uint8Array.of(seen!.out_sample!.data[0]!, 0, 0) };
      };
    const source = { latentRgb: stableDiffusion.latents.rgb };

    test('is a call like any other: counted, charged, in its turn and shared', async () => {
      const [unet, decoder] = [countingGraph(), countingGraph()];
      const called: [Graph, number][] = [];
      let now = 0;
      for (const graph of [unet, decoder]) {
        graph.onCall = () => {
          now += graph === unet ? 10 : 30;
        };
      }
      const batcher = new Batcher({
        rowsPerCall: 8,
        now: () => now,
        onCalled: (graph, rows, ms) => called.push([graph, rows * 1000 + ms]),
      });
      const watched = [1, 2].map((start) =>
        job(countingRun(unet, { start, branches: [branch(3)], steps: 2 }), {
          previews: { every: 1, decoder: by(decoder), source },
          share: { key: 'watched', weight: 1 },
        }),
      );
      const order: string[] = [];
      const other = job(countingRun(countingGraph(), { start: 5, branches: [branch(1)], steps: 6 }), {
        share: { key: 'other', weight: 1 },
      });
      const [first] = watched;
      first!.emit = async (event) => {
        first!.events.push(event);
        order.push(`watched ${event.type}`);
      };
      other.emit = async (event) => void order.push(`other ${event.type}`);
      await Promise.all([...watched, other].map((each) => batcher.drive(each)));
      // Two rows in each call: both runs, and both previews.
      expect(called.filter(([graph]) => graph === decoder).map(([, figure]) => figure)).toEqual([2030, 2030]);
      const types = first!.events.map(({ type }) => type);
      expect(types).toEqual(['started', 'staged', 'stepped', 'previewed', 'stepped', 'previewed', 'finished']);
      expect(first!.events[3]).toMatchObject({ step: 0, pixels: { data: Uint8Array.of(5, 0, 0) } });
      // What the previews cost is work of their share, so the other one is ahead although it came last.
      expect(order.lastIndexOf('other stepped')).toBeLessThan(order.lastIndexOf('watched stepped'));
    });

    test.each([
      ['whose call fails', { failing: true }, by],
      ['whose numbers are none', { nothing: true }, by],
      [
        'that cannot be made',
        {},
        (): PreviewDecoder =>
          // biome-ignore lint/correctness/useYield: it fails before it asks
          async function* () {
            throw new Error('The tiny decoder is damaged.');
          },
      ],
    ])('%s is left out, told once, and the run goes on', async (_name, spoilt, decoderOf) => {
      const [unet, graph] = [countingGraph(), countingGraph()];
      Object.assign(graph, spoilt);
      const failures: unknown[] = [];
      const previews = {
        every: 1,
        decoder: decoderOf(graph),
        source,
        onFailed: (error: unknown) => failures.push(error),
      };
      const seen: Float32Array[][] = [];
      const watched = job(countingRun(unet, { start: 1, branches: [branch(4)], steps: 3, seen }), { previews });
      await new Batcher().drive(watched);
      expect(failures).toEqual([expect.any(Error)]);
      expect(watched.events.map(({ type }) => type)).toEqual([
        ...['started', 'staged', 'stepped', 'stepped', 'stepped', 'finished'],
      ]);
      expect(seen.map(([answer]) => answer![0])).toEqual([5, 5, 5]);
    });

    test('ends with its run when that is cancelled', async () => {
      const [unet, decoder] = [countingGraph(), countingGraph()];
      const controller = new AbortController();
      decoder.onCall = () => controller.abort(new Error('enough'));
      const previews = { every: 1, decoder: by(decoder), source, onFailed: () => expect.unreachable() };
      const watched = job(countingRun(unet, { start: 1, branches: [branch(4)] }), {
        previews,
        signal: controller.signal,
      });
      await expect(new Batcher().drive(watched)).rejects.toThrow('enough');
      expect(unet.calls).toHaveLength(1);
    });
  });

  test('a network that gives what is no number fails the run that asked, by name, and no other', async () => {
    const [good, bad] = [countingGraph(), countingGraph()];
    bad.nothing = true;
    const batcher = new Batcher();
    const ends = await Promise.allSettled(
      [good, bad].map((graph) => batcher.drive(job(countingRun(graph, { start: 1, branches: [branch(4)] })))),
    );
    expect(ends).toMatchObject([
      { status: 'fulfilled' },
      {
        status: 'rejected',
        reason: {
          code: 'inferenceError',
          message:
            'The unet of counting returned NaN or infinite values: its weights are damaged, or overflow half precision.',
        },
      },
    ]);
  });

  test('makes previews from what is believed in, only when they are due', async () => {
    const graph = countingGraph();
    const looked: number[] = [];
    const source = { latentRgb: stableDiffusion.latents.rgb };
    const previews: Job['previews'] = {
      every: 2,
      source,
      decoder: (denoised, width, height) => {
        looked.push(denoised[0]!);
        return previewDecoders.linear(denoised, width, height, source);
      },
    };
    const watched = job(countingRun(graph, { start: 1, branches: [branch(4)], steps: 5 }), { previews });
    await new Batcher().drive(watched);
    expect(looked).toEqual([5, 5, 5]);
    expect(watched.events.flatMap((event) => (event.type === 'previewed' ? event.step : []))).toEqual([1, 3, 4]);
  });

  /** A run on a graph of its own, whose calls take so long by `clock` and are written down in order. */
  function taking(order: string[], label: string, ms: number, steps: number, changes: Partial<Job> = {}) {
    const graph = countingGraph();
    graph.onCall = () => {
      order.push(label);
      clock += ms;
    };
    return job(countingRun(graph, { start: 1, branches: [branch(1)], steps }), changes);
  }
  let clock = 0;
  const now = () => clock;

  test('shares the machine by work and weight, not by turns or runs', async () => {
    const order: string[] = [];
    const batcher = new Batcher({ now });
    const share = (key: string, weight = 1) => ({ share: { key, weight } });
    await Promise.all([
      batcher.drive(taking(order, 'slow', 40, 100, share('slow'))),
      batcher.drive(taking(order, 'fast', 10, 100, share('fast'))),
      batcher.drive(taking(order, 'double', 10, 100, share('double', 2))),
      ...Array.from({ length: 5 }, () => batcher.drive(taking(order, 'greedy', 10, 20, share('greedy')))),
    ]);
    const early = order.slice(0, 170);
    const count = (label: string) => early.filter((other) => other === label).length;
    // Of 170 calls: 10 of 40 ms, 40 of 10 ms, twice as many for twice the weight, and 40 for five runs of one share.
    for (const [label, calls] of Object.entries({ slow: 10, fast: 40, double: 80, greedy: 40 })) {
      expect(Math.abs(count(label) - calls), label).toBeLessThanOrEqual(2);
    }
  });

  test('many runs of one share join calls, but do not get more steps by it than another share has', async () => {
    for (const exact of [true, false]) {
      let ms = 0;
      const graph = countingGraph();
      graph.onCall = () => {
        ms += 10 * graph.calls.at(-1)!.rows;
      };
      const batcher = new Batcher({ rowsPerCall: 8, exact, now: () => ms });
      const counted = { greedy: 0, modest: 0 };
      const start = (key: keyof typeof counted, first: number, steps: number) =>
        batcher.drive(
          job(countingRun(graph, { start: first, branches: [branch(1)], steps }), {
            share: { key, weight: 1 },
            emit: async (event) => {
              if (event.type === 'stepped') counted[key]++;
            },
          }),
        );
      const greedy = Array.from({ length: 12 }, (_, index) => start('greedy', 2 + index, 40));
      await start('modest', 1, 40);
      const greedyWhenDone = counted.greedy;
      await Promise.all(greedy);
      // Where a further row costs nothing, the seven places beside the modest run are for whoever wants them.
      if (exact) expect(Math.abs(greedyWhenDone - 40)).toBeLessThanOrEqual(8);
      else expect(greedyWhenDone).toBeGreaterThan(200);
    }
  });

  test("answers a newcomer next, and its share's runs from the oldest to the newest", async () => {
    const order: string[] = [];
    const batcher = new Batcher({ now });
    const share = { key: 'new', weight: 1 };
    let young: Promise<void>[] = [];
    const later = taking(order, 'd', 3, 12);
    const emit: Job['emit'] = async (event) => {
      if (event.type !== 'stepped' || event.step !== 5) return;
      order.push('come');
      young = ['1', '2', '3'].map((label) => batcher.drive(taking(order, label, 3, 2, { share })));
    };
    const old = ['a', 'b', 'c'].map((label) => batcher.drive(taking(order, label, 3, 12)));
    await Promise.all([...old, batcher.drive({ ...later, emit })]);
    await Promise.all(young);
    expect(order[order.indexOf('come') + 1]).toBe('1');
    expect(order.filter((label) => '123'.includes(label)).join('')).toBe('112233');
  });

  test('a run that is cancelled while others have their turn ends at once', async () => {
    const order: string[] = [];
    const batcher = new Batcher({ now });
    const share = { key: 'one', weight: 1 };
    const controller = new AbortController();
    const emit: Job['emit'] = async (event) => {
      if (event.type === 'stepped' && event.step === 4) controller.abort(new Error('enough'));
    };
    const first = batcher.drive({ ...taking(order, 'first', 5, 20, { share }), emit });
    const waiting = batcher.drive(taking(order, 'waiting', 5, 20, { share, signal: controller.signal }));
    await expect(waiting).rejects.toThrow('enough');
    expect(order.length).toBeLessThan(8);
    await first;
    expect(order).not.toContain('waiting');
  });

  test('a run that is cancelled while the news before a call leaves does not make that call', async () => {
    const graph = countingGraph();
    const controller = new AbortController();
    const publish = async () => {
      await turn();
      if (graph.calls.length === 2) controller.abort(new Error('enough'));
    };
    const batcher = new Batcher({ publish });
    const run = countingRun(graph, { start: 1, branches: [branch(1)], steps: 9 });
    await expect(batcher.drive(job(run, { signal: controller.signal }))).rejects.toThrow('enough');
    expect(graph.calls).toHaveLength(2);
  });

  test('a run with previews that is cancelled during a call makes no other', async () => {
    const graph = countingGraph();
    const controller = new AbortController();
    graph.onCall = () => {
      if (graph.calls.length === 2) controller.abort(new Error('enough'));
    };
    const previews = { every: 1, decoder: previewDecoders.linear, source: { latentRgb: stableDiffusion.latents.rgb } };
    const cancelled = job(countingRun(graph, { start: 1, branches: [branch(1)], steps: 9 }), {
      signal: controller.signal,
      previews,
    });
    await expect(new Batcher().drive(cancelled)).rejects.toThrow('enough');
    expect(graph.calls).toHaveLength(2);
    expect(cancelled.events.filter(({ type }) => type === 'previewed')).toHaveLength(1);
  });

  test('asks for the news to leave once before each call, with all that happened since the last one', async () => {
    const graph = countingGraph();
    const left: string[] = [];
    let events: string[] = [];
    const publish = async () => {
      left.push(`${graph.calls.length}: ${events.join(', ')}`);
      events = [];
    };
    const previews = { every: 1, decoder: previewDecoders.linear, source: { latentRgb: stableDiffusion.latents.rgb } };
    const run = countingRun(graph, { start: 1, branches: [branch(1)], steps: 2 });
    const emit: Job['emit'] = async ({ type }) => void events.push(type);
    await new Batcher({ publish }).drive({ ...job(run, { previews }), emit });
    expect(left).toEqual(['0: started, staged', '1: stepped, previewed']);
    expect(events).toEqual(['stepped', 'previewed', 'finished']);
  });

  test('a run that takes its time before it asks holds nobody up', async () => {
    const order: string[] = [];
    let release = () => {};
    const stepped = new Promise<void>((resolve) => {
      release = resolve;
    });
    const batcher = new Batcher();
    const reading = job(
      (async function* (): Run {
        await stepped;
        order.push('read');
        yield { type: 'staged', stage: 'encoding' };
        return { width: 1, height: 1, data: new Uint8Array(3) };
      })(),
    );
    // It would wait for ever if the other had to wait for it.
    await Promise.all([batcher.drive(reading), batcher.drive(taking(order, 'step', 2, 10)).then(release)]);
    expect(order.at(-1)).toBe('read');
  });

  test('texts that several runs wait for are read once', async () => {
    const graph = countingGraph();
    const heard: number[] = [];
    const reader = async function* (text: number): Run {
      const rows = [{ sample: floats(Float32Array.of(text, 0, 0, 0), [1, 4, 1, 1]), encoder_hidden_states: branch(1) }];
      const timestep = floats(Float32Array.of(1), [1]);
      const answers = yield {
        type: 'call',
        graph,
        rows: [{ ...rows[0], timestep }],
        outputs: ['out_sample'],
        positions: 0,
      };
      heard.push(answers[0]!.out_sample!.data[0]!);
      return { width: 1, height: 1, data: new Uint8Array(3) };
    };
    const batcher = new Batcher();
    await Promise.all([7, 7, 7, 8].map((text) => batcher.drive(job(reader(text)))));
    expect(heard.toSorted()).toEqual([8, 8, 8, 9]);
    // One call for each text, and one more to compare a call for both.
    expect(graph.calls.map(({ rows }) => rows)).toEqual([1, 1, 2]);
  });

  test('tells who is worked on', async () => {
    const told: string[][] = [];
    const names = new Map<Job, string>();
    const batcher = new Batcher({ onWorking: (jobs) => told.push(jobs.map((working) => names.get(working)!)) });
    const [graph, other] = [countingGraph(), countingGraph()];
    const starting = (name: string, of: Graph) => {
      const started = job(countingRun(of, { start: 1, branches: [branch(1)], steps: 2 }));
      names.set(started, name);
      return batcher.drive(started);
    };
    await Promise.all([starting('a', graph), starting('b', graph), starting('c', other)]);
    expect(told).toContainEqual(['a', 'b']);
    expect(told).toContainEqual(['c']);
  });
});
