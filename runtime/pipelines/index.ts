import type { PipelineClass } from '../checkpoints/folder.ts';
import type { GenerateRequest } from '../messages.ts';
import type { Model } from './model.ts';
import type { Run } from './run.ts';
import { stableDiffusion } from './stableDiffusion.ts';
import { stableDiffusionXL } from './stableDiffusionXL.ts';

/** The code for one family of models. */
export type Pipeline = (model: Model, request: GenerateRequest) => Run;

/**
 * Pipelines by the `_class_name` of `model_index.json`. Image-to-image and inpainting classes name the same components as
 * their family; whether the UNet takes plain latents is checked for each model.
 */
export const pipelines = {
  StableDiffusionPipeline: stableDiffusion,
  StableDiffusionImg2ImgPipeline: stableDiffusion,
  StableDiffusionInpaintPipeline: stableDiffusion,
  LatentConsistencyModelPipeline: stableDiffusion,
  StableDiffusionXLPipeline: stableDiffusionXL,
  StableDiffusionXLImg2ImgPipeline: stableDiffusionXL,
  StableDiffusionXLInpaintPipeline: stableDiffusionXL,
} satisfies Record<PipelineClass, Pipeline>;
