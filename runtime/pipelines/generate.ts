import { basename } from 'node:path';
import { type Control, guideImage } from '../addons/controlNet.ts';
import type { Shallow } from '../addons/deepCache.ts';
import type { FirstBlockCache } from '../addons/firstBlockCache.ts';
import type { ActiveLoras } from '../addons/loras.ts';
import { isEncoder } from '../checkpoints/configs.ts';
import { RuntimeError } from '../errors.ts';
import type {
  Conditioning,
  ConditioningContext,
  EncoderName,
  InputContext,
  OpenImagePrompt,
} from '../families/family.ts';
import { classifierFree, editing, type Guidance, unguided } from '../families/guidance.ts';
import { hardLatentMask } from '../families/masks.ts';
import type { GenerateRequest, Pixels } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Branch, LatentShape, Part, Row, Run } from '../run.ts';
import { createNoise, type Noise } from '../tensors/noise.ts';
import { floats } from '../tensors/tensor.ts';
import type { WeightedEmbedding } from '../text/prompt.ts';
import { type DenoiseOptions, denoise } from './denoise.ts';
import { decodeLatents, encodeImage, type LatentScaling, scalingOf } from './images.ts';
import { type Blend, latentMask } from './inpainting.ts';
import type { GraphFeatures, LazyGraph, Needed } from './lazyGraph.ts';
import type { Model } from './model.ts';
import type { ImagePromptNetworks, ModelCache } from './modelCache.ts';
import { type Plan, planRun } from './plan.ts';
import { type Phase, RunNetworks, type RunOptions } from './residency.ts';

/** The files and networks of one run, opened but not loaded. */
interface Opened {
  model: Model;
  refiner: Model | undefined;
  loras: ActiveLoras;
  controlNets: readonly LazyGraph[];
  /** In the order of the request. */
  imagePrompts: readonly ImagePromptNetworks[];
  encoder: LazyGraph;
  decoder: LazyGraph;
  scaling: LatentScaling;
}

/** Latent diffusion for any family: text-to-image, image-to-image, inpainting. */
export async function* generate(modelCache: ModelCache, request: GenerateRequest, options: RunOptions = {}): Run {
  const model = await modelCache.model(request.model, request.parts);
  const plan = planRun(model, request);
  const opened = await open(modelCache, model, request);
  yield { type: 'started', steps: plan.steps };
  const { image } = request;
  if (image && plan.steps === 0) return image.pixels;

  const needed = neededBy(modelCache, opened, plan, request);
  const networks = new RunNetworks(modelCache.residency, needed, options.workingBytes ?? 0, options.signal);
  try {
    return yield* draw(modelCache, request, plan, opened, networks);
  } finally {
    networks.release();
  }
}

async function* draw(
  modelCache: ModelCache,
  request: GenerateRequest,
  plan: Plan,
  opened: Opened,
  networks: RunNetworks,
): Run {
  const { model, refiner, scaling } = opened;
  yield* networks.begin();
  yield { type: 'staged', stage: 'encoding' };
  const enter = async function* (phase: Phase): Part<void> {
    if (yield* networks.enter(phase)) yield { type: 'staged', stage: 'encoding' };
  };
  // Only a text that was not read before needs its encoder.
  const prepare = () => enter('texts');
  const condition = (of: Model, loras: ActiveLoras): Part<Conditioning> =>
    of.configs.family.condition(contextOf(modelCache, of, request, plan.guided, loras, prepare));
  const prompted = yield* condition(model, opened.loras);
  const refined = refiner ? yield* condition(refiner, noLoras) : undefined;
  const conditioning = yield* withImagePrompts(modelCache, prompted, request, opened, () => enter('imagePrompts'));
  yield* enter('pictures');
  const noise = createNoise(request.seed);
  // Before all other noise, as in diffusers' pipelines.
  const guides = yield* encodeGuides(opened, request, plan, noise);
  const start = yield* startOf(request, plan, opened, noise);
  const references = yield* encodeReferences(request, opened);

  yield* networks.enter('denoising');
  yield { type: 'staged', stage: 'denoising' };
  const controls = await controlsOf(opened, request, plan, guides);
  const { scheduler, first, handover, shape } = plan;
  const denoiser = await model.network('denoiser').graph();
  const { timestep: toTime } = model.configs.family;
  const common = { scheduler, toTime, shape, noise, countFrom: first, blend: start.blend };
  let { latents } = start;
  latents = yield* denoise({
    ...common,
    denoiser,
    adapters: modelCache.adapters.row(denoiser, 'denoiser', opened.loras),
    shallow: await shallowOf(modelCache, model, opened.loras, plan),
    firstBlockCache: await firstBlockCacheOf(modelCache, model, opened.loras, plan, request),
    first,
    end: handover,
    latents,
    guidance: guidanceOf(
      model,
      withInputs(model, denoiser, conditioning, request, shape, references),
      request,
      plan,
      start.channels,
    ),
    controls,
  } satisfies DenoiseOptions);
  if (refiner && refined) {
    const second = await refiner.network('denoiser').graph();
    const adapters = modelCache.adapters.row(second, 'denoiser', noLoras);
    const guidance = guidanceOf(refiner, refined, request, { ...plan, input: 'latents' }, undefined);
    const shallow = await shallowOf(modelCache, refiner, noLoras, plan);
    latents = yield* denoise({ ...common, denoiser: second, adapters, shallow, first: handover, latents, guidance });
  }

  yield* networks.enter('decoding');
  yield { type: 'staged', stage: 'decoding' };
  return yield* decodeLatents(await opened.decoder.graph(), latents, shape, scaling, model.configs.latentScale);
}

const noLoras: ActiveLoras = { key: '', loras: [] };

/** Reads the files of a request. @throws RuntimeError with the parameter */
async function open(modelCache: ModelCache, model: Model, request: GenerateRequest): Promise<Opened> {
  if (request.vae === undefined && model.configs.lacksVae) {
    throw new RuntimeError('invalidParameter', 'The model has no autoencoder, so the request must name one.', {
      parameter: 'vae',
    });
  }
  const vae = request.vae === undefined ? undefined : await modelCache.vae(request.vae);
  return {
    model,
    refiner: request.refiner && (await openRefiner(modelCache, model, request.refiner)),
    loras: request.loras?.length ? await modelCache.adapters.open(model, request.loras) : noLoras,
    controlNets: (request.controlNets ?? []).map(({ model: path }) => modelCache.controlNet(path)),
    imagePrompts: await Promise.all(
      (request.imagePrompts ?? []).map(({ model: path }) => openImagePrompt(modelCache, model, path)),
    ),
    encoder: vae?.encoder ?? model.network('vae_encoder'),
    decoder: vae?.decoder ?? model.network('vae_decoder'),
    scaling: vae ? scalingOf(vae.config, model.configs) : model.scaling,
  };
}

/** @throws RuntimeError `invalidParameter` for one of another kind than the model takes */
async function openImagePrompt(modelCache: ModelCache, model: Model, path: string): Promise<ImagePromptNetworks> {
  const { title, imagePrompts } = model.configs.family;
  const networks = await modelCache.imagePrompts(path);
  if (networks.kind.title === imagePrompts?.title) return networks;
  const message = `${basename(path)} is for ${networks.kind.title}, but models of ${title} take image prompts through ${imagePrompts?.title}.`;
  throw new RuntimeError('invalidParameter', message, { parameter: 'imagePrompts' });
}

/** A model that can continue from the latents of another. @throws RuntimeError `invalidParameter` if it cannot */
async function openRefiner(
  modelCache: ModelCache,
  model: Model,
  wanted: NonNullable<GenerateRequest['refiner']>,
): Promise<Model> {
  const refiner = await modelCache.model(wanted.model, wanted.parts);
  const kindOf = ({ configs: { family, configs } }: Model) =>
    [family.name, configs.scheduler.prediction_type ?? 'epsilon'].join();
  if (kindOf(refiner) !== kindOf(model) || refiner.configs.input !== 'latents') {
    throw new RuntimeError(
      'invalidParameter',
      'The refiner must be of the same family and have the same kind of prediction.',
      {
        parameter: 'refiner',
      },
    );
  }
  return refiner;
}

/** The networks of each phase of a run, in the order in which they are loaded. */
function neededBy(
  modelCache: ModelCache,
  opened: Opened,
  plan: Plan,
  request: GenerateRequest,
): Record<Phase, readonly Needed[]> {
  const { model, refiner, loras, controlNets, encoder, decoder } = opened;
  const encoders = (of: Model, active: ActiveLoras): Needed[] =>
    of.configs.components.filter(isEncoder).map((component) => ({
      network: of.network(component),
      features: modelCache.adapters.features(active, component),
    }));
  const deep = plan.shallow.size > 0 || request.firstBlockCache !== undefined;
  const denoisers = (of: Model, features: GraphFeatures): Needed[] => [
    { network: of.network('denoiser'), features: { ...features, deep } },
    ...(deep ? [{ network: of.shallowDenoiser(), features }] : []),
  ];
  const features = {
    ...modelCache.adapters.features(loras, 'denoiser'),
    residuals: controlNets.length > 0,
    references: (request.references ?? []).length > 0,
    imageAdapters: model.configs.family.imagePrompts?.adaptsDenoiser ? opened.imagePrompts.length : 0,
  };
  return {
    texts: [...encoders(model, loras), ...(refiner ? encoders(refiner, noLoras) : [])],
    imagePrompts: opened.imagePrompts.flatMap(({ encoder: pictures, embedder }) => [
      { network: pictures },
      { network: embedder },
    ]),
    pictures: showsPictures(opened, request, plan) ? [{ network: encoder }] : [],
    denoising: [
      ...denoisers(model, features),
      ...controlNets.map((network) => ({ network })),
      ...(refiner ? denoisers(refiner, {}) : []),
      ...(request.previews?.tinyDecoder === undefined
        ? []
        : [{ network: modelCache.tinyDecoder(request.previews.tinyDecoder), optional: true }]),
    ],
    decoding: [{ network: decoder }],
  };
}

/** Whether something must be encoded. */
function showsPictures({ model, controlNets }: Opened, { image, references = [] }: GenerateRequest, { input }: Plan) {
  const showsGuides = controlNets.length > 0 && model.configs.family.controls?.inLatents === true;
  return image !== undefined || references.length > 0 || input === 'inpaint' || showsGuides;
}

/** The start of a run. */
interface Start {
  latents: Float32Array;
  /** Additional channels of the denoiser after the latents. */
  channels?: Float32Array | undefined;
  blend?: Blend | undefined;
}

/**
 * The initial latents and the picture inputs of the denoiser. Noise is drawn in the order of diffusers' pipelines, so
 * that a seed gives the same picture: the sample of the encoded picture, the noise, the sample of the masked picture.
 */
async function* startOf(request: GenerateRequest, plan: Plan, opened: Opened, noise: Noise): Part<Start> {
  const { image, mask, width } = request;
  const { scheduler, first, shape, input } = plan;
  const { scaling, model } = opened;
  const { family } = model.configs;
  const blendMask = family.latentMask ?? latentMask;
  const count = shape.channels * shape.height * shape.width;
  const pure = () => noise.normal(count).map((value) => value * scheduler.initNoiseSigma);
  if (!image && input === 'latents') return { latents: pure() };

  const encoder = await opened.encoder.graph();
  const encode = (pixels: Pixels, hidden?: Uint8Array) =>
    encodeImage({ encoder, pixels, shape, scaling, noise, hidden });
  if (input === 'edit') {
    // Unscaled and without sampling, as editing UNets were trained, or like any other latents.
    const channels = family.showsSample
      ? yield* encode(image!.pixels)
      : yield* encodeImage({ encoder, pixels: image!.pixels, shape });
    const blends = mask !== undefined;
    const original = blends ? yield* encode(image!.pixels) : undefined;
    const drawn = noise.normal(count);
    const latents = drawn.map((value) => value * scheduler.initNoiseSigma);
    const blend = original && mask && { original, noise: drawn, mask: blendMask(mask, width, shape) };
    return { latents, channels, blend };
  }

  // From pure noise at strength 1; a model that blends still needs the latents of the picture.
  const wholly = !image || (mask !== undefined && image.strength === 1);
  const blends = mask !== undefined && input === 'latents';
  const original = image && (!wholly || blends) ? yield* encode(image.pixels) : undefined;
  if (image && !original && family.drawsHiddenPicture) noise.normal(count);
  const drawn = noise.normal(count);
  const latents =
    wholly || !original
      ? drawn.map((value) => value * scheduler.initNoiseSigma)
      : scheduler.addNoise(original, drawn, first);
  if (input === 'inpaint') {
    // Without a mask everything is masked, and an inpainting model draws only from the text or the noised picture.
    const hidden = mask ?? new Uint8Array(request.width * request.height).fill(255);
    const pixels = image?.pixels ?? { width, height: request.height, data: new Uint8Array(width * request.height * 3) };
    const shown = yield* encode(pixels, hidden);
    return { latents, channels: (family.hiddenChannels ?? maskThenLatents)(shown, hidden, width, shape) };
  }
  const blend = blends && original ? { original, noise: drawn, mask: blendMask(mask, width, shape) } : undefined;
  return { latents, blend };
}

/** The mask channel, then the latents of the masked picture: the inputs of inpainting UNets. */
function maskThenLatents(masked: Float32Array, mask: Uint8Array, width: number, shape: LatentShape): Float32Array {
  const channels = new Float32Array(masked.length + shape.width * shape.height);
  channels.set(hardLatentMask(mask, width, shape));
  channels.set(masked, shape.width * shape.height);
  return channels;
}

/**
 * Adds image prompts to what the texts became.
 *
 * @param prepare - called before a network is used; pictures that were read before need none
 */
async function* withImagePrompts(
  modelCache: ModelCache,
  conditioning: Conditioning,
  { imagePrompts: requests = [] }: GenerateRequest,
  { model, imagePrompts }: Opened,
  prepare: () => Part<unknown>,
): Part<Conditioning> {
  const { imagePrompts: kind } = model.configs.family;
  if (requests.length === 0 || !kind) return conditioning;
  const prompts = requests.map((request, index): OpenImagePrompt => {
    const { encoder, embedder, tensors, size, encoderKey, key } = imagePrompts[index]!;
    const loaded = async function* (network: LazyGraph): Part<Graph> {
      yield* prepare();
      return await network.graph();
    };
    return {
      request,
      tensors,
      size,
      encoderKey,
      key,
      encoder: () => loaded(encoder),
      embedder: () => loaded(embedder),
    };
  });
  const denoiser = await model.source('denoiser');
  return yield* kind.addTo(conditioning, prompts, {
    denoiser: denoiser.kind === 'safetensors' ? denoiser.tensors : undefined,
    remembered: modelCache.pictures,
  });
}

/** The reference images as latents: the mean of the encoder's distribution. */
async function* encodeReferences(
  { references = [] }: GenerateRequest,
  { model, encoder, scaling }: Opened,
): Part<{ latents: Float32Array; shape: LatentShape }[]> {
  const { family, latentScale, latentChannels: channels } = model.configs;
  const encoded: { latents: Float32Array; shape: LatentShape }[] = [];
  for (const given of references) {
    const pixels = family.prepareReference?.(given, model.configs) ?? given;
    const shape = { channels, width: pixels.width / latentScale, height: pixels.height / latentScale };
    encoded.push({ latents: yield* encodeImage({ encoder: await encoder.graph(), pixels, shape, scaling }), shape });
  }
  return encoded;
}

async function* nothing(): Part<void> {}

/** The context of a family for reading prompts. */
export function contextOf(
  modelCache: ModelCache,
  model: Model,
  request: GenerateRequest,
  guided: boolean,
  loras: ActiveLoras,
  prepare: () => Part<void> = nothing,
): ConditioningContext {
  return {
    configs: model.configs,
    request,
    guided,
    remembered: model.prompts,
    version: loras.key,
    async *encoder<Tokenizer>(name: EncoderName) {
      yield* prepare();
      const graph = await model.network(name).graph();
      const tokenizer = await model.tokenizer<Tokenizer>(name);
      return { graph, tokenizer, name, shared: modelCache.adapters.row(graph, name, loras) };
    },
    async embeddings() {
      const read: WeightedEmbedding[] = [];
      for (const { path, weight } of request.embeddings ?? []) {
        read.push({ ...(await modelCache.embedding(path)), weight });
      }
      return read;
    },
  };
}

/** Adds further denoiser inputs to each branch. */
export function withInputs(
  { configs }: Model,
  denoiser: Graph,
  { positive, negative }: Conditioning,
  request: GenerateRequest,
  shape: LatentShape,
  references: InputContext['references'],
): Conditioning {
  const { family } = configs;
  if (!family.inputs) return { positive, negative };
  // An earlier run needed the input; this run has no reference images, and the graph ignores tokens without a position.
  const width = denoiser.inputs.find(({ name }) => name === 'reference')?.shape[2];
  const unused: Row =
    typeof width === 'number' && references.length === 0
      ? { reference: floats(new Float32Array(width), [1, 1, width]) }
      : {};
  const more = (branch: Branch): Branch => ({
    ...branch,
    extras: { ...branch.extras, ...unused, ...family.inputs?.({ configs, request, shape, branch, references }) },
  });
  return { positive: more(positive), negative: negative && more(negative) };
}

function guidanceOf(
  { configs }: Model,
  { positive, negative }: Conditioning,
  request: GenerateRequest,
  plan: Plan,
  channels: Float32Array | undefined,
): Guidance {
  const { guidanceScale, imageGuidanceScale = 1.5 } = request;
  const shown = (branch: Branch, seen: Float32Array | undefined): Branch => ({ ...branch, channels: seen });
  const unconditional = negative && { ...negative, conditional: false };
  const seen = { positive: shown(positive, channels), negative: unconditional && shown(unconditional, channels) };
  if (configs.family.guidance) return configs.family.guidance(seen, request, configs);
  if (plan.input === 'edit' && seen.negative && channels) {
    const unseen = shown(seen.negative, new Float32Array(channels.length));
    return editing(seen.positive, seen.negative, unseen, guidanceScale, imageGuidanceScale);
  }
  return seen.negative ? classifierFree(seen.positive, seen.negative, guidanceScale) : unguided(seen.positive);
}

async function firstBlockCacheOf(
  modelCache: ModelCache,
  model: Model,
  loras: ActiveLoras,
  { scheduler: { callsPerStep } }: Plan,
  { firstBlockCache: asked }: GenerateRequest,
): Promise<FirstBlockCache | undefined> {
  if (!asked) return undefined;
  const { threshold, most, startStep, endStep } = asked;
  const calls = [startStep * callsPerStep, endStep * callsPerStep] as const;
  return { ...(await outermostLayers(modelCache, model, loras)), threshold, most, calls };
}

async function shallowOf(
  modelCache: ModelCache,
  model: Model,
  loras: ActiveLoras,
  { shallow: calls }: Plan,
): Promise<Shallow | undefined> {
  return calls.size === 0 ? undefined : { ...(await outermostLayers(modelCache, model, loras)), calls };
}

/** The graph of the outermost layers of a denoiser, and what LoRAs feed it. */
async function outermostLayers(modelCache: ModelCache, model: Model, loras: ActiveLoras) {
  const graph = await model.shallowDenoiser().graph();
  return { graph, adapters: modelCache.adapters.row(graph, 'denoiser', loras, true) };
}

/** The guide images as the ControlNets of a family read them, in the order of the request: latents, or pixels (undefined). */
async function* encodeGuides(
  { model, scaling, encoder }: Opened,
  request: GenerateRequest,
  { shape }: Plan,
  noise: Noise,
): Part<(Float32Array | undefined)[]> {
  const encoded: (Float32Array | undefined)[] = [];
  const { controls } = model.configs.family;
  for (const { pixels } of request.controlNets ?? []) {
    const graph = controls?.inLatents ? await encoder.graph() : undefined;
    encoded.push(graph && (yield* encodeImage({ encoder: graph, pixels, shape, scaling, noise })));
  }
  return encoded;
}

async function controlsOf(
  { model, controlNets }: Opened,
  request: GenerateRequest,
  { shape, scheduler: { callsPerStep } }: Plan,
  guides: readonly (Float32Array | undefined)[],
): Promise<Control[]> {
  const { controls: kind } = model.configs.family;
  const controls: Control[] = [];
  for (const [index, guide] of (request.controlNets ?? []).entries()) {
    const { pixels, weight, mode, unionMode, startStep, endStep } = guide;
    const network = controlNets[index]!;
    const source = await network.located();
    const graph = await network.graph();
    const isUnion = graph.takes('control_mode');
    if (unionMode !== undefined && !isUnion) {
      const message = 'Only a union ControlNet takes unionMode.';
      throw new RuntimeError('unsupportedParameter', message, { parameter: 'unionMode' });
    }
    const config = source.kind === 'safetensors' ? source.config : {};
    const { num_mode: kinds } = config;
    if (unionMode !== undefined && !(Number.isInteger(unionMode) && unionMode >= 0 && unionMode < Number(kinds))) {
      const message = `This ControlNet knows ${kinds} kinds of guide images; it has no kind ${unionMode}.`;
      throw new RuntimeError('invalidParameter', message, { parameter: 'unionMode' });
    }
    const latents = guides[index];
    const context = { configs: model.configs, request, shape, references: [] };
    controls.push({
      graph,
      image: latents ? floats(latents, [1, shape.channels, shape.height, shape.width]) : guideImage(pixels),
      inputs: kind && ((branch) => kind.inputs({ ...context, branch }, isUnion ? (unionMode ?? 0) : undefined, config)),
      weight,
      mode,
      // Such networks were trained without a guide image for the empty prompt.
      conditionalOnly: config.global_pool_conditions === true,
      calls: [startStep * callsPerStep, endStep * callsPerStep],
    });
  }
  return controls;
}
