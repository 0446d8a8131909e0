/** Asks how a task stands. */
export interface GetResponseTask {
  taskType: 'getResponse';
  /** Of the task asked about. */
  taskUUID: string;
}
export declare const getResponse: import('../parameters.ts').TaskKind<GetResponseTask>;
