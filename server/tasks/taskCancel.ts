import type { MayWarn } from '../../protocol/replies.ts';
import type { TaskCancelTask } from '../../protocol/tasks/taskCancel.ts';
import type { Context } from '../context.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { warned } from '../lifecycle/results.ts';

/** Cancels tasks, queued or running, and returns those that it cancelled. */
export async function taskCancel(task: TaskCancelTask & MayWarn, caller: Caller, { records }: Context): Promise<void> {
  const cancelled = task.tasks.filter((taskUUID) => records.find(caller.owner, taskUUID)?.cancel('cancelled'));
  caller.data({ taskType: task.taskType, taskUUID: task.taskUUID, cancelled, ...warned(task) });
}
