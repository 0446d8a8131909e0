import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { Batcher } from '../../runtime/batcher.ts';
import { classifierFree, isGuided, unguided } from '../../runtime/families/guidance.ts';
import type { GenerateRequest, Pixels } from '../../runtime/messages.ts';
import { denoise } from '../../runtime/pipelines/denoise.ts';
import { contextOf, generate, withInputs } from '../../runtime/pipelines/generate.ts';
import { ModelCache } from '../../runtime/pipelines/modelCache.ts';
import type { ResidencyOptions } from '../../runtime/pipelines/residency.ts';
import type { LatentShape, Run } from '../../runtime/run.ts';
import { createScheduler, firstCall } from '../../runtime/schedulers/index.ts';
import { createNoise } from '../../runtime/tensors/noise.ts';
import { modelsFolder } from './goldens.ts';
import { cpu } from './graphs.ts';

/** A picture of the fixtures. */
export async function readPixels(file: string): Promise<Pixels> {
  const { data, info } = await sharp(await readFile(join(modelsFolder, file)))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

export function largestDifference(a: Pixels, b: Pixels): number {
  if (a.width !== b.width || a.height !== b.height || a.data.length !== b.data.length) return 255;
  return a.data.reduce((most, value, index) => Math.max(most, Math.abs(value - b.data[index]!)), 0);
}

/**
 * Models in this process, each loaded once.
 *
 * @param loaded - gets the names of networks as they are loaded
 */
export function openModels(loaded: string[] = [], memory?: ResidencyOptions): ModelCache {
  return new ModelCache({ provider: cpu, memory, onLoaded: (_path, component) => loaded.push(component) });
}

/** Drives a run by itself; the denoised latents of each step, and the picture. */
export async function drive(run: Run): Promise<{ pixels: Pixels; denoised: Float32Array[] }> {
  let pixels: Pixels | undefined;
  const denoised: Float32Array[] = [];
  async function* watched(): Run {
    let answer: Parameters<Run['next']>[0] | undefined;
    for (;;) {
      const { done, value } = answer === undefined ? await run.next([]) : await run.next(answer);
      if (done) {
        pixels = value;
        return value;
      }
      if (value.type === 'stepped' && 'denoised' in value) denoised.push(value.denoised);
      answer = yield value;
    }
  }
  await new Batcher({ rowsPerCall: 2 }).drive({
    run: watched(),
    signal: new AbortController().signal,
    emit: async () => {},
  });
  return { pixels: pixels!, denoised };
}

/** A whole picture, in this process. */
export async function drawn(modelCache: ModelCache, request: GenerateRequest): Promise<Pixels> {
  return (await drive(generate(modelCache, request))).pixels;
}

/**
 * The latents after each step from given ones, as the pipeline of the model's family makes them.
 *
 * @param options.strength - of a start in the middle, where the latents are noised already
 * @param options.references - latents of the pictures that the prompt refers to
 */
export async function trajectoryOf(
  modelCache: ModelCache,
  request: GenerateRequest,
  latents: Float32Array,
  shape: LatentShape,
  options: { strength?: number; references?: { latents: Float32Array; shape: LatentShape }[] } = {},
): Promise<Float32Array[]> {
  const model = await modelCache.model(request.model);
  const { family, configs } = model.configs;
  const sigmas = family.sigmas?.(model.configs, request) ?? {};
  const scheduler = createScheduler(configs.scheduler, undefined, request.steps, sigmas);
  const first =
    options.strength === undefined ? 0 : firstCall(scheduler, request.steps, options.strength, family.partialStep);
  const trajectory: Float32Array[] = [];
  const step = scheduler.step.bind(scheduler);
  scheduler.step = (...args) => {
    const next = step(...args);
    trajectory.push(next.latents);
    return next;
  };
  const { references = [] } = options;
  const guided = isGuided(family.guidanceRule(model.configs), request);
  async function* run(): Run {
    const context = contextOf(modelCache, model, request, guided, { key: '', loras: [] });
    const conditioning = yield* family.condition(context);
    const denoiser = await model.network('denoiser').graph({ references: references.length > 0 });
    const { positive, negative: other } = withInputs(model, denoiser, conditioning, request, shape, references);
    const negative = other && { ...other, conditional: false };
    const guidance =
      family.guidance?.({ positive, negative }, request, model.configs) ??
      (negative ? classifierFree(positive, negative, request.guidanceScale) : unguided(positive));
    const { timestep: toTime } = family;
    yield* denoise({ denoiser, toTime, scheduler, first, latents, shape, noise: createNoise(0n), guidance });
    return { width: 0, height: 0, data: new Uint8Array() };
  }
  await drive(run());
  return trajectory;
}
