import { warned } from '../results.js';
/** Stops tasks, queued or running, and says which of them it was that stopped them. */
export async function taskCancel(task, caller, { records }) {
  const cancelled = task.tasks.filter((taskUUID) => records.find(caller.owner, taskUUID)?.cancel('cancelled'));
  caller.data({ taskType: task.taskType, taskUUID: task.taskUUID, cancelled, ...warned(task) });
}
//# sourceMappingURL=taskCancel.js.map
