import { RuntimeError } from '../errors.ts';
import type { GenerateRequest } from '../messages.ts';
import type { Model } from './model.ts';
import type { Run } from './run.ts';
import { stableDiffusion } from './stableDiffusion.ts';
import { stableDiffusionXL } from './stableDiffusionXL.ts';

/** The code for one family of models. */
export type Pipeline = (model: Model, request: GenerateRequest) => Run;

/**
 * Pipelines by the `_class_name` of `model_index.json`, less an exporter's prefix (ORT, Onnx). Image-to-image and inpainting classes name the same components as
 * their family; whether the UNet takes plain latents is checked for each run.
 */
export const pipelines = {
  StableDiffusionPipeline: stableDiffusion,
  StableDiffusionImg2ImgPipeline: stableDiffusion,
  StableDiffusionInpaintPipeline: stableDiffusion,
  LatentConsistencyModelPipeline: stableDiffusion,
  StableDiffusionXLPipeline: stableDiffusionXL,
  StableDiffusionXLImg2ImgPipeline: stableDiffusionXL,
  StableDiffusionXLInpaintPipeline: stableDiffusionXL,
} satisfies Record<string, Pipeline>;

/** @throws RuntimeError `modelUnavailable` for a class without a pipeline. */
export function findPipeline(className: string): Pipeline {
  const known: Record<string, Pipeline> = pipelines;
  const pipeline = Object.hasOwn(known, className) ? known[className] : undefined;
  if (pipeline) return pipeline;
  throw new RuntimeError('modelUnavailable', `There is no pipeline for models of the class ${className}.`);
}
