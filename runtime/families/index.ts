import type { ActiveLoras, Adapted } from '../addons/loras.ts';
import type { Family } from '../checkpoints/configs.ts';
import type { GenerateRequest } from '../messages.ts';
import type { Model } from '../pipelines/model.ts';
import type { ModelCache } from '../pipelines/modelCache.ts';
import type { Branch, Part } from '../run.ts';
import { stableDiffusion } from './stableDiffusion.ts';
import { stableDiffusionXL } from './stableDiffusionXL.ts';

/** What the prompts of a request became. */
export interface Conditions {
  positive: Branch;
  /** What guidance leads away from; absent: no guidance. */
  negative: Branch | undefined;
}

export interface ConditionContext {
  modelCache: ModelCache;
  model: Model;
  request: GenerateRequest;
  /** Whether there is a branch to lead away from. */
  guided: boolean;
  loras: ActiveLoras;
}

/** How one family of models reads its prompts; the rest of a run is the same for all. */
export interface Conditioner {
  /** The text encoders of a model. */
  encoders(model: Model): Adapted[];
  condition(context: ConditionContext): Part<Conditions>;
}

export const conditionersOf = {
  sd: stableDiffusion,
  sdxl: stableDiffusionXL,
} satisfies Record<Family, Conditioner>;
