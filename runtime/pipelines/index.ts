import type { PipelineClass } from '../checkpoints/configs.ts';
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
  StableDiffusionInstructPix2PixPipeline: stableDiffusion,
  StableDiffusionControlNetPipeline: stableDiffusion,
  StableDiffusionControlNetImg2ImgPipeline: stableDiffusion,
  StableDiffusionControlNetInpaintPipeline: stableDiffusion,
  LatentConsistencyModelPipeline: stableDiffusion,
  LatentConsistencyModelImg2ImgPipeline: stableDiffusion,
  StableDiffusionXLPipeline: stableDiffusionXL,
  StableDiffusionXLImg2ImgPipeline: stableDiffusionXL,
  StableDiffusionXLInpaintPipeline: stableDiffusionXL,
  StableDiffusionXLInstructPix2PixPipeline: stableDiffusionXL,
  StableDiffusionXLControlNetPipeline: stableDiffusionXL,
  StableDiffusionXLControlNetImg2ImgPipeline: stableDiffusionXL,
  StableDiffusionXLControlNetInpaintPipeline: stableDiffusionXL,
} satisfies Record<PipelineClass, Pipeline>;
