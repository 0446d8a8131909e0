import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { decodeFrame } from '../protocol/frames.js';
export function newCounts() {
  return {
    tasks: 0,
    once: 0,
    twice: 0,
    twiceUnproven: 0,
    finished: 0,
    cancelled: 0,
    superseded: 0,
    failed: new Map(),
    wrong: new Map(),
    connections: 0,
    slowCloses: 0,
  };
}
function add(to, key) {
  to.set(key, (to.get(key) ?? 0) + 1);
}
/** A task that was sent, and all that was heard of it. */
export class SoakTask {
  task;
  ended;
  /** By index; on which connection it came last, and its number among all results of the client. */
  results = new Map();
  /** The server has it. */
  heard = false;
  /** It may be cancelled or superseded. */
  mayEnd = false;
  state = 'open';
  #end = () => {};
  constructor(task) {
    this.task = task;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }
  get owed() {
    return this.task.numberResults ?? 1;
  }
  end(state) {
    this.state = state;
    this.#end();
  }
}
/**
 * A client that keeps its session through whatever happens to its sockets, and counts each frame that comes, other than
 * the library, which takes no result twice.
 */
export class SoakClient {
  tasks = new Map();
  #url;
  #counts;
  #socket;
  #sessionUUID;
  /** Cancels without an answer. */
  #cancels = new Map();
  /** Tasks that were asked for, whose results may come once more for it. */
  #asked = new Set();
  #repeated = new Set();
  #closed = false;
  /** Of sockets so far. */
  #connection = 0;
  #results = 0;
  /** Results with this number and below are known by the server to have come. */
  #proven = 0;
  constructor(url, counts) {
    this.#url = url.replace(/^http/, 'ws');
    this.#counts = counts;
    void this.#run();
  }
  get open() {
    return [...this.tasks.values()].filter(({ state }) => state === 'open');
  }
  send(parameters) {
    const sent = new SoakTask({ taskType: 'imageInference', taskUUID: randomUUID(), ...parameters });
    this.#counts.tasks++;
    if (sent.task.lane !== undefined) {
      for (const other of this.open) if (other.task.lane === sent.task.lane) other.mayEnd = true;
    }
    this.tasks.set(sent.task.taskUUID, sent);
    this.#write(sent.task);
    return sent;
  }
  cancel(task) {
    task.mayEnd = true;
    const taskUUID = randomUUID();
    this.#cancels.set(taskUUID, [task.task.taskUUID]);
    this.#write({ taskType: 'taskCancel', taskUUID, tasks: [task.task.taskUUID] });
  }
  /** Asks for a task as often as that; a result that has come is then not counted again. */
  ask(task, times = 1) {
    this.#asked.add(task.task.taskUUID);
    for (let n = 0; n < times; n++) this.#write({ taskType: 'getResponse', taskUUID: task.task.taskUUID });
  }
  /** Takes nothing from its socket for a while. */
  async stopReading(ms) {
    const socket = this.#socket;
    socket?.pause();
    await sleep(ms);
    socket?.resume();
  }
  close() {
    this.#closed = true;
    this.#socket?.close();
  }
  #write(task) {
    if (this.#sessionUUID !== undefined && this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify([task]), () => {});
    }
  }
  async #run() {
    while (!this.#closed) {
      await this.#live();
      await sleep(100);
    }
  }
  /** One socket from its opening to its end. */
  #live() {
    const socket = new WebSocket(this.#url);
    const connection = ++this.#connection;
    let pongedUpTo = 0;
    let pinging;
    socket.on('open', () => {
      this.#counts.connections++;
      const connectionSessionUUID = this.#sessionUUID;
      socket.send(
        JSON.stringify([
          {
            taskType: 'authentication',
            progress: true,
            previews: { every: 2, delivery: 'binary' },
            ...(connectionSessionUUID !== undefined && { connectionSessionUUID }),
          },
        ]),
      );
      // The server sends a ping behind each result; what its pong has been sent for before ours is proven by our pong.
      pinging = setInterval(() => socket.ping(String(pongedUpTo)), 250);
    });
    socket.on('ping', () => (pongedUpTo = this.#results));
    socket.on('pong', (data) => (this.#proven = Math.max(this.#proven, Number(data))));
    socket.on('message', (data, isBinary) => {
      if (isBinary) this.#happened(decodeFrame(data).event);
      else this.#received(data.toString(), connection, socket);
    });
    socket.on('error', () => {});
    return new Promise((resolve) => {
      socket.on('close', (code) => {
        clearInterval(pinging);
        if (code === 4008) this.#counts.slowCloses++;
        if (this.#socket === socket) this.#socket = undefined;
        resolve();
      });
    });
  }
  #received(text, connection, socket) {
    const frame = JSON.parse(text);
    for (const item of frame.data ?? []) {
      if (item.taskType === 'authentication') this.#opened(item.connectionSessionUUID, socket);
      else if (item.taskType === 'taskCancel') this.#cancels.delete(item.taskUUID);
      else this.#answered(item, connection);
    }
    for (const event of frame.events ?? []) this.#happened(event);
    for (const { taskUUID, code } of frame.errors ?? []) {
      const task = this.tasks.get(taskUUID ?? '');
      if (task?.state !== 'open') continue;
      add(this.#counts.failed, code);
      task.end('failed');
    }
  }
  #opened(sessionUUID, socket) {
    const isOther = this.#sessionUUID !== undefined && this.#sessionUUID !== sessionUUID;
    if (isOther) this.#wrong('session not resumed');
    this.#sessionUUID = sessionUUID;
    this.#socket = socket;
    // What the server may never have had; of all else the session tells by itself.
    for (const { heard, task } of this.open) if (!heard || isOther) this.#write(task);
    for (const [taskUUID, tasks] of this.#cancels) this.#write({ taskType: 'taskCancel', taskUUID, tasks });
  }
  #answered({ taskUUID, imageUUID, resultIndex = 0 }, connection) {
    const task = this.tasks.get(taskUUID);
    if (task === undefined) return;
    task.heard = true;
    if (imageUUID === undefined) return;
    const before = task.results.get(resultIndex);
    // The answer to an ask has no name of its own.
    if (before !== undefined && this.#asked.has(taskUUID)) return;
    const number = ++this.#results;
    task.results.set(resultIndex, { connection, number });
    if (before === undefined) {
      this.#counts.once++;
      if (task.state !== 'open') this.#wrong(`result of a task that was ${task.state}`);
    } else {
      const name = `${taskUUID} ${resultIndex}`;
      if (!this.#repeated.has(name)) this.#counts.once--;
      this.#repeated.add(name);
      if (before.connection === connection || before.number <= this.#proven) this.#counts.twice++;
      else this.#counts.twiceUnproven++;
    }
    if (task.state !== 'open' || task.results.size < task.owed) return;
    this.#counts.finished++;
    task.end('finished');
  }
  #happened(event) {
    const task = this.tasks.get(event.taskUUID);
    if (task === undefined) return;
    task.heard = true;
    if (event.event !== 'cancelled') {
      if (task.state !== 'open') this.#wrong(`${event.event} of a task that was ${task.state}`);
      return;
    }
    if (task.state !== 'open') return;
    if (!task.mayEnd) this.#wrong('cancelled by nobody');
    this.#counts[event.reason]++;
    task.end('cancelled');
  }
  #wrong(what) {
    add(this.#counts.wrong, what);
  }
}
//# sourceMappingURL=soakClient.js.map
