import type { ImageInferenceTask } from '../protocol/tasks/imageInference.ts';
import type { Pixels } from '../runtime/index.ts';
import type { Caller } from './caller.ts';
import type { Context } from './context.ts';
import { type Canvas } from './images/canvas.ts';
/** The pictures that a task names, for all of its results. */
export interface TaskPictures {
  /** Absent: the run starts from noise alone. */
  canvas?: Canvas;
  /** In the order of the task's ControlNets. */
  guides: Pixels[];
  /** Each of its own size. */
  references: Pixels[];
}
interface Size {
  width: number;
  height: number;
}
/**
 * Fetches and decodes the pictures of a task, all at once and each once for each size that it is needed in. Throws
 * TaskError; stops fetching when `signal` is aborted.
 */
export declare function readPictures(
  task: ImageInferenceTask,
  size: Size,
  model: {
    mostReferences: number;
    mostReferencePixels?: number;
  },
  signal: AbortSignal,
  caller: Caller,
  context: Context,
): Promise<TaskPictures>;
