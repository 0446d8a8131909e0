import type { MayWarn } from '../../protocol/replies.ts';
import type { TaskCancelTask } from '../../protocol/tasks/taskCancel.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
/** Stops tasks, queued or running, and says which of them it was that stopped them. */
export declare function taskCancel(task: TaskCancelTask & MayWarn, caller: Caller, { records }: Context): Promise<void>;
