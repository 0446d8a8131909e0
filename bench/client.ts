import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import type { WireError } from '../protocol/errors.ts';
import type { TaskEvent } from '../protocol/events.ts';
import { decodeFrame } from '../protocol/frames.ts';

/** When what arrived, in milliseconds since the task was sent. */
export interface TaskTimes {
  outcome: 'finished' | 'cancelled' | 'superseded';
  totalMs: number;
  firstPreviewMs: number | undefined;
  previews: number;
  /** Of the previews' frames. */
  bytes: number;
  /** Told of, where the task asked for progress. */
  steps: number;
}

export interface StartedTask {
  readonly taskUUID: string;
  /** As far as it is known by now. */
  readonly times: Readonly<TaskTimes>;
  /** Rejects with the task's error. */
  readonly ended: Promise<TaskTimes>;
}

interface Pending {
  sentAt: number;
  times: TaskTimes;
  onEvent: (event: TaskEvent) => void;
  resolve: (item: Item) => void;
  reject: (error: Error) => void;
}

interface Item {
  taskUUID: string;
  status?: string;
  [field: string]: unknown;
}

/** A bare socket that times tasks, without the client library in the way. */
export class BenchClient {
  readonly #socket: WebSocket;
  readonly #pending = new Map<string, Pending>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#received(data, isBinary));
    socket.once('close', (code) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`the server closed the socket with ${code}`));
      this.#pending.clear();
    });
  }

  static async connect(url: string): Promise<BenchClient> {
    const socket = new WebSocket(url.replace(/^http/, 'ws'));
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return new BenchClient(socket);
  }

  /** Sends an image task of one result. */
  start(task: Record<string, unknown>, onEvent: (event: TaskEvent) => void = () => {}): StartedTask {
    const times: TaskTimes = {
      outcome: 'finished',
      totalMs: 0,
      firstPreviewMs: undefined,
      previews: 0,
      bytes: 0,
      steps: 0,
    };
    const { taskUUID, answer } = this.#send({ taskType: 'imageInference', ...task }, times, onEvent);
    const ended = answer.then(() => times);
    return { taskUUID, times, ended };
  }

  run(task: Record<string, unknown>, onEvent?: (event: TaskEvent) => void): Promise<TaskTimes> {
    return this.start(task, onEvent).ended;
  }

  /** Cancels tasks; settles with the answer. */
  async cancel(...tasks: string[]): Promise<string[]> {
    const { answer } = this.#send({ taskType: 'taskCancel', tasks });
    return (await answer).cancelled as string[];
  }

  close(): void {
    this.#socket.close();
  }

  #send(
    task: Record<string, unknown>,
    times = {} as TaskTimes,
    onEvent: (event: TaskEvent) => void = () => {},
  ): { taskUUID: string; answer: Promise<Item> } {
    const taskUUID = randomUUID();
    const answer = new Promise<Item>((resolve, reject) => {
      this.#pending.set(taskUUID, { sentAt: performance.now(), times, onEvent, resolve, reject });
    });
    this.#socket.send(JSON.stringify([{ ...task, taskUUID }]));
    return { taskUUID, answer };
  }

  #received(data: Buffer, isBinary: boolean): void {
    if (isBinary) {
      this.#happened(decodeFrame(data).event, data.length);
      return;
    }
    const frame = JSON.parse(data.toString()) as { data?: Item[]; errors?: WireError[]; events?: TaskEvent[] };
    for (const event of frame.events ?? []) this.#happened(event, data.length);
    for (const item of frame.data ?? []) this.#end(item.taskUUID, ({ resolve }) => resolve(item));
    for (const error of frame.errors ?? []) {
      this.#end(error.taskUUID ?? '', ({ reject }) =>
        reject(Object.assign(new Error(error.message), { code: error.code })),
      );
    }
  }

  #happened(event: TaskEvent, bytes: number): void {
    const pending = this.#pending.get(event.taskUUID);
    if (pending === undefined) return;
    const { times, sentAt, onEvent } = pending;
    if (event.event === 'previewed') {
      times.firstPreviewMs ??= performance.now() - sentAt;
      times.previews += 1;
      times.bytes += bytes;
    } else if (event.event === 'stepped') times.steps += 1;
    onEvent(event);
    if (event.event !== 'cancelled') return;
    times.outcome = event.reason;
    this.#end(event.taskUUID, ({ resolve }) => resolve({ taskUUID: event.taskUUID }));
  }

  #end(taskUUID: string, settle: (pending: Pending) => void): void {
    const pending = this.#pending.get(taskUUID);
    if (pending === undefined) return;
    this.#pending.delete(taskUUID);
    pending.times.totalMs = performance.now() - pending.sentAt;
    settle(pending);
  }
}
