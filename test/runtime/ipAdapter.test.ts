import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Batcher } from '../../runtime/batcher.ts';
import { openCheckpoint } from '../../runtime/checkpoints/checkpoint.ts';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { openImagePrompts } from '../../runtime/checkpoints/imagePrompts.ts';
import { sdStyle, weightAt, xlStyle } from '../../runtime/families/imageWeights.ts';
import { croppedPixels, crossAttentionsOf, imageRow } from '../../runtime/families/ipAdapter.ts';
import type { StoredTensors } from '../../runtime/files/safetensors.ts';
import { adapterShape } from '../../runtime/graphs/ipAdapter.ts';
import type { GenerateRequest, ImagePromptRequest, ImageWeightType, Pixels, RunEvent } from '../../runtime/messages.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { openWritten } from '../../runtime/onnx/openWritten.ts';
import { generate } from '../../runtime/pipelines/generate.ts';
import { Scales } from '../../runtime/process/needs.ts';
import type { Outputs, Run } from '../../runtime/run.ts';
import { floats, type Tensor } from '../../runtime/tensors/tensor.ts';
import { modelFolder, modelsFolder, readGoldens } from '../helpers/goldens.ts';
import { cpu, expectClose, unetFeeds } from '../helpers/graphs.ts';
import { readIpAdapterGoldens } from '../helpers/ipAdapterGoldens.ts';
import { openComponent } from '../helpers/openComponent.ts';
import { readContents, writeSafetensors } from '../helpers/singleFile.ts';
import { drawn, drive, largestDifference, openModels, readPixels } from '../helpers/trajectories.ts';

const goldens = readIpAdapterGoldens();
const root = join(modelsFolder, 'tiny-ip-adapter');
const all = Object.values(goldens.adapters);
const adapters = all.flatMap(({ model, files }) => Object.values(files).map((each) => ({ model, ...each })));

/** The embedder of an adapter, and what its encoder gives of some pictures. */
async function openAdapter(file: string) {
  const { kind, encoder, embedder, size } = await openImagePrompts(join(root, file));
  const written = kind.writeEncoder(encoder.config, encoder.tensors, {});
  const shows = await openWritten(written, 'encoder', cpu);
  const embeds = await openWritten(kind.writeEmbedder({}, embedder.tensors, {}), 'embedder', cpu);
  const { input } = adapterShape(embedder.tensors)!;
  const show = async (pixels: Tensor) => (await shows.run({ pixel_values: pixels }, [input]))[input]!;
  const embed = (states: Tensor) => embeds.run({ [input]: states }) as Promise<Outputs>;
  const tokensOf = async (image: string) => embed(await show(croppedPixels(await readPixels(image), size)));
  return { size, input, show, embed, tokensOf };
}

describe('what is read of a picture', () => {
  test.each(
    Object.entries(goldens.preprocessed).flatMap(([encoder, images]) =>
      Object.entries(images).map(([image, expected]) => ({ encoder, image, expected })),
    ),
  )('$image is shown to $encoder as Pillow shrinks and crops it', async ({ image, expected }) => {
    const { data, dims } = croppedPixels(await readPixels(image), expected.shape.at(-1)!);
    expect(dims).toEqual(expected.shape);
    // One byte is 0.0146.
    const largest = data.reduce((most, value, at) => Math.max(most, Math.abs(value - expected.data[at]!)), 0);
    expect(largest).toBeLessThan(1e-4);
  });

  test.each(adapters)('$file makes the tokens that PyTorch makes', async (expected) => {
    const { size, input, show, embed } = await openAdapter(expected.file);
    const states = await show(croppedPixels(await readPixels(expected.image), size));
    expectClose(states, (expected.imageEmbeds ?? expected.penultimateHiddenStates)!);
    expectClose((await embed(states)).image_tokens, expected.imageTokens);
    const nothing = floats(new Float32Array(3 * size * size), [1, 3, size, size]);
    const unseen =
      input === 'hidden_states'
        ? await show(nothing)
        : floats(new Float32Array(expected.imageEmbeds!.data.length), [1, expected.imageEmbeds!.data.length]);
    if (expected.negativePenultimateHiddenStates) expectClose(unseen, expected.negativePenultimateHiddenStates);
    expectClose((await embed(unseen)).image_tokens, expected.negativeImageTokens);
  });
});

describe.each(all)('the UNet of $model', ({ model, crossAttentionOrder, files, ...more }) => {
  const folder = modelFolder(model);
  let graph: Graph;
  let tensors: StoredTensors;
  let feeds: Record<string, Tensor>;
  beforeAll(async () => {
    const checkpoint = await openCheckpoint(folder);
    const source = await checkpoint.component('denoiser');
    if (source.kind !== 'safetensors') throw new Error('It was exported.');
    ({ tensors } = source);
    const written = checkpoint.family.networks.denoiser.write(source.config, tensors, { imageAdapters: 2 });
    graph = await openWritten(written, 'unet', cpu);
    const encoders = [];
    for (const each of ['text_encoder', 'text_encoder_2'] as const) {
      if (checkpoint.components.includes(each)) encoders.push(await openComponent(folder, each, cpu));
    }
    feeds = await unetFeeds(readGoldens(model), encoders[0]!, encoders[1]);
  });
  afterAll(() => graph.close());

  /** What adapters add, one after the other; the scale of diffusers is that of the values alone. */
  async function outputOf(...acting: { file: string; images: string[]; scaleOf: (path: string) => number }[]) {
    const attentions = crossAttentionsOf(tensors);
    const row: Record<string, Tensor> = { ...feeds };
    for (const i of [0, 1]) {
      const { file, images, scaleOf } = acting[i] ?? { images: [], scaleOf: () => 0 };
      const adapter = file === undefined ? undefined : await openAdapter(file);
      const tokens: Outputs[] = [];
      for (const image of images) tokens.push(await adapter!.tokensOf(image));
      if (tokens.length === 0) tokens.push(nothingFor(attentions));
      const weights = attentions.map(({ path }) => scaleOf(path));
      Object.assign(row, imageRow(i, attentions, tokens, weights, 'only_v'));
    }
    return (await graph.run(row)).out_sample;
  }
  const nothingFor = (attentions: ReturnType<typeof crossAttentionsOf>): Outputs =>
    Object.fromEntries(
      attentions.flatMap(({ number, channels }) =>
        ['keys', 'values'].map((which) => [`${which}.${number}`, floats(new Float32Array(channels), [1, 1, channels])]),
      ),
    );

  test('has its cross attentions in the order in which adapters number them', () => {
    expect(crossAttentionsOf(tensors).map(({ number, path }) => [number, path])).toEqual(crossAttentionOrder);
  });

  test.each(Object.values(files))('sees a picture through $file as diffusers has it', async (each) => {
    const output = await outputOf({ ...each, images: [each.image], scaleOf: () => each.scale });
    expectClose(output, each.unetOutput);
  });

  test('is to the bit what it is without inputs for adapters where none acts', async () => {
    const plain = await openComponent(folder, 'denoiser', cpu);
    expect(await outputOf()).toEqual((await plain.run(feeds)).out_sample);
    await plain.close();
  });

  test('sees two pictures through one adapter', async () => {
    const { file, images, scale, unetOutput } = more.oneAdapterTwoImages;
    const path = files[file]!.file;
    expectClose(await outputOf({ file: path, images, scaleOf: () => scale }), unetOutput);
  });

  // The references have this case for SD 1.5 only.
  test.runIf(more.twoAdapters)('sees a picture through each of two adapters', async () => {
    const { files: names, images, scales, unetOutput } = more.twoAdapters!;
    const acting = names.map((name, at) => ({
      file: files[name]!.file,
      images: [images[at]!],
      scaleOf: () => scales[at]!,
    }));
    expectClose(await outputOf(...acting), unetOutput);
  });

  // The references have this case for XL only.
  test.runIf(more.scalePerBlock)('sees a picture at each attention as much as a scale says', async () => {
    const { file, image, scaleOfEachAttention, unetOutput } = more.scalePerBlock!;
    const scaleOf = (path: string) => scaleOfEachAttention[path]!;
    expectClose(await outputOf({ file: files[file]!.file, images: [image], scaleOf }), unetOutput);
  });
});

/** Values of ComfyUI_IPAdapter_plus for a weight of 0.8 and a composition of 0.5: IPAdapterPlus.py and CrossAttentionPatch.py. */
describe('weight types', () => {
  const weightsOf = (weightType: ImageWeightType, layout: typeof sdStyle, down: number, up: number) => {
    const count = down + 1 + up;
    const request = { weight: 0.8, weightType, weightComposition: 0.5 };
    return Array.from({ length: count }, (_, at) => {
      const part = at < down ? 'down' : at === down ? 'mid' : 'up';
      return Number(weightAt(request, layout, { at, count, part }).toFixed(4));
    });
  };
  const of = (count: number, value: number) => new Array<number>(count).fill(value);
  test.each<[ImageWeightType, number[]]>([
    ['normal', of(11, 0.8)],
    ['ease_in', [0.8, 0.7309, 0.6618, 0.5927, 0.5236, 0.4545, 0.3855, 0.3164, 0.2473, 0.1782, 0.1091]],
    ['ease_out', [0.04, 0.1091, 0.1782, 0.2473, 0.3164, 0.3855, 0.4545, 0.5236, 0.5927, 0.6618, 0.7309]],
    ['ease_in_out', [0.04, 0.1782, 0.3164, 0.4545, 0.5927, 0.7309, 0.7309, 0.5927, 0.4545, 0.3164, 0.1782]],
    ['weak_input', [...of(4, 0.16), ...of(7, 0.8)]],
    ['weak_middle', [...of(4, 0.8), 0.16, ...of(6, 0.8)]],
    ['weak_output', [...of(5, 0.8), ...of(6, 0.16)]],
    ['strong_middle', [...of(4, 0.16), 0.8, ...of(6, 0.16)]],
    ['style_transfer', [...of(6, 0), 0.8, ...of(4, 0)]],
    ['composition', [...of(3, 0), 0.8, ...of(7, 0)]],
    ['strong_style_transfer', [...of(3, 0.8), 0, ...of(7, 0.8)]],
    ['style_and_composition', [...of(3, 0), 0.5, 0, 0, 0.8, ...of(4, 0)]],
    ['strong_style_and_composition', [...of(3, 0.8), 0.5, ...of(7, 0.8)]],
  ])('%s at the 11 transformers of Stable Diffusion XL', (weightType, expected) => {
    expect(weightsOf(weightType, xlStyle, 4, 6)).toEqual(expected);
  });
  test.each<[ImageWeightType, number[]]>([
    ['weak_middle', [...of(6, 0.8), 0.16, ...of(9, 0.8)]],
    ['style_transfer', [...of(4, 0.8), ...of(5, 0), ...of(7, 0.8)]],
    ['composition', [...of(4, 0), 0.2, 0.8, ...of(10, 0)]],
    ['strong_style_transfer', [...of(4, 0.8), 0, 0, ...of(10, 0.8)]],
    ['style_and_composition', [...of(4, 0.8), 0.125, 0.5, ...of(3, 0), ...of(7, 0.8)]],
    ['strong_style_and_composition', [...of(4, 0.8), 0.5, 0.5, ...of(10, 0.8)]],
  ])('%s at the 16 transformers of Stable Diffusion 1.5', (weightType, expected) => {
    expect(weightsOf(weightType, sdStyle, 6, 9)).toEqual(expected);
  });
});

test('each kind of scaling multiplies the weight into what it says', () => {
  const attention = { path: 'a.attn2', number: 1, channels: 2, part: 'down' as const, at: 0 };
  const tokens = {
    'keys.1': floats(Float32Array.of(1, 2, 3, 4), [1, 2, 2]),
    'values.1': floats(Float32Array.of(5, 6, 7, 10), [1, 2, 2]),
  };
  const scaled = (scaling: ImagePromptRequest['embedScaling'], weight: number) => {
    const row = imageRow(0, [attention], [tokens], [weight], scaling);
    return ['keys', 'values'].map((which) => Array.from(row[`a.attn2.image_${which}.0`]!.data as Float32Array));
  };
  expect(scaled('only_v', 0.5)).toEqual([
    [1, 2, 3, 4],
    [2.5, 3, 3.5, 5],
  ]);
  expect(scaled('kv', 0.5)).toEqual([
    [0.5, 1, 1.5, 2],
    [2.5, 3, 3.5, 5],
  ]);
  expect(scaled(undefined, 0.5)).toEqual(scaled('kv', 0.5));
  // The weight times 2 channels / 1280: 0.5.
  expect(scaled('kv_penalty_c', 320)).toEqual(scaled('kv', 0.5));
  // Means of the values are 6 and 8.
  expect(scaled('k_mean_v_penalty_c', 320)).toEqual([
    [0.5, 1, 1.5, 2],
    [2, 2, 4, 6],
  ]);
  for (const scaling of ['only_v', 'kv', 'k_mean_v_penalty_c'] as const) {
    expect(scaled(scaling, 0)[1]).toEqual([0, 0, 0, 0]);
  }
});

describe('a whole run', () => {
  const modelCache = openModels();
  const plain = adapters.find(({ file }) => file === 'models/ip-adapter_sd15.safetensors')!;
  const plus = adapters.find(({ file }) => file === 'models/ip-adapter-plus_sd15.safetensors')!;
  let first: Pixels;
  let second: Pixels;
  beforeAll(async () => {
    [first, second] = [await readPixels('ip-adapter-image-1.png'), await readPixels('ip-adapter-image-2.png')];
  });

  const request: GenerateRequest = {
    model: modelFolder('tiny-sd15'),
    prompt: 'a red potion',
    negativePrompt: '',
    width: 96,
    height: 64,
    steps: 2,
    guidanceScale: 7.5,
    seed: 5n,
  };
  const promptOf = (more: Partial<ImagePromptRequest> = {}): ImagePromptRequest => ({
    model: join(root, plain.file),
    pictures: [first],
    weight: 0.6,
    ...more,
  });
  const draw = (...imagePrompts: ImagePromptRequest[]) => drawn(modelCache, { ...request, imagePrompts });

  test.each(adapters.filter(({ picture }) => picture))(
    'draws the picture that diffusers draws with $file',
    async (each) => {
      const { picture, image, model, file } = each;
      const { prompt, negativePrompt, steps, guidanceScale, width, height } = picture!;
      const pixels = await drawn(modelCache, {
        ...{ prompt, negativePrompt, steps, guidanceScale, width, height },
        model: modelFolder(model),
        seed: BigInt(picture!.seed),
        imagePrompts: [
          {
            model: join(root, file),
            pictures: [await readPixels(image)],
            weight: picture!.scale,
            embedScaling: 'only_v',
          },
        ],
      });
      expect(largestDifference(pixels, await readPixels(picture!.image))).toBeLessThanOrEqual(2);
    },
  );

  test('reads a picture once, whatever the seed and the weight', async () => {
    const calls = async (seed: bigint, weight: number, pictures = [first]) => {
      const made: string[] = [];
      const run = generate(modelCache, { ...request, seed, imagePrompts: [promptOf({ pictures, weight })] });
      await drive(told(run, made));
      return made.filter((label) => /image_/.test(label));
    };
    const other = { ...second, data: second.data.map((value) => 255 - value) };
    expect(await calls(1n, 0.5, [other])).toHaveLength(2);
    expect(await calls(2n, 0.5, [other])).toEqual([]);
    expect(await calls(2n, -0.3, [other])).toEqual([]);
    // The same adapter, so what the unconditional branch sees is known.
    expect(await calls(2n, -0.3, [{ ...other, data: other.data.map((value) => value ^ 1) }])).toHaveLength(2);
  });

  test('weights change the picture and load no graph', async () => {
    const loaded: string[] = [];
    const own = openModels(loaded);
    const seen = new Set<string>();
    for (const weight of [0.3, 1, -0.5]) {
      const pixels = await drawn(own, { ...request, imagePrompts: [promptOf({ weight })] });
      seen.add(Buffer.from(pixels.data).toString('base64'));
    }
    expect(seen.size).toBe(3);
    expect(loaded.filter((name) => name === 'unet')).toHaveLength(1);
    const none = await drawn(own, { ...request, imagePrompts: [promptOf({ weight: 0 })] });
    expect(none).toEqual(await drawn(own, request));
    expect(loaded.filter((name) => name === 'unet')).toHaveLength(1);
  });

  test('adapters of one encoder share it', async () => {
    const [one, other] = await Promise.all([plain, plus].map(({ file }) => modelCache.imagePrompts(join(root, file))));
    expect(one!.encoder).toBe(other!.encoder);
    expect(one!.embedder).not.toBe(other!.embedder);
  });

  test('several pictures are combined as the request says', async () => {
    const pictures = [first, second];
    const drawnBy = new Set<string>();
    for (const combineMethod of ['concat', 'add', 'subtract', 'average', 'norm_average'] as const) {
      drawnBy.add(Buffer.from((await draw(promptOf({ pictures, combineMethod }))).data).toString('base64'));
    }
    expect(drawnBy.size).toBe(5);
    // The average of equal pictures is each of them, and so are their tokens side by side; their difference is nothing.
    const alone = await draw(promptOf());
    for (const combineMethod of ['average', 'concat'] as const) {
      const same = await draw(promptOf({ pictures: [first, first], combineMethod }));
      expect(largestDifference(same, alone)).toBeLessThanOrEqual(1);
    }
    expect(await draw(promptOf({ combineMethod: 'subtract' }))).toEqual(alone);
  });

  test('weight types act on the layers that they name', async () => {
    const seen = new Set<string>();
    for (const weightType of ['normal', 'ease_in', 'style_transfer', 'composition', 'style_and_composition'] as const) {
      seen.add(Buffer.from((await draw(promptOf({ weightType }))).data).toString('base64'));
    }
    expect(seen.size).toBe(5);
    expect(await draw(promptOf({ weightType: 'strong_middle', weight: 0 }))).toEqual(await drawn(modelCache, request));
  });

  test('acts together with LoRAs, ControlNets, DeepCache and a mask', async () => {
    const loras = [{ path: join(modelsFolder, 'tiny-sd15-lora.safetensors'), weight: 0.7 }];
    const { width, height } = request;
    const pixels = { width, height, data: new Uint8Array(width * height * 3).fill(90) };
    const controlNets = [
      {
        model: join(modelsFolder, 'tiny-sd15-controlnet'),
        pixels,
        weight: 1,
        startStep: 0,
        endStep: 6,
        mode: 'balanced' as const,
      },
    ];
    const mask = new Uint8Array(width * height).fill(255, 0, (width * height) / 2);
    const all: GenerateRequest = {
      ...{ ...request, steps: 6, loras, controlNets, mask },
      image: { pixels, strength: 0.9 },
      deepCache: { interval: 2, startStep: 0, endStep: 6 },
    };
    const without = await drawn(modelCache, all);
    const seen = await drawn(modelCache, { ...all, imagePrompts: [promptOf({ weight: 1 })] });
    expect(largestDifference(seen, without)).toBeGreaterThan(10);
    // Graphs of their own, which have no inputs for adapters.
    expect(without).toEqual(await drawn(openModels(), all));
    const nothing = await drawn(modelCache, { ...all, imagePrompts: [promptOf({ weight: 0 })] });
    expect(nothing).toEqual(without);
  });

  test('shares calls with other runs, which draw what they draw alone', async () => {
    const asked: GenerateRequest[] = [
      { ...request, imagePrompts: [promptOf()] },
      { ...request, seed: 6n, imagePrompts: [promptOf({ pictures: [second], weight: 1, weightType: 'ease_in' })] },
      { ...request, seed: 7n, imagePrompts: [promptOf({ model: join(root, plus.file) })] },
      { ...request, seed: 8n },
      { ...request, seed: 9n },
    ];
    const alone: Pixels[] = [];
    for (const each of asked) alone.push(await drawn(modelCache, each));
    const rows: number[] = [];
    const batcher = new Batcher({
      rowsPerCall: 4,
      onCalled: (graph, count) => graph.label.endsWith('unet') && rows.push(count),
    });
    const together = await Promise.all(
      asked.map(async (each) => {
        let pixels: Pixels | undefined;
        const emit = async (event: RunEvent) => {
          if (event.type === 'finished') ({ pixels } = event);
        };
        const run = generate(modelCache, each);
        await modelCache.use(() => batcher.drive({ run, signal: new AbortController().signal, emit }));
        return pixels;
      }),
    );
    expect(together).toEqual(alone);
    // As many tokens: another picture and weight through the same adapter or one like it. Not the resampler's, nor none.
    expect(rows.filter((count) => count === 4).length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...rows)).toBe(4);
  });

  test('where its networks take turns, an encoder is loaded only for a picture that is new', async () => {
    const loaded: string[] = [];
    // Nothing fits beside another.
    const tight = openModels(loaded, { limitBytes: 1, usedBytes: () => 0 });
    const asked = { ...request, imagePrompts: [promptOf()] };
    expect(await drawn(tight, asked)).toEqual(await drawn(modelCache, asked));
    expect(loaded).toEqual(['text_encoder', 'image_encoder', 'image_embedder', 'unet', 'vae_decoder']);
    loaded.length = 0;
    await drawn(tight, { ...asked, seed: 77n });
    expect(loaded).toEqual(['unet', 'vae_decoder']);
  });

  test('refuses an adapter of another architecture with what differs', async () => {
    const xl = join(root, 'sdxl_models/ip-adapter_sdxl_vit-h.safetensors');
    await expect(draw(promptOf({ model: xl }))).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'imagePrompts',
      message:
        'ip-adapter_sdxl_vit-h.safetensors is an IP-Adapter for another architecture: it is for 28 cross attentions and text states of 80 channels, but this model has 16 and 32.',
    });
    await expect(draw(promptOf({ weight: 3 }))).rejects.toMatchObject({
      code: 'invalidParameter',
      message: 'The weight of an image prompt for this model must be from -2 to 2.',
    });
  });
});

/** The same run, and the labels of the graphs that it calls. */
async function* told(run: Run, labels: string[]): Run {
  let answer: Outputs[] = [];
  for (;;) {
    const { done, value } = await run.next(answer);
    if (done) return value;
    if (value.type === 'call') labels.push(value.graph.label);
    answer = yield value;
  }
}

describe('files', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ip-adapter-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each(adapters)('$file finds the encoder of its size, as published', async ({ file, imageEncoder }) => {
    expect(await describeModel(join(root, file))).toMatchObject({
      kind: 'ipAdapter',
      available: true,
      precision: 'float16',
      reason: 'It uses the files model.safetensors.',
    });
    const { partFiles } = await openImagePrompts(join(root, file));
    expect(partFiles).toEqual([join(root, imageEncoder, 'model.safetensors')]);
  });

  test('says which encoder is missing, and finds it in clip_vision/', async () => {
    const [own, encoders] = [join(folder, 'ip_adapter'), join(folder, 'clip_vision')];
    for (const each of [own, encoders]) await mkdir(each);
    const file = join(own, 'ip-adapter_sd15.safetensors');
    await cp(join(root, 'models/ip-adapter_sd15.safetensors'), file);
    expect(await describeModel(file)).toMatchObject({
      kind: 'ipAdapter',
      available: false,
      reason:
        'The image_encoder is missing: ip-adapter_sd15.safetensors, an image prompt model, lacks the CLIP image encoder whose image_embeds have 24 channels. Put a file with it, such as model.safetensors of image_encoder/, into clip_vision/ beside ip_adapter/.',
    });
    // One of another width is passed over.
    await cp(join(root, 'sdxl_models/image_encoder/model.safetensors'), join(encoders, 'a.safetensors'));
    expect(await describeModel(file)).toMatchObject({ available: false });
    const encoder = join(encoders, 'b.safetensors');
    await cp(join(root, 'models/image_encoder/model.safetensors'), encoder);
    expect(await describeModel(file)).toMatchObject({ available: true, reason: 'It uses the files b.safetensors.' });
    expect(await describeModel(encoder)).toMatchObject({ kind: 'imageEncoder', available: true });
    const scales = new Scales();
    const [weight, whole] = [await scales.weigh(file), await scales.weigh(encoder)];
    expect(weight.count).toBeGreaterThan(whole.count);
  });

  test('an adapter of published widths tells its architecture, and what it needs', async () => {
    const row = (width: number, rows = 1) => ({
      dtype: 'F16',
      shape: [rows, width],
      bytes: Buffer.alloc(2 * rows * width),
    });
    const vector = (width: number) => ({ dtype: 'F16', shape: [width], bytes: Buffer.alloc(2 * width) });
    const written = async (name: string, width: number, read: number) => {
      const file = join(folder, name);
      await writeSafetensors(file, [
        ['image_proj.proj.weight', row(read, width)],
        ['image_proj.norm.weight', vector(width)],
        ['image_proj.norm.bias', vector(width)],
        ['ip_adapter.1.to_k_ip.weight', row(width)],
        ['ip_adapter.1.to_v_ip.weight', row(width)],
      ]);
      return describeModel(file);
    };
    expect(await written('ip-adapter_sd15.safetensors', 768, 1024)).toMatchObject({
      architecture: 'sd1x',
      family: 'sd',
      reason: expect.stringContaining(
        'lacks the image encoder CLIP ViT-H. Put a file with it, such as CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors, into',
      ),
    });
    expect(await written('ip-adapter_sdxl.safetensors', 2048, 1280)).toMatchObject({
      architecture: 'sdxl',
      family: 'sdxl',
      reason: expect.stringContaining('lacks the image encoder CLIP ViT-bigG.'),
    });
  });

  test('weights that do not fit one another are found before a task names them', async () => {
    const file = join(folder, 'ip-adapter-odd_sd15.safetensors');
    const contents = await readContents(join(root, 'models/ip-adapter_sd15.safetensors'));
    const { dtype, bytes } = contents.get('ip_adapter.7.to_v_ip.weight')!;
    contents.set('ip_adapter.7.to_v_ip.weight', { dtype, shape: [bytes.length / 2 / 16, 16], bytes });
    await writeSafetensors(file, contents);
    expect((await describeModel(file)).reason).toMatch(
      /^The image_embedder cannot be used: The tensor "ip_adapter\.7\.to_v_ip\.weight" has the shape \[\d+, 16\]; it must be \[\d+, 32\]/,
    );
    const own = join(folder, 'own');
    await cp(join(root, 'models'), own, { recursive: true });
    const config = join(own, 'image_encoder/config.json');
    await writeFile(config, (await readFile(config, 'utf8')).replace('"image_size": 32', '"image_size": 64'));
    expect(await describeModel(join(own, 'ip-adapter_sd15.safetensors'))).toMatchObject({
      available: false,
      reason:
        'The image_encoder cannot be used: The config says image_size: 64, but the weights have 17 positions for patches of 8 pixels.',
    });
  });

  test('an adapter that reads faces in another way is refused', async () => {
    const contents = await readContents(join(root, 'models/ip-adapter-full-face_sd15.safetensors'));
    const file = join(folder, 'ip-adapter-faceid_sd15.safetensors');
    await writeSafetensors(
      file,
      [...contents].filter(([name]) => !name.startsWith('image_proj.proj.3')),
    );
    expect(await describeModel(file)).toMatchObject({
      kind: 'ipAdapter',
      available: false,
      reason: expect.stringMatching(
        /^The image_embedder cannot be used: The image projection is none of those .*FaceID/,
      ),
    });
  });
});
