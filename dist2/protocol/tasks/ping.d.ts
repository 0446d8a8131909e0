/** Asks for a pong. It has no taskUUID. */
export interface PingTask {
  taskType: 'ping';
}
export declare const ping: import('../parameters.ts').TaskKind<PingTask>;
