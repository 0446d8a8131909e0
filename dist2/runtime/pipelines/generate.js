import { guideImage } from '../addons/controlNet.js';
import { isEncoder } from '../checkpoints/configs.js';
import { RuntimeError } from '../errors.js';
import { classifierFree, editing, unguided } from '../families/guidance.js';
import { createNoise } from '../tensors/noise.js';
import { denoise } from './denoise.js';
import { decodeLatents, encodeImage, scalingOf } from './images.js';
import { hardLatentMask, latentMask } from './inpainting.js';
import { loadAll } from './lazyGraph.js';
import { planRun } from './plan.js';
/** Latent diffusion: one image of any family, from text, from a picture, or of a part of one. */
export async function* generate(modelCache, request) {
  const model = await modelCache.model(request.model);
  const plan = planRun(model, request);
  const opened = await open(modelCache, model, request);
  yield { type: 'started', steps: plan.steps };
  const { image } = request;
  if (image && plan.steps === 0) return image.pixels;
  yield* loadAll(neededBy(modelCache, opened, plan, request));
  yield { type: 'staged', stage: 'encoding' };
  const { refiner, scaling } = opened;
  const condition = (of, loras) => of.configs.family.condition(contextOf(modelCache, of, request, plan.guided, loras));
  const conditioning = yield* condition(model, opened.loras);
  const refined = refiner ? yield* condition(refiner, noLoras) : undefined;
  const noise = createNoise(request.seed);
  const start = yield* startOf(request, plan, opened, noise);
  const references = yield* encodeReferences(request, opened);
  yield { type: 'staged', stage: 'denoising' };
  const { scheduler, first, handover, shape } = plan;
  const denoiser = await model.network('denoiser').graph();
  const { timestep: toTime } = model.configs.family;
  const common = { scheduler, toTime, shape, noise, countFrom: first, blend: start.blend };
  const controls = await controlsOf(opened.controlNets, request, plan);
  let { latents } = start;
  latents = yield* denoise({
    ...common,
    denoiser,
    adapters: modelCache.adapters.row(denoiser, 'denoiser', opened.loras),
    shallow: await shallowOf(modelCache, model, opened.loras, plan),
    first,
    end: handover,
    latents,
    guidance: guidanceOf(
      model,
      withInputs(model, conditioning, request, shape, references),
      request,
      plan,
      start.channels,
    ),
    controls,
  });
  if (refiner && refined) {
    const second = await refiner.network('denoiser').graph();
    const adapters = modelCache.adapters.row(second, 'denoiser', noLoras);
    const guidance = guidanceOf(refiner, refined, request, { ...plan, input: 'latents' }, undefined);
    const shallow = await shallowOf(modelCache, refiner, noLoras, plan);
    latents = yield* denoise({ ...common, denoiser: second, adapters, shallow, first: handover, latents, guidance });
  }
  yield { type: 'staged', stage: 'decoding' };
  return yield* decodeLatents(await opened.decoder.graph(), latents, shape, scaling, model.configs.latentScale);
}
const noLoras = { key: '', loras: [] };
/** Reads what the files of a request say. @throws RuntimeError that names the parameter */
async function open(modelCache, model, request) {
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
    scaling: vae ? scalingOf(vae.config, model.configs) : model.scaling,
  };
}
/** A model that can take the latents of another over. @throws RuntimeError `invalidParameter` where it cannot */
async function openRefiner(modelCache, model, path) {
  const refiner = await modelCache.model(path);
  const kindOf = ({ configs: { family, configs } }) =>
    [family.name, configs.scheduler.prediction_type ?? 'epsilon'].join();
  if (kindOf(refiner) !== kindOf(model) || refiner.configs.input !== 'latents') {
    throw new RuntimeError('invalidParameter', 'The refiner must be a model of the same family that denoises alike.', {
      parameter: 'refiner',
    });
  }
  return refiner;
}
function neededBy(modelCache, opened, plan, request) {
  const { model, refiner, loras, controlNets, encoder, decoder } = opened;
  const encoders = (of, active) =>
    of.configs.components.filter(isEncoder).map((component) => ({
      network: of.network(component),
      features: modelCache.adapters.features(active, component),
    }));
  const deep = plan.shallow.size > 0;
  const denoisers = (of, features) => [
    { network: of.network('denoiser'), features: { ...features, deep } },
    ...(deep ? [{ network: of.shallowDenoiser(), features }] : []),
  ];
  return [
    ...encoders(model, loras),
    ...denoisers(model, { ...modelCache.adapters.features(loras, 'denoiser'), residuals: controlNets.length > 0 }),
    ...controlNets.map((network) => ({ network })),
    ...(refiner ? [...encoders(refiner, noLoras), ...denoisers(refiner, {})] : []),
    { network: decoder },
    ...(request.previews?.tinyDecoder === undefined
      ? []
      : [{ network: modelCache.tinyDecoder(request.previews.tinyDecoder), optional: true }]),
    ...(request.image || request.references?.length || plan.input === 'inpaint' ? [{ network: encoder }] : []),
  ];
}
/**
 * The first latents, and what the denoiser is shown of the picture. Noise is drawn in the order of diffusers' pipelines, so
 * that a seed gives the picture it gives there: the sample of the encoded picture, the noise, the hidden picture's sample.
 */
async function* startOf(request, plan, opened, noise) {
  const { image, mask, width } = request;
  const { scheduler, first, shape, input } = plan;
  const { scaling, model } = opened;
  const { family } = model.configs;
  const blendMask = family.latentMask ?? latentMask;
  const count = shape.channels * shape.height * shape.width;
  const pure = () => noise.normal(count).map((value) => value * scheduler.initNoiseSigma);
  if (!image && input === 'latents') return { latents: pure() };
  const encoder = await opened.encoder.graph();
  const encode = (pixels, hidden) => encodeImage({ encoder, pixels, shape, scaling, noise, hidden });
  if (input === 'edit') {
    // Shown as the encoder makes it, without the scaling and without a draw, as the network was trained.
    const channels = yield* encodeImage({ encoder, pixels: image.pixels, shape });
    const blends = mask !== undefined;
    const original = blends ? yield* encode(image.pixels) : undefined;
    const drawn = noise.normal(count);
    const latents = drawn.map((value) => value * scheduler.initNoiseSigma);
    const blend = original && mask && { original, noise: drawn, mask: blendMask(mask, width, shape) };
    return { latents, channels, blend };
  }
  // From pure noise where all is to change; a model that blends needs the picture's latents all the same.
  const wholly = !image || (mask !== undefined && image.strength === 1);
  const blends = mask !== undefined && input === 'latents';
  const original = image && (!wholly || blends) ? yield* encode(image.pixels) : undefined;
  const drawn = noise.normal(count);
  const latents =
    wholly || !original
      ? drawn.map((value) => value * scheduler.initNoiseSigma)
      : scheduler.addNoise(original, drawn, first);
  if (input === 'inpaint') {
    // Without a mask all is hidden, and a model for inpainting draws from the text or from the noised picture alone.
    const hidden = mask ?? new Uint8Array(request.width * request.height).fill(255);
    const pixels = image?.pixels ?? { width, height: request.height, data: new Uint8Array(width * request.height * 3) };
    const shown = yield* encode(pixels, hidden);
    return { latents, channels: (family.hiddenChannels ?? maskThenLatents)(shown, hidden, width, shape) };
  }
  const blend = blends && original ? { original, noise: drawn, mask: blendMask(mask, width, shape) } : undefined;
  return { latents, blend };
}
/** The mask as a channel, then the latents of the masked picture, as UNets for inpainting are shown them. */
function maskThenLatents(masked, mask, width, shape) {
  const channels = new Float32Array(masked.length + shape.width * shape.height);
  channels.set(hardLatentMask(mask, width, shape));
  channels.set(masked, shape.width * shape.height);
  return channels;
}
/** The pictures that the prompt refers to, as latents: the mean of what the encoder gives. */
async function* encodeReferences({ references = [] }, { model, encoder, scaling }) {
  const { family, latentScale, latentChannels: channels } = model.configs;
  const encoded = [];
  for (const given of references) {
    const pixels = family.prepareReference?.(given) ?? given;
    const shape = { channels, width: pixels.width / latentScale, height: pixels.height / latentScale };
    encoded.push({ latents: yield* encodeImage({ encoder: await encoder.graph(), pixels, shape, scaling }), shape });
  }
  return encoded;
}
/** What a family may use to read the prompts of a request. */
export function contextOf(modelCache, model, request, guided, loras) {
  return {
    configs: model.configs,
    request,
    guided,
    remembered: model.prompts,
    version: loras.key,
    async encoder(name) {
      const graph = await model.network(name).graph();
      const tokenizer = await model.tokenizer(name);
      return { graph, tokenizer, name, shared: modelCache.adapters.row(graph, name, loras) };
    },
    async embeddings() {
      const read = [];
      for (const { path, weight } of request.embeddings ?? []) {
        read.push({ ...(await modelCache.embedding(path)), weight });
      }
      return read;
    },
  };
}
/** Adds to each branch what the denoiser is told beside latents, time and text. */
function withInputs({ configs }, { positive, negative }, request, shape, references) {
  const { family } = configs;
  if (!family.inputs) return { positive, negative };
  const more = (branch) => ({
    ...branch,
    extras: { ...branch.extras, ...family.inputs?.({ configs, request, shape, branch, references }) },
  });
  return { positive: more(positive), negative: negative && more(negative) };
}
function guidanceOf({ configs }, { positive, negative }, request, plan, channels) {
  const { guidanceScale, imageGuidanceScale = 1.5 } = request;
  const shown = (branch, seen) => ({ ...branch, channels: seen });
  const unconditional = negative && { ...negative, conditional: false };
  const seen = { positive: shown(positive, channels), negative: unconditional && shown(unconditional, channels) };
  if (configs.family.guidance) return configs.family.guidance(seen, request, configs);
  if (plan.input === 'edit' && seen.negative && channels) {
    const unseen = shown(seen.negative, new Float32Array(channels.length));
    return editing(seen.positive, seen.negative, unseen, guidanceScale, imageGuidanceScale);
  }
  return seen.negative ? classifierFree(seen.positive, seen.negative, guidanceScale) : unguided(seen.positive);
}
async function shallowOf(modelCache, model, loras, { shallow: calls }) {
  if (calls.size === 0) return undefined;
  const graph = await model.shallowDenoiser().graph();
  return { graph, adapters: modelCache.adapters.row(graph, 'denoiser', loras, true), calls };
}
async function controlsOf(networks, request, plan) {
  const controls = [];
  for (const [index, { pixels, weight, mode, startStep, endStep }] of (request.controlNets ?? []).entries()) {
    const perStep = plan.scheduler.callsPerStep;
    const network = networks[index];
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
//# sourceMappingURL=generate.js.map
