/** Asks what a task asked for, and how it was answered. */
export interface GetTaskDetailsTask {
  taskType: 'getTaskDetails';
  /** Of the task asked about. */
  taskUUID: string;
}
export declare const getTaskDetails: import('../parameters.ts').TaskKind<GetTaskDetailsTask>;
