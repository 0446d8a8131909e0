import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { decodeFrame } from '../protocol/frames.js';
/** A bare socket that times tasks, without the client library in the way. */
export class BenchClient {
  #socket;
  #pending = new Map();
  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (data, isBinary) => this.#received(data, isBinary));
    socket.once('close', (code) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`the server closed the socket with ${code}`));
      this.#pending.clear();
    });
  }
  static async connect(url) {
    const socket = new WebSocket(url.replace(/^http/, 'ws'));
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return new BenchClient(socket);
  }
  /** Sends an image task of one result. */
  start(task, onEvent = () => {}) {
    const times = {
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
  run(task, onEvent) {
    return this.start(task, onEvent).ended;
  }
  /** Cancels tasks; settles with the answer. */
  async cancel(...tasks) {
    const { answer } = this.#send({ taskType: 'taskCancel', tasks });
    return (await answer).cancelled;
  }
  close() {
    this.#socket.close();
  }
  #send(task, times = {}, onEvent = () => {}) {
    const taskUUID = randomUUID();
    const answer = new Promise((resolve, reject) => {
      this.#pending.set(taskUUID, { sentAt: performance.now(), times, onEvent, resolve, reject });
    });
    this.#socket.send(JSON.stringify([{ ...task, taskUUID }]));
    return { taskUUID, answer };
  }
  #received(data, isBinary) {
    if (isBinary) {
      this.#happened(decodeFrame(data).event, data.length);
      return;
    }
    const frame = JSON.parse(data.toString());
    for (const event of frame.events ?? []) this.#happened(event, data.length);
    for (const item of frame.data ?? []) this.#end(item.taskUUID, ({ resolve }) => resolve(item));
    for (const error of frame.errors ?? []) {
      this.#end(error.taskUUID ?? '', ({ reject }) =>
        reject(Object.assign(new Error(error.message), { code: error.code })),
      );
    }
  }
  #happened(event, bytes) {
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
  #end(taskUUID, settle) {
    const pending = this.#pending.get(taskUUID);
    if (pending === undefined) return;
    this.#pending.delete(taskUUID);
    pending.times.totalMs = performance.now() - pending.sentAt;
    settle(pending);
  }
}
//# sourceMappingURL=client.js.map
