import { setTimeout as sleep } from 'node:timers/promises';
import {
  type GenerateRequest,
  type Pixels,
  type RunEvent,
  type RunRequest,
  type Runtime,
  RuntimeError,
  type RuntimeStatus,
  type UpscaleRequest,
} from '../../runtime/index.ts';

export interface FakeRuntimeOptions {
  /** Milliseconds a step takes; default 2. */
  stepMs?: number;
  /** Whether an aborted run ends with its step, as in the real runtime, and not in the middle of it; default false. */
  wholeSteps?: boolean;
  /** Milliseconds the first run of each model spends loading, for each of two components; default 0. */
  loadingMs?: number;
  /** Awaited where a component is being loaded, and before each step: what a test has to see first, whatever it takes. */
  hold?: (at: { component?: string; step?: number }) => Promise<unknown> | undefined;
  /** Runs that fail, after `started`, with the error returned for their request. */
  failWith?: RuntimeError | ((request: GenerateRequest) => RuntimeError | undefined);
  /** Folders that fail with `modelUnavailable`. */
  brokenModels?: string[];
  /** Makes every picture this one colour, so that a test sees where a picture was drawn. */
  color?: readonly [red: number, green: number, blue: number];
  /** What `ready()` rejects with; such a runtime is `stopped`. */
  startError?: Error;
}

/** Repeats pixels, in four steps. */
async function* enlarge(
  { image, width, height }: UpscaleRequest,
  stepMs: number,
  signal: AbortSignal,
): AsyncGenerator<RunEvent, void, undefined> {
  const steps = 4;
  yield { type: 'started', steps };
  yield { type: 'staged', stage: 'denoising' };
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * image.height) / height) * image.width;
    for (let x = 0; x < width; x++) {
      const pixel = (row + Math.floor((x * image.width) / width)) * 3;
      data.set(image.data.subarray(pixel, pixel + 3), (y * width + x) * 3);
    }
  }
  for (let step = 0; step < steps; step++) {
    await sleep(stepMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    yield { type: 'stepped', step, steps };
  }
  yield {
    type: 'finished',
    pixels: { width, height, data },
    timings: { loadingMs: 0, encodingMs: 0, denoisingMs: steps * stepMs, decodingMs: 0 },
  };
}

/** A runtime without a process or a model, for tests of everything above it; it passes the suite of the real one. */
export interface FakeRuntime extends Runtime {
  /** Every request given to `generate`, in order. */
  readonly requests: readonly GenerateRequest[];
  /** Runs that were aborted, by index into `requests`. */
  readonly aborted: readonly number[];
  /** Steps really taken by each run, by index into `requests`. */
  readonly stepsTaken: readonly number[];
}

/**
 * A `Runtime` that draws bands and a disc whose colours and places come from model, prompt, negative prompt and seed,
 * out of noise that fades with the steps (image-to-image: out of the seed image). Equal requests give equal pictures.
 */
export function createFakeRuntime(options: FakeRuntimeOptions = {}): FakeRuntime {
  const {
    stepMs = 2,
    wholeSteps = false,
    loadingMs = 0,
    hold,
    failWith,
    brokenModels = [],
    color,
    startError,
  } = options;
  const requests: GenerateRequest[] = [];
  const aborted: number[] = [];
  const stepsTaken: number[] = [];
  const models = new Set<string>();
  let loading: RuntimeStatus['loading'];
  const closing = new AbortController();
  let last: Promise<void> = Promise.resolve();

  async function* generate(request: RunRequest, signal: AbortSignal): AsyncGenerator<RunEvent, void, undefined> {
    if (request.kind === 'upscale') return yield* enlarge(request, stepMs, signal);
    const index = requests.push(request) - 1;
    stepsTaken[index] = 0;
    // One run at a time, oldest first, as in the real runtime; an aborted run leaves the line at once.
    const turn = last;
    let release = () => {};
    last = turn.then(() => new Promise((resolve) => (release = resolve)));
    const interrupted = rejectOnAbort(AbortSignal.any([signal, closing.signal]), signal);
    try {
      await Promise.race([turn, interrupted]);
      yield* draw(request, index, interrupted);
    } catch (error) {
      if (signal.aborted && error === signal.reason) aborted.push(index);
      throw error;
    } finally {
      void turn.then(() => release());
    }
  }

  async function* draw(
    request: GenerateRequest,
    index: number,
    interrupted: Promise<never>,
  ): AsyncGenerator<RunEvent, void, undefined> {
    const { width, height, image, previews } = request;
    if (brokenModels.includes(request.model)) throw new RuntimeError('modelUnavailable', 'The model cannot be loaded.');
    for (const [parameter, value] of Object.entries({ width, height })) {
      if (value % 8 !== 0 || value < 8) {
        throw new RuntimeError('invalidParameter', `${parameter} must be a multiple of 8.`, { parameter });
      }
    }
    if (!Number.isInteger(request.steps) || request.steps < 1 || request.steps > 1000) {
      throw new RuntimeError('invalidParameter', 'steps must be between 1 and 1000.', { parameter: 'steps' });
    }
    if (request.scheduler === 'no such scheduler') {
      throw new RuntimeError('unsupportedParameter', 'Unknown scheduler.', { parameter: 'scheduler' });
    }
    const least = image?.strength === 0 ? 0 : 1;
    const steps = image ? Math.max(least, Math.floor(request.steps * image.strength)) : request.steps;
    yield { type: 'started', steps };
    const error = typeof failWith === 'function' ? failWith(request) : failWith;
    if (error) throw error;
    const timings = { loadingMs: 0, encodingMs: 0, denoisingMs: 0, decodingMs: 0 };
    if (!models.has(request.model)) {
      yield { type: 'staged', stage: 'loading' };
      try {
        for (const [done, component] of ['text_encoder', 'unet'].entries()) {
          const progress = { component, doneBytes: done * 1_000, ofBytes: 4_000 };
          loading = { model: request.model, ...progress };
          yield { type: 'loading', ...progress };
          await Promise.race([sleep(loadingMs), interrupted]);
          await Promise.race([hold?.({ component }), interrupted]);
        }
      } finally {
        loading = undefined;
      }
      models.add(request.model);
      timings.loadingMs = 2 * loadingMs;
    }
    yield { type: 'staged', stage: 'encoding' };
    yield { type: 'staged', stage: 'denoising' };
    const begun = performance.now();
    const whole = color
      ? flat(width, height, color)
      : image?.strength === 0
        ? image.pixels
        : paint(request, width, height);
    const small = previews && shrink(whole, 8);
    for (let step = 0; step < steps; step++) {
      await Promise.race([hold?.({ step }), interrupted]);
      if (wholeSteps) await sleep(stepMs);
      await Promise.race([sleep(wholeSteps ? 0 : stepMs), interrupted]);
      stepsTaken[index] = step + 1;
      yield { type: 'stepped', step, steps };
      if (previews && small && ((step + 1) % previews.every === 0 || step === steps - 1)) {
        yield { type: 'previewed', step, steps, pixels: blur(small, 1 - (step + 1) / steps, request.seed) };
      }
    }
    timings.denoisingMs = performance.now() - begun;
    yield { type: 'staged', stage: 'decoding' };
    yield { type: 'finished', pixels: whole, timings };
  }

  const runtime: FakeRuntime = {
    requests,
    aborted,
    stepsTaken,
    async ready() {
      if (startError) throw startError;
    },
    generate,
    status(): RuntimeStatus {
      const stopped = closing.signal.aborted || startError !== undefined;
      return {
        state: stopped ? 'stopped' : 'ready',
        provider: 'fake',
        providerReason: 'a test asked for it',
        restarts: 0,
        models: [...models],
        batches: [],
        ...(loading && { loading }),
      };
    },
    async close(graceMs = 0) {
      if (graceMs > 0) await Promise.race([last, sleep(graceMs)]);
      closing.abort(new RuntimeError('runtimeLost', 'The runtime was closed.'));
    },
    [Symbol.asyncDispose]: () => runtime.close(),
  };
  return runtime;
}

/** Rejects with the reason of the user's signal where that is aborted, else with the other's. */
function rejectOnAbort(either: AbortSignal, signal: AbortSignal): Promise<never> {
  const promise = new Promise<never>((_resolve, reject) => {
    const stop = () => reject(signal.aborted ? signal.reason : either.reason);
    if (either.aborted) stop();
    else either.addEventListener('abort', stop, { once: true });
  });
  // A run that ends without an abort leaves this promise unread.
  promise.catch(() => {});
  return promise;
}

/** FNV-1a over what decides the picture, then a small generator (mulberry32) of numbers in [0, 1). */
function randomOf(...parts: unknown[]): () => number {
  let hash = 0x811c9dc5;
  for (const char of parts.join('\0')) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  return () => {
    hash = (hash + 0x6d2b79f5) | 0;
    let value = Math.imul(hash ^ (hash >>> 15), 1 | hash);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

function paint(request: GenerateRequest, width: number, height: number): Pixels {
  const random = randomOf(request.model, request.prompt, request.negativePrompt, request.guidanceScale, request.seed);
  const [sky, ground, disc] = [0, 1, 2].map(() => [random(), random(), random()].map((value) => value * 255));
  const [x0, y0, radius] = [random() * width, random() * height, (0.15 + 0.2 * random()) * Math.min(width, height)];
  const data = new Uint8Array(width * height * 3);
  const { image } = request;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = (x - x0) ** 2 + (y - y0) ** 2 < radius ** 2;
      for (let channel = 0; channel < 3; channel++) {
        const down = y / height;
        const at = (y * width + x) * 3 + channel;
        let value = inside ? disc![channel]! : sky![channel]! * (1 - down) + ground![channel]! * down;
        if (image) value = value * image.strength + (image.pixels.data[at] ?? 0) * (1 - image.strength);
        data[at] = Math.round(value);
      }
    }
  }
  return { width, height, data };
}

function flat(width: number, height: number, color: readonly number[]): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let at = 0; at < data.length; at++) data[at] = color[at % 3]!;
  return { width, height, data };
}

function shrink(pixels: Pixels, factor: number): Pixels {
  const width = pixels.width / factor;
  const height = pixels.height / factor;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        data[(y * width + x) * 3 + channel] = pixels.data[(y * factor * pixels.width + x * factor) * 3 + channel]!;
      }
    }
  }
  return { width, height, data };
}

/** Mixes in noise: 1 is nothing else. */
function blur(pixels: Pixels, amount: number, seed: bigint): Pixels {
  const random = randomOf('noise', seed);
  const data = pixels.data.map((value) => Math.round(value * (1 - amount) + 255 * random() * amount));
  return { ...pixels, data };
}
