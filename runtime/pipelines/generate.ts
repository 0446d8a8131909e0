import { type Control, guideImage } from '../addons/controlNet.ts';
import type { Shallow } from '../addons/deepCache.ts';
import type { ActiveLoras } from '../addons/loras.ts';
import { RuntimeError } from '../errors.ts';
import { classifierFree, editing, type Guidance, unguided } from '../families/guidance.ts';
import { type Conditions, conditionersOf } from '../families/index.ts';
import type { GenerateRequest, Pixels } from '../messages.ts';
import type { Branch, Part, Run } from '../run.ts';
import { createNoise, type Noise } from '../tensors/noise.ts';
import { type DenoiseOptions, denoise } from './denoise.ts';
import { decodeLatents, encodeImage, type LatentScaling, scalingOf } from './images.ts';
import { type Blend, hardLatentMask, latentMask } from './inpainting.ts';
import { type GraphFeatures, type LazyGraph, loadAll, type Needed } from './lazyGraph.ts';
import type { Model } from './model.ts';
import type { ModelCache } from './modelCache.ts';
import { type Plan, planRun } from './plan.ts';

/** What one run has opened; nothing of it is loaded yet. */
interface Opened {
  model: Model;
  refiner: Model | undefined;
  loras: ActiveLoras;
  controlNets: readonly LazyGraph[];
  encoder: LazyGraph;
  decoder: LazyGraph;
  scaling: LatentScaling;
}

/** Latent diffusion with a UNet: one image of any family, from text, from a picture, or of a part of one. */
export async function* diffusion(modelCache: ModelCache, request: GenerateRequest): Run {
  const model = await modelCache.model(request.model);
  const plan = planRun(model, request);
  const opened = await open(modelCache, model, request);
  yield { type: 'started', steps: plan.steps };
  const { image } = request;
  if (image && plan.steps === 0) return image.pixels;

  yield* loadAll(neededBy(modelCache, opened, plan, request));

  yield { type: 'staged', stage: 'encoding' };
  const { refiner, scaling } = opened;
  const condition = (of: Model, loras: ActiveLoras): Part<Conditions> =>
    conditionersOf[of.configs.family].condition({ modelCache, model: of, request, guided: plan.guided, loras });
  const conditions = yield* condition(model, opened.loras);
  const refined = refiner ? yield* condition(refiner, noLoras) : undefined;
  const noise = createNoise(request.seed);
  const start = yield* startOf(request, plan, opened, noise);

  yield { type: 'staged', stage: 'denoising' };
  const { scheduler, first, handover, shape } = plan;
  const unet = await model.network('unet').graph();
  const common = { scheduler, shape, noise, countFrom: first, blend: start.blend };
  const controls = await controlsOf(opened.controlNets, request, plan);
  let { latents } = start;
  latents = yield* denoise({
    ...common,
    unet,
    adapters: modelCache.adapters.row(unet, 'unet', opened.loras),
    shallow: await shallowOf(modelCache, model, opened.loras, plan),
    first,
    end: handover,
    latents,
    guidance: guidanceOf(conditions, request, plan, start.channels),
    controls,
  } satisfies DenoiseOptions);
  if (refiner && refined) {
    const second = await refiner.network('unet').graph();
    const adapters = modelCache.adapters.row(second, 'unet', noLoras);
    const guidance = guidanceOf(refined, request, { ...plan, takes: 'latents' }, undefined);
    const shallow = await shallowOf(modelCache, refiner, noLoras, plan);
    latents = yield* denoise({ ...common, unet: second, adapters, shallow, first: handover, latents, guidance });
  }

  yield { type: 'staged', stage: 'decoding' };
  return yield* decodeLatents(await opened.decoder.graph(), latents, shape, scaling);
}

const noLoras: ActiveLoras = { key: '', loras: [] };

/** Reads what the files of a request say. @throws RuntimeError that names the parameter */
async function open(modelCache: ModelCache, model: Model, request: GenerateRequest): Promise<Opened> {
  if (request.vae === undefined && model.configs.lacksVae) {
    throw new RuntimeError('invalidParameter', 'The model holds no autoencoder, so the request has to name one.', {
      parameter: 'vae',
    });
  }
  const vae = request.vae === undefined ? undefined : await modelCache.vae(request.vae);
  return {
    model,
    refiner: request.refiner && (await openRefiner(modelCache, model, request.refiner.model)),
    loras: request.loras?.length ? await modelCache.adapters.open(model, request.loras) : noLoras,
    controlNets: (request.controlNets ?? []).map(({ model: path }) => modelCache.controlNet(path)),
    encoder: vae?.encoder ?? model.network('vae_encoder'),
    decoder: vae?.decoder ?? model.network('vae_decoder'),
    scaling: vae ? scalingOf(vae.config, model.scaling.factor) : model.scaling,
  };
}

/** A model that can take the latents of another over. @throws RuntimeError `invalidParameter` where it cannot */
async function openRefiner(modelCache: ModelCache, model: Model, path: string): Promise<Model> {
  const refiner = await modelCache.model(path);
  const kindOf = ({ configs }: Model) => [configs.family, configs.scheduler.prediction_type ?? 'epsilon'].join();
  if (kindOf(refiner) !== kindOf(model) || refiner.configs.unetInput !== 'latents') {
    throw new RuntimeError('invalidParameter', 'The refiner must be a model of the same family that denoises alike.', {
      parameter: 'refiner',
    });
  }
  return refiner;
}

function neededBy(modelCache: ModelCache, opened: Opened, plan: Plan, request: GenerateRequest): Needed[] {
  const { model, refiner, loras, controlNets, encoder, decoder } = opened;
  const encoders = (of: Model, active: ActiveLoras): Needed[] =>
    conditionersOf[of.configs.family].encoders(of).map((component) => ({
      network: of.network(component),
      form: modelCache.adapters.form(active, component),
    }));
  const deep = plan.shallow.size > 0;
  const unets = (of: Model, form: GraphFeatures): Needed[] => [
    { network: of.network('unet'), form: { ...form, deep } },
    ...(deep ? [{ network: of.shallowUNet(), form }] : []),
  ];
  return [
    ...encoders(model, loras),
    ...unets(model, { ...modelCache.adapters.form(loras, 'unet'), residuals: controlNets.length > 0 }),
    ...controlNets.map((network) => ({ network })),
    ...(refiner ? [...encoders(refiner, noLoras), ...unets(refiner, {})] : []),
    { network: decoder },
    ...(request.previews?.tinyDecoder === undefined
      ? []
      : [{ network: modelCache.tinyDecoder(request.previews.tinyDecoder), optional: true }]),
    ...(request.image || plan.takes === 'inpaint' ? [{ network: encoder }] : []),
  ];
}

/** What a run begins with. */
interface Start {
  latents: Float32Array;
  /** Channels that the UNet sees behind the latents. */
  channels?: Float32Array | undefined;
  blend?: Blend | undefined;
}

/**
 * The first latents, and what the UNet is shown of the picture. Noise is drawn in the order of diffusers' pipelines, so
 * that a seed gives the picture it gives there: the sample of the encoded picture, the noise, the hidden picture's sample.
 */
async function* startOf(request: GenerateRequest, plan: Plan, opened: Opened, noise: Noise): Part<Start> {
  const { image, mask, width } = request;
  const { scheduler, first, shape, takes } = plan;
  const { scaling } = opened;
  const count = shape.channels * shape.height * shape.width;
  const pure = () => noise.normal(count).map((value) => value * scheduler.initNoiseSigma);
  if (!image && takes === 'latents') return { latents: pure() };

  const encoder = await opened.encoder.graph();
  const encode = (pixels: Pixels, hidden?: Uint8Array) =>
    encodeImage({ encoder, pixels, shape, scaling, noise, hidden });
  if (takes === 'edit') {
    // Shown as the encoder makes it, without the scaling and without a draw, as the network was trained.
    const channels = yield* encodeImage({ encoder, pixels: image!.pixels, shape });
    const blends = mask !== undefined;
    const original = blends ? yield* encode(image!.pixels) : undefined;
    const drawn = noise.normal(count);
    const latents = drawn.map((value) => value * scheduler.initNoiseSigma);
    const blend = original && mask && { original, noise: drawn, mask: latentMask(mask, width, shape) };
    return { latents, channels, blend };
  }

  // From pure noise where all is to change; a model that blends needs the picture's latents all the same.
  const wholly = !image || (mask !== undefined && image.strength === 1);
  const blends = mask !== undefined && takes === 'latents';
  const original = image && (!wholly || blends) ? yield* encode(image.pixels) : undefined;
  const drawn = noise.normal(count);
  const latents =
    wholly || !original
      ? drawn.map((value) => value * scheduler.initNoiseSigma)
      : scheduler.addNoise(original, drawn, first);
  if (takes === 'inpaint') {
    // Without a mask all is hidden, and a model for inpainting draws from the text or from the noised picture alone.
    const hidden = mask ?? new Uint8Array(request.width * request.height).fill(255);
    const pixels = image?.pixels ?? { width, height: request.height, data: new Uint8Array(width * request.height * 3) };
    const shown = yield* encode(pixels, hidden);
    const channels = new Float32Array(count + shape.width * shape.height);
    channels.set(hardLatentMask(hidden, width, shape));
    channels.set(shown, shape.width * shape.height);
    return { latents, channels };
  }
  const blend = blends && original ? { original, noise: drawn, mask: latentMask(mask, width, shape) } : undefined;
  return { latents, blend };
}

function guidanceOf(
  { positive, negative }: Conditions,
  request: GenerateRequest,
  plan: Plan,
  channels: Float32Array | undefined,
): Guidance {
  const { guidanceScale, imageGuidanceScale = 1.5 } = request;
  const shown = (branch: Branch, seen: Float32Array | undefined): Branch => ({ ...branch, channels: seen });
  const away = negative && { ...negative, conditional: false };
  if (plan.takes === 'edit' && away && channels) {
    const unseen = new Float32Array(channels.length);
    return editing(
      shown(positive, channels),
      shown(away, channels),
      shown(away, unseen),
      guidanceScale,
      imageGuidanceScale,
    );
  }
  const branch = shown(positive, channels);
  return away ? classifierFree(branch, shown(away, channels), guidanceScale) : unguided(branch);
}

async function shallowOf(
  modelCache: ModelCache,
  model: Model,
  loras: ActiveLoras,
  { shallow: calls }: Plan,
): Promise<Shallow | undefined> {
  if (calls.size === 0) return undefined;
  const graph = await model.shallowUNet().graph();
  return { graph, adapters: modelCache.adapters.row(graph, 'unet', loras, true), calls };
}

async function controlsOf(networks: readonly LazyGraph[], request: GenerateRequest, plan: Plan): Promise<Control[]> {
  const controls: Control[] = [];
  for (const [index, { pixels, weight, mode, startStep, endStep }] of (request.controlNets ?? []).entries()) {
    const perStep = plan.scheduler.callsPerStep;
    const network = networks[index]!;
    const source = await network.located();
    controls.push({
      graph: await network.graph(),
      image: guideImage(pixels),
      weight,
      mode,
      // Such networks were trained without a picture for the empty prompt.
      conditionalOnly: source.kind === 'safetensors' && source.config.global_pool_conditions === true,
      calls: [startStep * perStep, endStep * perStep],
    });
  }
  return controls;
}
