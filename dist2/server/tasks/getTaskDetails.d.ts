import type { MayWarn } from '../../protocol/replies.ts';
import type { GetTaskDetailsTask } from '../../protocol/tasks/getTaskDetails.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
/** Tells what a task asked for, without its prompts and images, which are not kept, and how it was answered so far. */
export declare function getTaskDetails(
  task: GetTaskDetailsTask & MayWarn,
  caller: Caller,
  { records }: Context,
): Promise<void>;
