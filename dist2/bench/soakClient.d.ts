/** What all clients together have counted. */
export interface Counts {
  tasks: number;
  /** Results that came once. */
  once: number;
  /** On one connection, or although the server had the proof that the first had come. */
  twice: number;
  /** The link broke before that proof could reach the server. */
  twiceUnproven: number;
  finished: number;
  cancelled: number;
  superseded: number;
  /** Answered with an error, by its code. */
  failed: Map<string, number>;
  /** What must not be: a cancelled event that nobody asked for, a result after the end of its task, a lost session. */
  wrong: Map<string, number>;
  connections: number;
  /** Sockets closed because their reader took nothing. */
  slowCloses: number;
}
export declare function newCounts(): Counts;
/** A task that was sent, and all that was heard of it. */
export declare class SoakTask {
  #private;
  readonly task: Record<string, unknown> & {
    taskUUID: string;
  };
  readonly ended: Promise<void>;
  /** By index; on which connection it came last, and its number among all results of the client. */
  readonly results: Map<
    number,
    {
      connection: number;
      number: number;
    }
  >;
  /** The server has it. */
  heard: boolean;
  /** It may be cancelled or superseded. */
  mayEnd: boolean;
  state: 'open' | 'finished' | 'cancelled' | 'failed';
  constructor(task: SoakTask['task']);
  get owed(): number;
  end(state: Exclude<SoakTask['state'], 'open'>): void;
}
/**
 * A client that keeps its session through whatever happens to its sockets, and counts each frame that comes, other than
 * the library, which takes no result twice.
 */
export declare class SoakClient {
  #private;
  readonly tasks: Map<string, SoakTask>;
  constructor(url: string, counts: Counts);
  get open(): SoakTask[];
  send(parameters: Record<string, unknown>): SoakTask;
  cancel(task: SoakTask): void;
  /** Asks for a task as often as that; a result that has come is then not counted again. */
  ask(task: SoakTask, times?: number): void;
  /** Takes nothing from its socket for a while. */
  stopReading(ms: number): Promise<void>;
  close(): void;
}
