/** Stops tasks, queued or running, within one step: those that were sent with the same API key. */
export interface TaskCancelTask {
  taskType: 'taskCancel';
  /** Of this task itself. */
  taskUUID: string;
  /** taskUUIDs to stop. */
  tasks: string[];
}
export declare const taskCancel: import('../parameters.ts').TaskKind<TaskCancelTask>;
