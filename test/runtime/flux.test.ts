import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { openImagePrompts } from '../../runtime/checkpoints/imagePrompts.ts';
import type { OpenImagePrompt } from '../../runtime/families/family.ts';
import { fluxRedux, squarePixels } from '../../runtime/families/fluxRedux.ts';
import { readStoredTensors, type StoredTensor } from '../../runtime/files/safetensors.ts';
import type { ControlNetRequest, GenerateRequest, ImagePromptRequest } from '../../runtime/messages.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { contextOf, generate } from '../../runtime/pipelines/generate.ts';
import type { LazyGraph } from '../../runtime/pipelines/lazyGraph.ts';
import { Scales } from '../../runtime/process/needs.ts';
import type { Embeddings, Part, Run } from '../../runtime/run.ts';
import { createScheduler } from '../../runtime/schedulers/index.ts';
import { createNoise } from '../../runtime/tensors/noise.ts';
import {
  latentsOfTokens,
  readFluxControlNetGoldens,
  readFluxGoldens,
  readFluxReduxGoldens,
  readSchnellGoldens,
} from '../helpers/fluxGoldens.ts';
import { modelsFolder, relativeError } from '../helpers/goldens.ts';
import { fluxCorrections, writeFluxFiles } from '../helpers/separateFiles.ts';
import { type Content, readContents, writeSafetensors } from '../helpers/singleFile.ts';
import { drawn, drive, largestDifference, openModels, readPixels, trajectoryOf } from '../helpers/trajectories.ts';
import { writeTransformerFile } from '../helpers/transformerGoldens.ts';

const goldens = readFluxGoldens();
const modelCache = openModels();
const model = join(modelsFolder, 'tiny-flux-dev');

/** The reference says 5e-3 for trajectories and 2 of 255 for pictures. */
const tolerances = { trajectory: 5e-3, picture: 2 };

/** Latents of the recorded trajectories are 6 × 8. */
const common = { model, seed: 0n, width: 64, height: 48, prompt: goldens.prompts[0]!, maxSequenceLength: 64 };
const shape = { channels: 16, height: 6, width: 8 };

afterAll(async () => {
  const opened = await modelCache.model(model);
  for (const component of opened.configs.components) await (await opened.network(component).graph()).close();
});

function half({ dtype, shape: [length], bytes }: Content): Content {
  return { dtype, shape: [length! / 2], bytes: bytes.subarray(0, bytes.length / 2) };
}

/** A mask of one byte for each pixel. */
async function readMask(file: string): Promise<Uint8Array> {
  return new Uint8Array(
    await sharp(await readFile(join(modelsFolder, file)))
      .extractChannel(0)
      .raw()
      .toBuffer(),
  );
}

describe('FLUX.1 takes the steps that diffusers takes', () => {
  test.each([
    ['with a guidance scale as input', goldens.textToImage, {}],
    [
      'with true guidance',
      goldens.trueCfg,
      { negativePrompt: goldens.trueCfg.negativePrompt, trueGuidanceScale: goldens.trueCfg.trueCfgScale },
    ],
  ] as const)('%s', async (_name, { steps, guidance, latents: expected, ...run }, more) => {
    const request: GenerateRequest = { ...common, ...more, steps, guidanceScale: guidance };
    const { initialNoise } = run as typeof goldens.textToImage;
    const trajectory = await trajectoryOf(modelCache, request, Float32Array.from(initialNoise.data), shape);
    expect(trajectory).toHaveLength(expected.length);
    trajectory.forEach((latents, step) => {
      expect(relativeError(latents, latentsOfTokens(expected[step]!, 3, 4).data)).toBeLessThan(tolerances.trajectory);
    });
  });
});

interface PictureCase {
  model: string;
  kind: string;
  image: string;
  width: number;
  height: number;
  positivePrompt: string;
  negativePrompt?: string;
  trueCFGScale?: number;
  seed: number;
  steps: number;
  CFGScale: number;
  maxSequenceLength: number;
  seedImage?: string;
  maskImage?: string;
  reduxImage?: string;
  referenceImage?: string;
  strength?: number;
}

const { cases } = JSON.parse(await readFile(join(modelsFolder, 'end-to-end-flux.json'), 'utf8')) as {
  cases: PictureCase[];
};

/** Models by the names that the cases give them; those of which only a transformer is kept have the other parts of dev. */
const models = new Map([['tiny-flux-dev', model]]);

let assembled: string;
beforeAll(async () => {
  assembled = await mkdtemp(join(tmpdir(), 'flux-assembled-'));
  const fill = join(assembled, 'tiny-flux-fill');
  await cp(join(modelsFolder, 'tiny-flux-fill'), fill, { recursive: true });
  for (const part of ['text_encoder', 'text_encoder_2', 'tokenizer', 'tokenizer_2', 'vae']) {
    await cp(join(model, part), join(fill, part), { recursive: true });
  }
  models.set('tiny-flux-fill', fill);
});
afterAll(async () => {
  const opened = await modelCache.model(models.get('tiny-flux-fill')!);
  for (const component of opened.configs.components) await (await opened.network(component).graph()).close();
  await rm(assembled, { recursive: true });
});

async function requestOf(each: PictureCase): Promise<GenerateRequest> {
  const { width, height, seed, steps, maxSequenceLength, negativePrompt, trueCFGScale, seedImage, maskImage } = each;
  return {
    model: models.get(each.model)!,
    prompt: each.positivePrompt,
    width,
    height,
    seed: BigInt(seed),
    steps,
    guidanceScale: each.CFGScale,
    maxSequenceLength,
    ...(negativePrompt !== undefined && { negativePrompt }),
    ...(trueCFGScale !== undefined && { trueGuidanceScale: trueCFGScale }),
    ...(seedImage !== undefined && { image: { pixels: await readPixels(seedImage), strength: each.strength! } }),
    ...(maskImage !== undefined && { mask: await readMask(maskImage) }),
    ...(each.referenceImage !== undefined && { references: [await readPixels(each.referenceImage)] }),
  };
}

const shown = ['text-to-image', 'true-cfg', 'image-to-image', 'inpaint'].map((kind) => `tiny-flux-dev-${kind}.png`);
shown.push('tiny-flux-fill.png', 'tiny-flux-kontext.png');

test.each(cases.filter(({ image }) => shown.includes(image)))(
  'a whole picture equals that of diffusers: $image',
  async (each) => {
    const pixels = await drawn(modelCache, await requestOf(each));
    expect(largestDifference(pixels, await readPixels(each.image))).toBeLessThanOrEqual(tolerances.picture);
  },
);

test('the shift follows the number of tokens in dev, and there is none in schnell', async () => {
  for (const { width, height, steps, mu, sigmas } of goldens.schedule) {
    const { configs } = await modelCache.model(model);
    const flow = configs.family.sigmas!(configs, { ...common, width, height, steps, guidanceScale: 3.5 });
    expect(flow.mu).toBeCloseTo(mu, 6);
    const { timesteps } = createScheduler(configs.configs.scheduler, undefined, steps, flow);
    expect(relativeError([...timesteps.map((time) => time / 1000), 0], sigmas)).toBeLessThan(1e-6);
  }
  const { sigmas } = readSchnellGoldens().textToImage;
  const scheduler = JSON.parse(
    await readFile(join(modelsFolder, 'tiny-flux-schnell/scheduler/scheduler_config.json'), 'utf8'),
  );
  expect(createScheduler(scheduler, undefined, 4, { sigmas: 'even' }).timesteps).toEqual(
    sigmas.slice(0, -1).map((sigma) => sigma * 1000),
  );
});

test.each([
  ['promptWeighting', { promptWeighting: 'compel' }],
  ['maxSequenceLength', { maxSequenceLength: 513 }],
  ['width', { width: 72 }],
  ['clipSkip', { clipSkip: 1 }],
] as const)('%s is refused where it does not fit', async (parameter, more) => {
  const request: GenerateRequest = { ...common, steps: 1, guidanceScale: 3.5, ...more };
  await expect(drawn(modelCache, request)).rejects.toMatchObject({ parameter });
});

describe('ControlNets of FLUX.1', () => {
  const { trajectory: run, image, prompt, maxSequenceLength } = readFluxControlNetGoldens();
  const network = (name: string) => join(modelsFolder, name);

  async function requestWith(name: string, more: Partial<ControlNetRequest> = {}): Promise<GenerateRequest> {
    const { steps, guidance, seed, conditioningScale: weight } = run;
    const pixels = await readPixels(image);
    const controlNet: ControlNetRequest = {
      model: network(name),
      pixels,
      weight,
      startStep: 0,
      endStep: steps * run.controlGuidanceEnd,
      mode: 'balanced',
      ...more,
    };
    return {
      ...common,
      prompt,
      maxSequenceLength,
      steps,
      guidanceScale: guidance,
      seed: BigInt(seed),
      controlNets: [controlNet],
    };
  }

  test('act up to their end, in latents that are drawn before the noise', async () => {
    const { denoised } = await drive(generate(modelCache, await requestWith('tiny-flux-controlnet')));
    expect(denoised).toHaveLength(run.steps);
    // The last step of Euler's method ends at what it predicts.
    const expected = latentsOfTokens(run.latents.at(-1)!, 3, 4).data;
    expect(relativeError(denoised.at(-1)!, expected)).toBeLessThan(tolerances.trajectory);
  });

  test('a union is told what the guide image is, and others are not', async () => {
    const picture = async (unionMode?: number) =>
      drawn(modelCache, await requestWith('tiny-flux-controlnet-union', unionMode === undefined ? {} : { unionMode }));
    const [first, second] = [await picture(), await picture(2)];
    expect(await picture(0)).toEqual(first);
    expect(largestDifference(first, second)).toBeGreaterThan(2);
    await expect(drawn(modelCache, await requestWith('tiny-flux-controlnet', { unionMode: 1 }))).rejects.toMatchObject({
      code: 'unsupportedParameter',
      parameter: 'unionMode',
    });
    // It knows four.
    const request = await requestWith('tiny-flux-controlnet-union', { unionMode: 4 });
    await expect(drawn(modelCache, request)).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'unionMode',
    });
  });

  test('act on the picture alone where a reference picture stands behind it', async () => {
    const request = await requestWith('tiny-flux-controlnet');
    const references = [await readPixels('tiny-flux-image.png')];
    const both = await drawn(modelCache, { ...request, references });
    const { controlNets: _, ...without } = request;
    expect(largestDifference(both, await drawn(modelCache, { ...without, references }))).toBeGreaterThan(2);
    // With a graph that takes references, a run without any is as it was.
    const again = await drawn(modelCache, request);
    expect(largestDifference(again, await drawn(openModels(), request))).toBeLessThanOrEqual(1);
  });

  test('that have different numbers of blocks are refused together', async () => {
    const request = await requestWith('tiny-flux-controlnet');
    const [other] = (await requestWith('tiny-flux-controlnet-union')).controlNets!;
    const both = { ...request, controlNets: [...request.controlNets!, other!] };
    await expect(drawn(modelCache, both)).rejects.toMatchObject({ parameter: 'controlNets' });
  });

  test('are described by their family', async () => {
    for (const name of ['tiny-flux-controlnet', 'tiny-flux-controlnet-union']) {
      expect(await describeModel(network(name))).toMatchObject({
        kind: 'controlNet',
        available: true,
        family: 'flux',
        architecture: 'flux1',
      });
    }
  });
});

test('Fill is told by the features of its tokens', async () => {
  expect(await describeModel(models.get('tiny-flux-fill')!)).toMatchObject({
    available: true,
    family: 'flux',
    input: 'inpaint',
    defaultStrength: 1,
    defaultGuidanceScale: 30,
    mostReferences: 0,
  });
});

test('Control is shown a sample of its picture, drawn before the noise', async () => {
  // Dev with columns for a second picture that are all zeros gives what dev gives.
  const control = join(assembled, 'control');
  await cp(model, control, { recursive: true });
  const part = join(control, 'transformer');
  const config = JSON.parse(await readFile(join(part, 'config.json'), 'utf8')) as object;
  await writeFile(join(part, 'config.json'), JSON.stringify({ ...config, in_channels: 128, out_channels: 64 }));
  const file = join(part, 'diffusion_pytorch_model.safetensors');
  const contents = await readContents(file);
  const {
    dtype,
    shape: [rows = 0, columns = 0],
    bytes,
  } = contents.get('x_embedder.weight')!;
  const wide = new Uint8Array(2 * bytes.length);
  const row = bytes.length / rows;
  for (let at = 0; at < rows; at++) wide.set(bytes.subarray(at * row, (at + 1) * row), 2 * at * row);
  contents.set('x_embedder.weight', { dtype, shape: [rows, 2 * columns], bytes: wide });
  await writeSafetensors(file, contents);
  expect(await describeModel(control)).toMatchObject({ available: true, input: 'edit', defaultGuidanceScale: 10 });

  const request: GenerateRequest = { ...common, seed: 7n, steps: 2, guidanceScale: 10 };
  const image = { pixels: await readPixels('tiny-flux-image.png'), strength: 0.5 };
  const { denoised } = await drive(generate(modelCache, { ...request, model: control, image }));
  const noise = createNoise(7n);
  const [, second] = [0, 1].map(() => noise.normal(16 * 6 * 8));
  const expected = await trajectoryOf(modelCache, request, second!, shape);
  expect(denoised).toHaveLength(2);
  expect(relativeError(denoised[1]!, [...expected[1]!])).toBeLessThan(1e-5);
  const guided = { ...request, model: control, image, imageGuidanceScale: 2 };
  await expect(drive(generate(modelCache, guided))).rejects.toMatchObject({
    code: 'unsupportedParameter',
    parameter: 'imageGuidanceScale',
  });
  const opened = await modelCache.model(control);
  await (await opened.network('denoiser').graph()).close();
});

test('ControlNets in the form of XLabs, and files without their config, are told as what they are', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flux-control-'));
  try {
    const file = join(folder, 'canny.safetensors');
    const weights = 'diffusion_pytorch_model.safetensors';
    const contents = await readContents(join(modelsFolder, 'tiny-flux-controlnet', weights));
    await writeSafetensors(file, contents);
    const described = { kind: 'controlNet', available: false };
    expect(await describeModel(file)).toMatchObject({
      ...described,
      reason: expect.stringMatching(/^canny\.safetensors cannot be used: it is a ControlNet without its config\./),
    });
    const [any] = contents.values();
    const own = ['controlnet_blocks.0', 'input_hint_block.0', 'pos_embed_input'].map(
      (name) => [`${name}.weight`, any!] as const,
    );
    await writeSafetensors(file, own);
    expect(await describeModel(file)).toMatchObject({
      ...described,
      reason: expect.stringContaining("in XLabs' form"),
    });
    // The same, as diffusers has it.
    const copy = join(folder, 'hinted');
    await cp(join(modelsFolder, 'tiny-flux-controlnet'), copy, { recursive: true });
    await writeSafetensors(join(copy, weights), [...contents, ['input_hint_block.conv_in.weight', any!]]);
    expect(await describeModel(copy)).toMatchObject({
      ...described,
      reason: expect.stringContaining("in XLabs' form"),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe('FLUX.1 Redux', () => {
  const goldens = readFluxReduxGoldens();
  const redux = join(modelsFolder, 'tiny-flux-redux');

  test('shows a picture to SigLIP as Pillow shrinks it', async () => {
    const [, , size] = goldens.pixelValues.shape as [number, number, number];
    const { data } = squarePixels(await readPixels(goldens.image), size);
    const largest = data.reduce(
      (most, value, at) => Math.max(most, Math.abs(value - goldens.pixelValues.data[at]!)),
      0,
    );
    // Of [-1, 1]; a byte more or less is 0.0078.
    expect(largest).toBeLessThan(1e-3);
  });

  test.each(goldens.cases)(
    'adds $images to the rows of "$prompt" by weight',
    async ({ images, prompt, ...expected }) => {
      const weights = [expected.promptEmbedsScale].flat();
      const words = [prompt].flat()[0]!;
      let embeddings: Embeddings | undefined;
      async function* run(): Run {
        const opened = await modelCache.model(model);
        const request: GenerateRequest = {
          ...common,
          prompt: words,
          maxSequenceLength: 512,
          steps: 1,
          guidanceScale: 1,
        };
        const context = contextOf(modelCache, opened, request, false, { key: '', loras: [] });
        const conditioning = yield* opened.configs.family.condition(context);
        const networks = await modelCache.imagePrompts(redux);
        const loaded = async function* (network: LazyGraph): Part<Graph> {
          yield { type: 'staged', stage: 'encoding' };
          return await network.graph();
        };
        const prompts: OpenImagePrompt[] = [];
        for (const [index, image] of images.entries()) {
          prompts.push({
            ...networks,
            request: { model: redux, pictures: [await readPixels(image)], weight: weights[index]! },
            encoder: () => loaded(networks.encoder),
            embedder: () => loaded(networks.embedder),
          });
        }
        const surroundings = { denoiser: undefined, remembered: modelCache.pictures };
        const { positive } = yield* networks.kind.addTo(conditioning, prompts, surroundings);
        embeddings = positive.embeddings;
        return { width: 0, height: 0, data: new Uint8Array() };
      }
      await drive(run());
      const { data, length, width } = embeddings!;
      expect([1, length, width]).toEqual(expected.promptEmbedsShape);
      expect(relativeError(data.subarray(0, 4 * width), expected.firstTextRows.data)).toBeLessThan(1e-3);
      expect(relativeError(data.subarray(512 * width), expected.imageRows.data)).toBeLessThan(1e-3);
    },
  );

  test('draws the picture that diffusers draws', async () => {
    const each = cases.find(({ kind }) => kind === 'redux')!;
    const pixels = await readPixels(each.reduxImage!);
    const request = {
      ...(await requestOf(each)),
      model,
      imagePrompts: [{ model: redux, pictures: [pixels], weight: 1 }],
    };
    const drawnPixels = await drawn(modelCache, request);
    expect(largestDifference(drawnPixels, await readPixels(each.image))).toBeLessThanOrEqual(tolerances.picture);
  });

  test('as one file, with an encoder from clip_vision/, draws what the folder draws', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'flux-redux-'));
    try {
      const [styles, encoders] = [join(folder, 'style_models'), join(folder, 'clip_vision')];
      for (const each of [styles, encoders]) await mkdir(each);
      const file = join(styles, 'flux1-redux-dev.safetensors');
      await cp(join(redux, 'image_embedder', 'diffusion_pytorch_model.safetensors'), file);
      expect([...(await readStoredTensors(file)).keys()].sort()).toEqual(
        ['down', 'up'].flatMap((way) => [`redux_${way}.bias`, `redux_${way}.weight`]),
      );
      // CLIP's encoder and one of another width are passed over.
      const siglip = join(redux, 'image_encoder', 'model.safetensors');
      const contents = [...(await readContents(siglip))];
      const row = contents.find(([name]) => name === 'vision_model.post_layernorm.bias')![1];
      const clip = [...contents, ['vision_model.embeddings.class_embedding', row] as const];
      await writeSafetensors(join(encoders, 'a-clip_vision_h.safetensors'), clip);
      const last = 'vision_model.post_layernorm.weight';
      const wider = contents.map(([name, content]) => [name, name === last ? half(content) : content] as const);
      await writeSafetensors(join(encoders, 'b-other.safetensors'), wider);
      const missing = await describeModel(file);
      expect(missing).toMatchObject({ kind: 'ipAdapter', family: 'flux', available: false });
      expect(missing.reason).toBe(
        'The image_encoder is missing: flux1-redux-dev.safetensors, an image prompt model, lacks the image encoder SigLIP. Put a file with it, such as sigclip_vision_patch14_384.safetensors, into clip_vision/ beside style_models/.',
      );

      const encoder = join(encoders, 'sigclip_vision_patch14_384.safetensors');
      await cp(siglip, encoder);
      // What shapes do not tell of so small an encoder.
      const said = { image_encoder: { num_attention_heads: 4, image_size: 34 } };
      await writeFile(`${file}.json`, JSON.stringify(said));
      expect(await describeModel(file)).toMatchObject({
        kind: 'ipAdapter',
        available: true,
        architecture: 'flux1',
        className: 'FluxPriorReduxPipeline',
        reason: 'It uses the files sigclip_vision_patch14_384.safetensors.',
      });
      expect(await describeModel(encoder)).toMatchObject({ kind: 'imageEncoder', available: true });
      const [whole, parts] = [await openImagePrompts(redux), await openImagePrompts(file)];
      expect(parts.size).toBe(whole.size);
      const scales = new Scales();
      expect((await scales.weigh(file)).count).toBe((await scales.weigh(redux)).count);

      const each = cases.find(({ kind }) => kind === 'redux')!;
      const pixels = await readPixels(each.reduxImage!);
      const draw = async (path: string) =>
        drawn(modelCache, {
          ...(await requestOf(each)),
          model,
          imagePrompts: [{ model: path, pictures: [pixels], weight: 1 }],
        });
      const single = await draw(file);
      expect(largestDifference(single, await readPixels(each.image))).toBeLessThanOrEqual(tolerances.picture);
      expect(single).toEqual(await draw(redux));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.each([
    [729, 14, 384],
    [256, 14, 224],
    [256, 16, 256],
    [576, 16, 384],
    [1024, 16, 512],
    [16, 9, 36],
  ])('an encoder of %i patches of %i pixels is shown a picture of %i', (positions, side, size) => {
    const stored = (...shape: number[]) => ({ shape }) as Partial<StoredTensor> as StoredTensor;
    const tensors = new Map([
      ['vision_model.embeddings.patch_embedding.weight', stored(8, 3, side, side)],
      ['vision_model.embeddings.position_embedding.weight', stored(positions, 8)],
    ]);
    expect(fluxRedux.file.encoder.configOf(tensors)).toEqual({ image_size: size });
  });

  test('is an IP-Adapter in the catalog, and other families take none', async () => {
    expect(await describeModel(redux)).toMatchObject({
      kind: 'ipAdapter',
      available: true,
      family: 'flux',
      architecture: 'flux1',
    });
    const pixels = await readPixels('tiny-flux-image.png');
    const { maxSequenceLength: _, ...rest } = common;
    const request = { ...rest, model: join(modelsFolder, 'tiny-sd15'), steps: 1, guidanceScale: 1 };
    const asked = { ...request, imagePrompts: [{ model: redux, pictures: [pixels], weight: 1 }] };
    await expect(drawn(modelCache, asked)).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'imagePrompts',
      message:
        'tiny-flux-redux is for FLUX.1 Redux, but models of Stable Diffusion 1 and 2 take image prompts through IP-Adapter.',
    });
  });

  test('several pictures of one prompt count alike, and it takes a weight alone', async () => {
    const [one, two] = [await readPixels('tiny-flux-image.png'), await readPixels('tiny-flux-seed.png')];
    const request: GenerateRequest = { ...common, steps: 1, guidanceScale: 1 };
    const draw = (...imagePrompts: ImagePromptRequest[]) => drawn(modelCache, { ...request, imagePrompts });
    const together = await draw({ model: redux, pictures: [one, two], weight: 1 });
    const apart = [one, two].map((picture) => ({ model: redux, pictures: [picture], weight: 0.5 }));
    expect(together).toEqual(await draw(...apart));
    await expect(draw({ model: redux, pictures: [one], weight: 1, weightType: 'ease_in' })).rejects.toMatchObject({
      code: 'unsupportedParameter',
      message: 'FLUX.1 Redux takes no weightType; IP-Adapters do.',
    });
    await expect(draw({ model: redux, pictures: [one], weight: -1 })).rejects.toMatchObject({
      code: 'invalidParameter',
      message: 'The weight of an image prompt for this model must be from 0 to 2.',
    });
  });
});

describe('files of FLUX.1', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flux-files-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const request: GenerateRequest = { ...common, steps: 2, guidanceScale: 3.5 };
  test('a folder is described by its family', async () => {
    expect(await describeModel(model)).toMatchObject({
      available: true,
      family: 'flux',
      architecture: 'flux1',
      guidanceRule: 'true scale',
      sizeMultiple: 16,
      defaultSteps: 28,
      defaultGuidanceScale: 3.5,
      defaultStrength: 0.85,
      latentChannels: 16,
      precision: 'float32',
    });
  });

  test('a checkpoint of ComfyUI draws what the folder draws, with tokenizers found beside it', async () => {
    const file = join(folder, 'all.safetensors');
    await writeTransformerFile('tiny-flux-dev/comfy', file);
    await writeFile(`${file}.json`, JSON.stringify(fluxCorrections));
    await cp(join(model, 'tokenizer'), join(folder, 'tokenizer'), { recursive: true });
    const { reason } = await describeModel(file);
    expect(reason).toMatch(/^The tokenizer_2 is missing: .* Put tokenizer\.json into a folder all\.tokenizer_2 or /);
    await cp(join(model, 'tokenizer_2'), join(folder, 'tokenizer_2'), { recursive: true });
    expect(await describeModel(file)).toMatchObject({ available: true, family: 'flux', defaultSteps: 28 });
    expect(await drawn(modelCache, { ...request, model: file })).toEqual(await drawn(modelCache, request));
  });

  test('a file of Kontext is told by its name', async () => {
    const file = join(folder, 'flux1-Kontext-dev.safetensors');
    await cp(join(folder, 'all.safetensors'), file);
    await cp(join(folder, 'all.safetensors.json'), `${file}.json`);
    const expected = { className: 'FluxKontextPipeline', defaultGuidanceScale: 2.5, mostReferences: 1 };
    expect(await describeModel(file)).toMatchObject(expected);
    await rm(file);
  });

  test('a transformer draws with the text encoders and the autoencoder that lie beside it', async () => {
    const models = join(folder, 'separate');
    const alone = join(models, 'diffusion_models', 'dev.safetensors');
    await mkdir(join(models, 'diffusion_models'), { recursive: true });
    await writeTransformerFile('tiny-flux-dev/bfl', alone);
    expect((await describeModel(alone)).reason).toMatch(/^The text_encoder is missing: .* clip_l\.safetensors,/);
    const file = await writeFluxFiles(models);
    expect(await describeModel(file)).toMatchObject({
      available: true,
      reason: 'It uses the files clip_l.safetensors, t5xxl.safetensors, ae.safetensors.',
    });
    const quantized = join(models, 'diffusion_models', 'dev-q4_0.gguf');
    await cp(join(modelsFolder, 'tiny-flux-dev-q4_0.gguf'), quantized);
    await writeFile(`${quantized}.json`, JSON.stringify(fluxCorrections));
    expect(await describeModel(quantized)).toMatchObject({ available: true, family: 'flux', precision: 'Q4_0' });
    const denoiser = await (await modelCache.model(file)).source('denoiser');
    const names = denoiser.kind === 'safetensors' ? [...denoiser.tensors.keys()] : [];
    expect(names.filter((name) => /text_encoders|vae/.test(name))).toEqual([]);
    expect(await drawn(modelCache, { ...request, model: file })).toEqual(await drawn(modelCache, request));
  });

  test('LoRAs with the names of each layout change a picture alike', async () => {
    const path = (kind: string) => join(modelsFolder, `tiny-flux-dev-lora-${kind}.safetensors`);
    for (const kind of ['peft', 'kohya', 'original']) {
      expect(await describeModel(path(kind))).toMatchObject({ kind: 'lora', architecture: 'flux1', available: true });
    }
    const without = await drawn(modelCache, request);
    for (const kind of ['peft', 'kohya', 'original']) {
      const pixels = await drawn(modelCache, { ...request, loras: [{ path: path(kind), weight: 0.75 }] });
      expect(largestDifference(pixels, without)).toBeGreaterThan(20);
    }
  });

  test('a config that promises guidance which the weights do not have is refused', async () => {
    const copy = join(folder, 'promising');
    await cp(model, copy, { recursive: true });
    await cp(join(modelsFolder, 'tiny-flux-schnell/transformer'), join(copy, 'transformer'), { recursive: true });
    expect(await describeModel(copy)).toMatchObject({ available: true, defaultSteps: 4, defaultGuidanceScale: 0 });
    await cp(join(model, 'transformer/config.json'), join(copy, 'transformer/config.json'));
    expect((await describeModel(copy)).reason).toContain('guidance_embeds: true');
  });
});
