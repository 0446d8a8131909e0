import type { MayWarn } from '../../protocol/replies.ts';
import type { ImageInferenceTask } from '../../protocol/tasks/imageInference.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
/**
 * Makes images. A task that is already known here by its UUID is not run again: whoever repeats it gets its results,
 * those that are there now and the others as they finish.
 */
export declare function imageInference(
  task: ImageInferenceTask & MayWarn,
  caller: Caller,
  context: Context,
): Promise<void>;
