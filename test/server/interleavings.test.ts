import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Session } from '../../server/sessions/session.ts';
import { Dice, type ScriptedServer, type ScriptedSocket, scriptedServer } from '../helpers/interleavings.ts';
import { privateSizes } from '../helpers/privateSizes.ts';
import { type Frame, imageTask } from '../helpers/server.ts';

// The clock moves when the test says so; images are encoded by other threads, so turns of the loop are real.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const total: Record<string, number> = {};
const count = (what: string, by = 1) => {
  total[what] = (total[what] ?? 0) + by;
};
afterAll(() => console.info(JSON.stringify(total)));

/**
 * `resume`: names its session and sends nothing again. `both`: as our own client, sends what is unanswered as well.
 * `repeat`: as a client that forgets its session.
 */
type Manner = 'resume' | 'repeat' | 'both';

interface Sent {
  uuid: string;
  task: ReturnType<typeof imageTask>;
  numberResults: number;
  isAsync: boolean;
  results: Set<number>;
  end: 'finished' | 'failed' | 'cancelled' | undefined;
}

/** What one socket has shown of a task. */
interface Shown {
  /** In the order in which they came. */
  results: Set<number>;
  steps: Map<number, number>;
  ended: boolean;
  repeated: boolean;
}

/** A client that complains of whatever it should not have been sent. */
class Client {
  readonly manner: Manner;
  readonly tasks = new Map<string, Sent>();
  readonly #server: ScriptedServer;
  readonly #dice: Dice;
  socket: ScriptedSocket | undefined;
  sessionUUID: string | undefined;
  /** Results whose proof has reached the server. */
  readonly #proven = new Set<string>();
  #unproven: { name: string; ping: string | undefined }[] = [];
  #shown = new Map<string, Shown>();
  readonly #repeated = new Set<string>();
  readonly #arrived = new Set<string>();
  #mustRepeat = false;

  constructor(server: ScriptedServer, dice: Dice, manner: Manner) {
    this.#server = server;
    this.#dice = dice;
    this.manner = manner;
  }

  connect(): void {
    this.#shown = new Map();
    this.#unproven = [];
    const socket = this.#server.connect();
    this.socket = socket;
    const resumes = this.manner !== 'repeat' && this.sessionUUID !== undefined;
    this.#send({
      taskType: 'authentication',
      apiKey: 'any',
      push: true,
      ...(resumes && { connectionSessionUUID: this.sessionUUID }),
    });
    socket.on('close', () => {
      if (this.socket === socket) this.#lost(socket);
    });
    count('connections');
  }

  #lost(socket: ScriptedSocket): void {
    this.#lose(socket);
    if (socket.closeCode === 4008) count('closed with 4008');
    this.socket = undefined;
  }

  /** Part of what is on the way arrives, the rest is lost. `half-open`: the server does not hear of it. */
  cut(isHalfOpen: boolean): void {
    const { socket } = this;
    if (socket === undefined) return;
    count(isHalfOpen ? 'links left half open' : 'links cut');
    for (let left = this.#dice.below(3); left > 0; left--) this.read();
    for (let left = this.#dice.below(3); left > 0; left--) this.arrive();
    this.#lose(socket);
    this.socket = undefined;
    if (!isHalfOpen) socket.terminate();
  }

  /** What was on its way up is lost. A task that never reached the server has no end for whoever does not send it again. */
  #lose(socket: ScriptedSocket): void {
    for (const { text } of socket.up.splice(0)) {
      for (const { uuid } of tasksIn(text)) {
        if (this.manner !== 'resume') continue;
        if (this.#arrived.has(uuid)) this.#mustRepeat = true;
        else this.tasks.delete(uuid);
      }
    }
  }

  #send(...tasks: unknown[]): void {
    this.socket?.up.push({ text: JSON.stringify(tasks) });
  }

  send(task: ReturnType<typeof imageTask>): void {
    const uuid = task.taskUUID;
    const numberResults = (task.numberResults as number | undefined) ?? 1;
    const isAsync = task.deliveryMethod === 'async';
    this.tasks.set(uuid, { uuid, task, numberResults, isAsync, results: new Set(), end: undefined });
    this.#send(task);
    count('tasks');
  }

  cancel(uuids: readonly string[]): void {
    this.#send({ taskType: 'taskCancel', taskUUID: randomUUID(), tasks: uuids });
  }

  /** Sends what has no end once more. */
  #repeat(): void {
    this.#mustRepeat = false;
    for (const { uuid, task, end, numberResults, results } of this.tasks.values()) {
      if (end !== undefined) continue;
      this.#shownOf(uuid).repeated = true;
      // Each time it is sent, a task that was refused has another answer; a session may have them all to tell.
      if (this.manner !== 'repeat') this.#repeated.add(uuid);
      const lacking = this.manner === 'repeat' ? numberResults : numberResults - results.size;
      this.#send({ ...task, numberResults: lacking });
      count('tasks sent again');
    }
  }

  /** Sends a task again while the server works on it and its results are on their way. */
  repeatOne(uuid: string): void {
    const { task, end, numberResults, results, isAsync } = this.tasks.get(uuid)!;
    // One that was refused or has failed runs again. Of an asynchronous one no error tells that its results begin anew.
    if (end !== undefined || (isAsync && numberResults > 1)) return;
    // A client that forgets its session asks the next one for all, which must not be more than the last time.
    if (this.manner === 'repeat' && results.size > 0) return;
    this.#shownOf(uuid).repeated = true;
    if (this.manner !== 'repeat') this.#repeated.add(uuid);
    this.#send({ ...task, numberResults: numberResults - results.size });
    count('tasks sent again on the same socket');
  }

  /** The server gets something. */
  arrive(): boolean {
    const { socket } = this;
    if (socket === undefined) return false;
    const [next] = socket.up;
    if (!socket.arrive()) return false;
    for (const { uuid } of tasksIn(next?.text)) this.#arrived.add(uuid);
    if (next?.pong !== undefined) {
      const at = this.#unproven.findIndex(({ ping }) => ping === next.pong);
      for (const { name } of this.#unproven.splice(0, at + 1)) this.#proven.add(name);
    }
    return true;
  }

  /** The client gets something. */
  read(): boolean {
    const { socket } = this;
    const next = socket?.down[0];
    const frame = socket?.read();
    if (frame === undefined) return false;
    if (frame === 'ping') for (const each of this.#unproven) each.ping ??= next!.ping!;
    else this.#hear(frame);
    return true;
  }

  #shownOf(uuid: string): Shown {
    const repeated = this.#repeated.has(uuid);
    const shown = this.#shown.get(uuid) ?? { results: new Set(), steps: new Map(), ended: false, repeated };
    this.#shown.set(uuid, shown);
    return shown;
  }

  #hear({ data = [], errors = [], events = [] }: Frame): void {
    for (const item of data) {
      if (item.taskType === 'authentication') {
        const resumed = this.sessionUUID === item.connectionSessionUUID;
        count(resumed ? 'sessions resumed' : 'sessions begun');
        this.sessionUUID = item.connectionSessionUUID;
        if (this.manner !== 'resume' || !resumed || this.#mustRepeat) this.#repeat();
      } else if (item.taskType === 'imageInference' && item.resultIndex !== undefined) {
        this.#result(item.taskUUID, item.resultIndex);
      }
    }
    for (const { code, taskUUID } of errors) {
      expect(code).not.toBe('conflictTaskUUID');
      expect(code).not.toBe('internalServerError');
      this.#ended(taskUUID!, 'failed');
      count(`error ${code}`);
    }
    for (const event of events) {
      const { taskUUID } = event;
      if (event.event === 'cancelled') {
        this.#ended(taskUUID, 'cancelled');
        count(event.reason);
        continue;
      }
      const shown = this.#shownOf(taskUUID);
      if (!shown.repeated) expect(shown.ended, `${event.event} after the end`).toBe(false);
      if (event.event !== 'stepped' && event.event !== 'previewed') continue;
      expect(shown.results.has(event.resultIndex), `${event.event} after its result`).toBe(false);
      if (event.event === 'previewed') continue;
      expect(event.step).toBeGreaterThan(shown.repeated ? -1 : (shown.steps.get(event.resultIndex) ?? -1));
      shown.steps.set(event.resultIndex, event.step);
    }
  }

  #result(uuid: string, index: number): void {
    const sent = this.tasks.get(uuid)!;
    const shown = this.#shownOf(uuid);
    const name = `${uuid} ${index}`;
    expect(shown.results.has(index), 'twice on one socket').toBe(false);
    if (!shown.repeated) expect(shown.ended, 'a result after the end').toBe(false);
    if (this.manner !== 'repeat') {
      expect(this.#proven.has(name), 'again after its proof').toBe(false);
      this.#unproven.push({ name, ping: undefined });
    }
    if (sent.results.has(index)) count('results again, on another socket, without proof');
    count('results');
    shown.results.add(index);
    this.#checkOrder(uuid, shown);
    sent.results.add(index);
    if (sent.results.size < sent.numberResults) return;
    // A task that failed on the server's side runs again for whoever sends it again.
    if (!shown.repeated) expect([undefined, 'finished']).toContain(sent.end);
    sent.end ??= 'finished';
    if (shown.results.size === sent.numberResults) shown.ended = true;
  }

  /** On each connection the results of a task come in the order in which they were drawn. */
  #checkOrder(uuid: string, { results }: Shown): void {
    const { task } = this.tasks.get(uuid)!;
    const drawn = this.#server.runs.finished.filter(({ prompt }) => prompt === task.positivePrompt);
    const order = drawn.map(({ seed }) => Number(seed) - Number(task.seed));
    // A task that has run twice has two orders.
    if (new Set(order).size < order.length) return;
    const expected = order.filter((index) => results.has(index));
    expect([...results], 'the order of the results').toEqual(expected);
    if (results.size > 1) count('results in order');
  }

  #ended(uuid: string, end: 'failed' | 'cancelled'): void {
    const sent = this.tasks.get(uuid);
    // A cancel that no result follows is nobody's task.
    if (sent === undefined) return;
    const shown = this.#shownOf(uuid);
    if (!shown.repeated) {
      expect(shown.ended, `${end} after the end`).toBe(false);
      expect([undefined, end]).toContain(sent.end);
    }
    shown.ended = true;
    sent.end ??= end;
    if (end !== 'failed' || !shown.repeated) return;
    // Where it was sent again it runs again, and its results are others.
    shown.results.clear();
    for (let index = 0; index < sent.numberResults; index++) this.#proven.delete(`${uuid} ${index}`);
    this.#unproven = this.#unproven.filter(({ name }) => !name.startsWith(uuid));
  }

  /** Whether it waits for nothing any more. Errors of asynchronous tasks are told to those who ask, so their record says it. */
  get content(): boolean {
    const { records } = this.#server.context;
    return [...this.tasks.values()].every(
      ({ uuid, isAsync, end }) => end !== undefined || (isAsync && records.find('anyone', uuid)?.state === 'failed'),
    );
  }
}

function tasksIn(text = '[]'): { uuid: string }[] {
  const tasks = JSON.parse(text) as { taskType: string; taskUUID: string }[];
  return tasks.filter(({ taskType }) => taskType === 'imageInference').map(({ taskUUID }) => ({ uuid: taskUUID }));
}

function newTask(dice: Dice): ReturnType<typeof imageTask> {
  return imageTask({
    positivePrompt: randomUUID(),
    steps: 1 + dice.below(4),
    seed: 1 + dice.below(1000),
    width: 128 * (1 + dice.below(3)),
    ...(dice.once(2) && { numberResults: 2 + dice.below(3) }),
    ...(dice.once(3) && { lane: dice.of(['a', 'b'])! }),
    ...(dice.once(4) && { deliveryMethod: 'async' }),
    ...(dice.once(3) && { priority: dice.below(10) }),
    ...(dice.once(2) && { progress: true }),
    ...(dice.once(3) && { previews: { every: 1, size: 16 } }),
    ...(dice.once(3) && { outputType: ['base64Data'] }),
    ...(dice.once(15) && { deadline: 1 + dice.below(5000) }),
  });
}

async function play(seed: number): Promise<void> {
  const dice = new Dice(seed);
  const concurrency = 1 + dice.below(6);
  const sessionRunLimit = dice.below(3);
  const server = await scriptedServer(dice, {
    ...{ concurrency, sessionRunLimit, queueLimit: 6 + dice.below(40), sessionQueueLimit: 5 + dice.below(20) },
  });
  const { context, runs } = server;
  const sessions = new Set<Session>();
  const create = context.sessions.create.bind(context.sessions);
  vi.spyOn(context.sessions, 'create').mockImplementation((...given) => {
    const session = create(...given);
    sessions.add(session);
    return session;
  });
  const clients = Array.from({ length: 1 + dice.below(3) }, () => {
    return new Client(server, dice, dice.of(['resume', 'both', 'repeat'] as const)!);
  });
  for (const client of clients) client.connect();

  const check = () => {
    expect(context.queue.running).toBeLessThanOrEqual(concurrency);
    expect(runs.live.length).toBeLessThanOrEqual(context.queue.running);
    if (sessionRunLimit === 0) return;
    const shares = runs.live.map(({ request }) => request.share!.key);
    for (const key of shares)
      expect(shares.filter((other) => other === key).length).toBeLessThanOrEqual(sessionRunLimit);
  };

  for (let move = 60 + dice.below(120); move > 0; move--) {
    const client = dice.of(clients)!;
    const mayTalk = client.socket?.readyState === 1 && client.sessionUUID !== undefined;
    switch (dice.below(13)) {
      case 0:
      case 1:
        if (mayTalk) client.send(newTask(dice));
        break;
      case 2: {
        const any = dice.of([...dice.of(clients)!.tasks.keys()]);
        if (mayTalk && any !== undefined && dice.once(2)) client.cancel([any]);
        break;
      }
      case 3:
        if (client.socket === undefined) client.connect();
        else if (dice.once(4)) client.cut(dice.once(3));
        break;
      case 4:
        // Most often a moment, sometimes so long that a reader is slow, seldom so long that a session is given up.
        vi.advanceTimersByTime(dice.once(30) ? 200_000 : dice.once(10) ? 61_000 : dice.below(1_000));
        break;
      case 5:
      case 6:
      case 7: {
        const run = dice.of(runs.live);
        if (run !== undefined) runs.advance(run);
        break;
      }
      case 8: {
        const any = dice.of([...client.tasks.keys()]);
        if (mayTalk && any !== undefined) client.repeatOne(any);
        break;
      }
      case 9:
      case 10:
        for (let left = dice.below(6); left > 0; left--) client.read();
        break;
      default:
        for (let left = 1 + dice.below(3); left > 0; left--) client.arrive();
    }
    for (let turns = dice.below(3); turns > 0; turns--) await turn();
    check();
  }

  // Nothing more goes wrong, and all comes to its end.
  const giveUp = performance.now() + 20_000;
  let quiet = 0;
  while (quiet < 3) {
    let busy = false;
    for (const client of clients) {
      if (client.socket === undefined) client.connect();
      while (client.read() || client.arrive()) busy = true;
    }
    for (const run of [...runs.live]) {
      runs.advance(run);
      busy = true;
    }
    await turn();
    check();
    const isOver = context.records.unfinished().length === 0 && clients.every(({ content }) => content);
    quiet = !busy && isOver ? quiet + 1 : 0;
    if (performance.now() > giveUp) {
      const waiting = clients.flatMap(({ tasks }) => [...tasks.values()].filter(({ end }) => end === undefined));
      throw new Error(`Without an end: ${JSON.stringify(waiting.map(({ task, results }) => [task, [...results]]))}`);
    }
  }

  count('runs', runs.begun);
  for (const session of sessions) {
    if (session.attached) expect(privateSizes(session)).toMatchObject(nothingHeld);
    // Those that no client is at were left half open.
    if (!clients.some(({ sessionUUID }) => sessionUUID === session.id)) continue;
    // All was read and every ping answered, so that all is proven to have arrived.
    const results = clients.flatMap(({ tasks }) => [...tasks.values()]);
    for (const { uuid, numberResults } of results) {
      for (let index = 0; index < numberResults; index++) expect(session.holds(uuid, index), 'unproven').toBe(false);
    }
  }
  expect(privateSizes(context.queue)).toMatchObject({ '#flows': 0, '#running': 0, '#admitted': 0, '#admittedOf': 0 });
  expect(privateSizes(context.records)['#lanes']).toBe(0);
  for (const client of clients) client.socket?.terminate();
  // Those left half open are found out by their silence, and their sessions are given up after that.
  for (let round = 0; round < 3; round++) {
    await turn();
    vi.advanceTimersByTime(context.config.taskKeepMs);
  }
  expect(privateSizes(context.records)).toEqual({
    '#records': 0,
    '#unfinished': 0,
    '#ended': 0,
    '#lanes': 0,
    '#keepMs': context.config.taskKeepMs,
  });
  expect(privateSizes(context.sessions)).toMatchObject({ '#sessions': 0, '#timers': 0 });
  expect(vi.getTimerCount()).toBe(0);
}

const nothingHeld = { '#newest': 0, '#unsent': 0 };

test.each([0, 1, 2, 3])(
  'whatever is sent, cancelled, cut and resumed in whatever order, each task has one end (%i)',
  {
    timeout: 120_000,
  },
  async (part) => {
    for (let seed = 1 + part * 50; seed <= (part + 1) * 50; seed++) {
      await play(seed).catch((error: unknown) => {
        throw new Error(`With seed ${seed}: ${(error as Error).message}`, { cause: error });
      });
    }
  },
);
