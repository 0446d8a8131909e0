import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Batcher, previewsOf } from '../../runtime/batcher.ts';
import { classifierFree, editing } from '../../runtime/families/guidance.ts';
import type { GenerateRequest, Pixels, RunEvent } from '../../runtime/index.ts';
import { denoise } from '../../runtime/pipelines/denoise.ts';
import { contextOf, generate as diffusion } from '../../runtime/pipelines/generate.ts';
import { ModelCache } from '../../runtime/pipelines/modelCache.ts';
import { findPreviewDecoder } from '../../runtime/previews/index.ts';
import type { Branch, Run } from '../../runtime/run.ts';
import { createScheduler } from '../../runtime/schedulers/index.ts';
import { createNoise } from '../../runtime/tensors/noise.ts';
import { modelsFolder, type Recorded, readGoldens, relativeError } from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';
import { writeRefiner } from '../helpers/refiner.ts';

const width = 96;
const height = 64;
const of = (name: string) => join(modelsFolder, name);

function modelCache() {
  const loaded: string[] = [];
  const opened = new ModelCache({
    provider: cpu,
    onLoaded: (path, component) => void loaded.push(`${basename(path)}/${component}`),
  });
  const run = async (changes: Partial<GenerateRequest> = {}) => {
    const request: GenerateRequest = {
      model: of('tiny-sd15'),
      prompt: 'a red potion on a blue table',
      negativePrompt: '',
      width,
      height,
      steps: 4,
      guidanceScale: 5,
      seed: 7n,
      ...changes,
    };
    const events: RunEvent[] = [];
    await opened.use(async () =>
      new Batcher().drive({
        previews: previewsOf(request, await opened.previewSource(request), findPreviewDecoder),
        run: diffusion(opened, request),
        signal: new AbortController().signal,
        emit: async (event) => void events.push(event),
      }),
    );
    return events;
  };
  const draw = async (changes: Partial<GenerateRequest> = {}): Promise<Pixels> => {
    const last = (await run(changes)).at(-1);
    if (last?.type !== 'finished') throw new Error('the last event is not finished');
    return last.pixels;
  };
  /** The linear look at the last latents: what one latent position holds shows in one pixel and nowhere else. */
  const look = async (changes: Partial<GenerateRequest>): Promise<Pixels> => {
    const shown = (await run({ ...changes, previews: { every: 100 } })).find((event) => event.type === 'previewed');
    if (shown?.type !== 'previewed') throw new Error('there was no preview');
    return shown.pixels;
  };
  return { opened, loaded, run, draw, look };
}

/** What the tests below share, so that each model is loaded once. Its UNets grow on the way by what some run needed. */
const shared = modelCache();

/** A picture with something to see in it; another for another number. */
function picture(number = 0): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let at = 0; at < data.length; at++) data[at] = (Math.sin(at * 0.013 * (number + 1)) * 0.5 + 0.5) * 255;
  return { width, height, data };
}

/** The left half keeps, the right half changes. */
const rightHalf = Uint8Array.from({ length: width * height }, (_, at) => (at % width >= width / 2 ? 255 : 0));

function difference(a: Pixels, b: Pixels, where: (x: number) => boolean = () => true): number {
  let most = 0;
  for (let at = 0; at < a.data.length; at++) {
    if (where(Math.floor(at / 3) % a.width)) most = Math.max(most, Math.abs(a.data[at]! - b.data[at]!));
  }
  return most;
}

// First, while nothing has been loaded.
describe('loading', () => {
  test('tells how far it is, before each network', async () => {
    const { run } = shared;
    const told = (await run()).filter((event) => event.type === 'loading');
    expect(told.map(({ component }) => component)).toEqual(['text_encoder', 'unet', 'vae_decoder']);
    expect(told[0]!.doneBytes).toBe(0);
    const { ofBytes } = told[0]!;
    expect(
      told.every((event, index) => event.ofBytes === ofBytes && event.doneBytes >= (told[index - 1]?.doneBytes ?? 0)),
    ).toBe(true);
    expect(told.at(-1)!.doneBytes).toBeLessThan(ofBytes);
    expect((await run()).filter((event) => event.type === 'loading')).toEqual([]);
  });
});

interface Trajectory {
  guidanceScale: number;
  imageGuidanceScale?: number;
  steps: number;
  initialNoise: Recorded;
  latents: Recorded[];
  maskAndMaskedLatents?: Recorded;
  imageLatents?: Recorded;
}

describe.each([
  ['tiny-sd15-inpaint', 'inpaint'],
  ['tiny-pix2pix', 'pix2pix'],
] as const)('every step of %s equals that of diffusers', (name, kind) => {
  test('with the recorded noise and picture', async () => {
    const goldens = readGoldens(name as never) as unknown as Record<typeof kind, Trajectory>;
    const { guidanceScale, imageGuidanceScale, steps, initialNoise, latents: expected, ...seen } = goldens[kind];
    const { opened } = shared;
    const model = await opened.model(of(name));
    const scheduler = createScheduler(model.configs.configs.scheduler, undefined, steps);
    const trajectory: Float32Array[] = [];
    const step = scheduler.step.bind(scheduler);
    scheduler.step = (...args) => {
      const next = step(...args);
      trajectory.push(next.latents);
      return next;
    };
    const request = { prompt: 'a red potion on a blue table, watercolor', negativePrompt: '' } as GenerateRequest;
    const channels = Float32Array.from((seen.maskAndMaskedLatents ?? seen.imageLatents)!.data);
    const shown = (branch: Branch, by: Float32Array): Branch => ({ ...branch, channels: by });
    async function* run(): Run {
      const loras = { key: '', loras: [] };
      const context = contextOf(opened, model, request, true, loras);
      const { positive, negative } = yield* model.configs.family.condition(context);
      const guidance =
        kind === 'pix2pix'
          ? editing(
              shown(positive, channels),
              shown(negative!, channels),
              shown(negative!, new Float32Array(channels.length)),
              guidanceScale,
              imageGuidanceScale!,
            )
          : classifierFree(shown(positive, channels), shown(negative!, channels), guidanceScale);
      const latents = Float32Array.from(initialNoise.data, (value) => value * scheduler.initNoiseSigma);
      const shape = { channels: 4, height: 8, width: 12 };
      const denoiser = await model.network('denoiser').graph();
      yield* denoise({ denoiser, scheduler, first: 0, latents, shape, noise: createNoise(0n), guidance });
      return { width: 0, height: 0, data: new Uint8Array() };
    }
    await new Batcher().drive({ run: run(), signal: new AbortController().signal, emit: async () => {} });
    expect(trajectory).toHaveLength(expected.length);
    trajectory.forEach((latents, index) => {
      expect(relativeError(latents, expected[index]!.data)).toBeLessThan(1e-3);
    });
  });
});

describe('inpainting', () => {
  const { draw, run, look } = shared;
  const image = { pixels: picture(), strength: 0.8 };

  test('a model not made for it keeps what the mask keeps, and changes the rest', async () => {
    const kept = await look({ image, mask: new Uint8Array(width * height) });
    const half = await look({ image, mask: rightHalf });
    const plain = await look({ image });
    expect(difference(half, kept, (x) => x < 6)).toBe(0);
    expect(difference(half, kept, (x) => x >= 6)).toBeGreaterThan(10);
    expect(difference(plain, kept, (x) => x < 6)).toBeGreaterThan(10);
  });

  test('at full strength the inside owes nothing to the picture', async () => {
    const full = { strength: 1 };
    const mask = new Uint8Array(width * height).fill(255);
    const [one, other] = [
      await draw({ image: { pixels: picture(), ...full }, mask }),
      await draw({ image: { pixels: picture(3), ...full }, mask }),
    ];
    expect(one).toEqual(other);
  });

  test('a model made for it sees the picture without what the mask hides', async () => {
    const model = of('tiny-sd15-inpaint');
    const changed = {
      ...picture(),
      data: picture().data.map((value, at) => (rightHalf[Math.floor(at / 3)] ? 0 : value)),
    };
    const strong = { strength: 1 };
    const seen = await draw({ model, image: { pixels: picture(), ...strong }, mask: rightHalf });
    expect(await draw({ model, image: { pixels: changed, ...strong }, mask: rightHalf })).toEqual(seen);
    expect(
      difference(await draw({ model, image: { pixels: picture(2), ...strong }, mask: rightHalf }), seen),
    ).toBeGreaterThan(2);
  });

  test('a model made for it draws from text alone, and from a picture without a mask', async () => {
    const model = of('tiny-sd15-inpaint');
    const text = await draw({ model });
    expect([text.width, text.height]).toEqual([width, height]);
    const events = await run({ model, image: { pixels: picture(), strength: 0.5 } });
    expect(events.filter(({ type }) => type === 'stepped')).toHaveLength(2);
  });

  test.each([
    [{ mask: rightHalf }, 'mask'],
    [{ image, mask: new Uint8Array(5) }, 'mask'],
  ])('refuses a mask that cannot be used (%#)', async (changes, parameter) => {
    await expect(draw(changes)).rejects.toMatchObject({ code: 'invalidParameter', parameter });
  });
});

test('refuses the shift of flow models where the model is none', async () => {
  await expect(shared.draw({ shift: 3 })).rejects.toMatchObject({ code: 'unsupportedParameter', parameter: 'shift' });
});

describe('a model that edits pictures', () => {
  const { draw, run, look } = shared;
  const model = of('tiny-pix2pix');
  const image = { pixels: picture(), strength: 0.3 };

  test('runs all steps and follows both scales', async () => {
    const events = await run({ model, image });
    expect(events.filter(({ type }) => type === 'stepped')).toHaveLength(4);
    const usual = await draw({ model, image });
    expect(await draw({ model, image, imageGuidanceScale: 1.5 })).toEqual(usual);
    expect(difference(await draw({ model, image, imageGuidanceScale: 4 }), usual)).toBeGreaterThan(2);
    expect(difference(await draw({ model, image: { ...image, pixels: picture(2) } }), usual)).toBeGreaterThan(2);
  });

  test('needs a picture, and other models refuse its second scale', async () => {
    await expect(draw({ model })).rejects.toMatchObject({ code: 'invalidParameter', parameter: 'image' });
    await expect(draw({ imageGuidanceScale: 2 })).rejects.toMatchObject({
      code: 'unsupportedParameter',
      parameter: 'imageGuidanceScale',
    });
  });

  test('keeps what a mask keeps', async () => {
    const kept = await look({ model, image, mask: new Uint8Array(width * height) });
    const half = await look({ model, image, mask: rightHalf });
    expect(difference(half, kept, (x) => x < 6)).toBe(0);
    expect(difference(half, kept, (x) => x >= 6)).toBeGreaterThan(10);
  });
});

describe('a second model', () => {
  const { draw, run } = shared;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'refiner-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each(['tiny-sd15', 'tiny-sdxl'])(
    'that is the same changes nothing, wherever it takes over (%s)',
    async (name) => {
      const model = of(name);
      const plain = await draw({ model });
      for (const startStep of [1, 3]) expect(await draw({ model, refiner: { model, startStep } })).toEqual(plain);
    },
  );

  test('that is another changes the rest of the steps, which are counted as one run', async () => {
    const other = join(folder, 'other');
    await cp(of('tiny-sd15'), other, { recursive: true });
    await cp(join(of('tiny-pix2pix'), 'text_encoder'), join(other, 'text_encoder'), { recursive: true });
    const refiner = { model: other, startStep: 2 };
    const events = await run({ refiner, scheduler: 'Heun' });
    expect(events.flatMap((event) => (event.type === 'stepped' ? event.step : []))).toEqual([0, 1, 2, 3]);
    expect(difference(await draw({ refiner }), await draw())).toBeGreaterThan(2);
    await expect(draw({ refiner: { ...refiner, startStep: 4 } })).rejects.toMatchObject({ parameter: 'refiner' });
  });

  test('may be a refiner, which has one text encoder and scores the picture', async () => {
    const [model, refined] = [of('tiny-sdxl'), join(folder, 'refiner')];
    await writeRefiner(refined);
    const plain = await draw({ model });
    const late = await draw({ model, refiner: { model: refined, startStep: 3 } });
    const early = await draw({ model, refiner: { model: refined, startStep: 1 } });
    expect(difference(late, plain)).toBeGreaterThan(0);
    expect(difference(early, plain)).toBeGreaterThan(difference(late, plain));
    // Also on its own, over a picture that is there.
    const image = { pixels: picture(), strength: 0.5 };
    expect(difference(await draw({ model: refined, image }), await draw({ model, image }))).toBeGreaterThan(2);
  });

  test.each(['tiny-sd21-v', 'tiny-sdxl', 'tiny-pix2pix'])('must work on the same latents (%s)', async (name) => {
    await expect(draw({ refiner: { model: of(name), startStep: 2 } })).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'refiner',
    });
  });
});

describe('another autoencoder', () => {
  let folder: string;
  const { draw } = shared;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vae-'));
    await cp(join(of('tiny-sd15'), 'vae'), join(folder, 'same'), { recursive: true });
    await cp(join(of('tiny-pix2pix'), 'vae'), join(folder, 'other'), { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('decodes and encodes in place of the own one', async () => {
    const image = { pixels: picture(), strength: 0.5 };
    const plain = await draw({ image });
    expect(await draw({ image, vae: join(folder, 'same') })).toEqual(plain);
    expect(difference(await draw({ image, vae: join(folder, 'other') }), plain)).toBeGreaterThan(2);
    await expect(draw({ vae: join(folder, 'none') })).rejects.toMatchObject({ code: 'modelUnavailable' });
  });
});

describe('LoRAs', () => {
  const { draw, loaded } = shared;
  const lora = (weight: number) => ({ path: of('tiny-sd15-lora.safetensors'), weight });

  test('change the picture by their weight, and are switched without loading anything again', async () => {
    const plain = await draw();
    const strong = await draw({ loras: [lora(0.75)] });
    expect(difference(strong, plain)).toBeGreaterThan(2);
    const count = loaded.length;
    expect(difference(await draw({ loras: [lora(0)] }), plain)).toBeLessThanOrEqual(1);
    expect(difference(await draw({ loras: [lora(0.5), lora(0.25)] }), strong)).toBeLessThanOrEqual(1);
    expect(difference(await draw(), plain)).toBeLessThanOrEqual(1);
    expect(loaded).toHaveLength(count);
    // The UNet once without and once with room for LoRAs.
    expect(loaded.filter((component) => component === 'tiny-sd15/unet')).toHaveLength(2);
  });

  test('of another family are refused by name of the parameter', async () => {
    await expect(draw({ loras: [{ path: of('tiny-sdxl-lora.safetensors'), weight: 1 }] })).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'loras',
    });
    const sdxl = await draw({ model: of('tiny-sdxl') });
    const changed = await draw({
      model: of('tiny-sdxl'),
      loras: [{ path: of('tiny-sdxl-lora.safetensors'), weight: 0.75 }],
    });
    expect(difference(changed, sdxl)).toBeGreaterThan(2);
  });
});

describe('ControlNets', () => {
  const { draw, loaded } = shared;
  const control = (changes = {}) => ({
    model: of('tiny-sd15-controlnet'),
    pixels: picture(1),
    weight: 1,
    startStep: 0,
    endStep: 4,
    mode: 'balanced' as const,
    ...changes,
  });

  test('hold the picture to the guide image, by weight, steps and mode', async () => {
    const plain = await draw();
    const held = await draw({ controlNets: [control()] });
    expect(difference(held, plain)).toBeGreaterThan(2);
    const count = loaded.length;
    expect(difference(await draw({ controlNets: [control({ weight: 0 })] }), plain)).toBeLessThanOrEqual(1);
    expect(difference(await draw(), plain)).toBeLessThanOrEqual(1);
    for (const changes of [
      { pixels: picture(2) },
      { startStep: 2 },
      { endStep: 2 },
      { mode: 'prompt' },
      { mode: 'controlnet' },
    ]) {
      expect(await draw({ controlNets: [control(changes)] })).not.toEqual(held);
    }
    expect(loaded).toHaveLength(count);
  });

  test('add up', async () => {
    const one = await draw({ controlNets: [control({ weight: 0.8 })] });
    const two = await draw({ controlNets: [control({ weight: 0.5 }), control({ weight: 0.3 })] });
    expect(difference(one, two)).toBeLessThanOrEqual(1);
  });

  test('act in image-to-image and with LoRAs too, and refuse guide images of another size', async () => {
    const image = { pixels: picture(), strength: 0.5 };
    const loras = [{ path: of('tiny-sd15-lora.safetensors'), weight: 1 }];
    const without = await draw({ image, loras });
    expect(difference(await draw({ image, loras, controlNets: [control()] }), without)).toBeGreaterThan(2);
    const pixels = { width: 8, height: 8, data: new Uint8Array(192) };
    await expect(draw({ controlNets: [control({ pixels })] })).rejects.toMatchObject({ parameter: 'controlNets' });
  });
});

describe('files that are replaced', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'replaced-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('are read anew by the next run: a LoRA, and a part of a model', async () => {
    const { draw } = shared;
    const lora = join(folder, 'lora.safetensors');
    await cp(of('tiny-sd15-lora.safetensors'), lora);
    const loras = [{ path: lora, weight: 1 }];
    const first = await draw({ loras });
    // Another file of the same layers: half of what the first one adds.
    const bytes = await readFile(lora);
    const header = Number(bytes.readBigUInt64LE(0));
    const values = new Float32Array(new Uint8Array(bytes.subarray(8 + header)).buffer);
    const halved = Buffer.concat([
      bytes.subarray(0, 8 + header),
      Buffer.from(values.map((value) => value * 0.7).buffer),
    ]);
    await writeFile(lora, halved);
    const second = await draw({ loras });
    expect(second).not.toEqual(first);

    const model = join(folder, 'model');
    await cp(of('tiny-sd15'), model, { recursive: true });
    const before = await draw({ model });
    const vae = join(model, 'vae');
    await rm(vae, { recursive: true });
    await cp(join(of('tiny-pix2pix'), 'vae'), vae, { recursive: true });
    expect(difference(await draw({ model }), before)).toBeGreaterThan(2);
  });
});
