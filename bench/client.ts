import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';

/** When what arrived, in milliseconds since the task was sent. */
export interface TaskTimes {
  totalMs: number;
  firstPreviewMs: number | undefined;
  previews: number;
  bytes: number;
}

/** A bare socket that times tasks one after another, without the client library in the way. */
export class BenchClient {
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async connect(url: string): Promise<BenchClient> {
    const socket = new WebSocket(url.replace(/^http/, 'ws'));
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return new BenchClient(socket);
  }

  run(task: Record<string, unknown>): Promise<TaskTimes> {
    const taskUUID = randomUUID();
    return new Promise((resolve, reject) => {
      const times: TaskTimes = { totalMs: 0, firstPreviewMs: undefined, previews: 0, bytes: 0 };
      const started = performance.now();
      const preview = (bytes: number) => {
        times.firstPreviewMs ??= performance.now() - started;
        times.previews += 1;
        times.bytes += bytes;
      };
      const onMessage = (data: Buffer, isBinary: boolean) => {
        if (isBinary) return preview(data.length);
        const message = JSON.parse(data.toString()) as {
          data?: { taskUUID?: string }[];
          errors?: { taskUUID?: string; message: string }[];
          events?: { event: string }[];
        };
        if (message.events?.some((event) => event.event === 'previewed')) preview(data.length);
        const failed = message.errors?.find((error) => error.taskUUID === taskUUID);
        if (failed) done(() => reject(new Error(failed.message)));
        if (message.data?.some((item) => item.taskUUID === taskUUID)) {
          times.totalMs = performance.now() - started;
          done(() => resolve(times));
        }
      };
      const onClose = (code: number) => reject(new Error(`the server closed the socket with ${code}`));
      const done = (settle: () => void) => {
        this.#socket.off('message', onMessage);
        this.#socket.off('close', onClose);
        settle();
      };
      this.#socket.on('message', onMessage);
      this.#socket.once('close', onClose);
      this.#socket.send(JSON.stringify([{ taskType: 'imageInference', taskUUID, ...task }]));
    });
  }

  close(): void {
    this.#socket.close();
  }
}
