import type { ActiveLoras } from '../addons/loras.ts';
import type { ConditioningContext } from '../families/family.ts';
import type { GenerateRequest } from '../messages.ts';
import type { Run } from '../run.ts';
import type { Model } from './model.ts';
import type { ModelCache } from './modelCache.ts';
/** Latent diffusion: one image of any family, from text, from a picture, or of a part of one. */
export declare function generate(modelCache: ModelCache, request: GenerateRequest): Run;
/** What a family may use to read the prompts of a request. */
export declare function contextOf(
  modelCache: ModelCache,
  model: Model,
  request: GenerateRequest,
  guided: boolean,
  loras: ActiveLoras,
): ConditioningContext;
