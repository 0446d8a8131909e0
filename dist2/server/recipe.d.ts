import type { ImageInferenceTask } from '../protocol/tasks/imageInference.ts';
import type { GenerateRequest } from '../runtime/index.ts';
import type { Embedded } from './images/embed.ts';
/** What a recipe needs to know beside the task. */
export interface Drawn {
  /** The model's name in the catalog. */
  air: string;
  /** The scheduler that the model has where the task names none. */
  defaultScheduler: string;
  request: GenerateRequest;
}
/**
 * What is needed to draw a result again, as texts for its file. Pictures are named by UUID; a URL or bytes of somebody's are left
 * out, and so is everything about delivery.
 */
export declare function recipeOf(task: ImageInferenceTask, drawn: Drawn): Embedded;
