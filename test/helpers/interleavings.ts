import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import pino from 'pino';
import type { WebSocket } from 'ws';
import { parseJson } from '../../protocol/index.ts';
import { type GenerateRequest, type RunEvent, type Runtime, RuntimeError } from '../../runtime/index.ts';
import { Catalog } from '../../server/catalog/catalog.ts';
import { systemClock } from '../../server/clock.ts';
import { defaultConfig } from '../../server/config/config.ts';
import { Keys } from '../../server/config/keys.ts';
import { Proxies } from '../../server/config/proxies.ts';
import type { Context } from '../../server/context.ts';
import { serveConnection } from '../../server/dialects/runware/connection.ts';
import { Intake } from '../../server/http/intake.ts';
import { Gate } from '../../server/images/gate.ts';
import type { ImageStore, StoredImage } from '../../server/images/store.ts';
import { TaskRecords } from '../../server/lifecycle/records.ts';
import { Metrics } from '../../server/observe/metrics.ts';
import { Usage } from '../../server/observe/usage.ts';
import { Queue } from '../../server/queue/queue.ts';
import { Sessions } from '../../server/sessions/sessions.ts';
import { describeTestModel, type Frame } from './server.ts';

/** Numbers that look random and are the same each time (Marsaglia's xorshift32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 2_654_435_761) >>> 0 || 1;
  }

  below(count: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % count;
  }

  /** True once in so many times. */
  once(inSoMany: number): boolean {
    return this.below(inSoMany) === 0;
  }

  of<T>(list: readonly T[]): T | undefined {
    return list.length === 0 ? undefined : list[this.below(list.length)];
  }
}

/** The server's end of a connection whose other end is the test's: what is sent waits until it is read, or is lost. */
export class ScriptedSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  isPaused = false;
  closeCode: number | undefined;
  /** On the way to the client. */
  readonly down: { text?: string; ping?: string; taken?: () => void }[] = [];
  /** On the way to the server. */
  readonly up: { text?: string; pong?: string }[] = [];

  readonly #heaviness: number;

  /** @param heaviness - bytes that seem to wait for each that does: with many, a few frames make a slow reader */
  constructor(heaviness = 1) {
    super();
    this.#heaviness = heaviness;
  }

  get bufferedAmount(): number {
    return this.down.reduce((sum, { text = '' }) => sum + text.length * this.#heaviness, 0);
  }

  send(data: string | Buffer, ...more: unknown[]): void {
    const callback = more.find((each) => typeof each === 'function') as ((error?: Error) => void) | undefined;
    if (this.readyState !== 1) return void setImmediate(() => callback?.(new Error('It is not open.')));
    this.down.push({ text: String(data), ...(callback && { taken: () => callback() }) });
  }

  ping(text = ''): void {
    if (this.readyState === 1) this.down.push({ ping: text });
  }

  pong(): void {}

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  close(code: number): void {
    this.closeCode = code;
    this.terminate();
  }

  terminate(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    setImmediate(() => this.emit('close', this.closeCode ?? 1006));
  }

  /** The server gets the next of what was sent to it. False where there is nothing, or it does not read. */
  arrive(): boolean {
    if (this.isPaused || this.readyState !== 1) return false;
    const next = this.up.shift();
    if (next?.pong !== undefined) this.emit('pong', Buffer.from(next.pong));
    else if (next?.text !== undefined) this.emit('message', Buffer.from(next.text), false);
    return next !== undefined;
  }

  /** The client gets the next of what was sent to it; it answers pings by itself. */
  read(): Frame | 'ping' | undefined {
    const next = this.down.shift();
    if (next === undefined) return undefined;
    if (next.ping !== undefined) {
      this.up.push({ pong: next.ping });
      return 'ping';
    }
    if (next.taken !== undefined) setImmediate(next.taken);
    return parseJson(next.text!) as Frame;
  }
}

interface ScriptedRun {
  request: GenerateRequest;
  signal: AbortSignal;
  events: RunEvent[];
  error: unknown;
  wake: () => void;
}

const pixels = { width: 8, height: 8, data: new Uint8Array(8 * 8 * 3).fill(120) };
const timings = { loadingMs: 0, encodingMs: 0, denoisingMs: 1, decodingMs: 0 };

/** A runtime in which nothing happens by itself. */
export class ScriptedRuns implements Runtime {
  /** Those it was given and has not ended. */
  readonly live: ScriptedRun[] = [];
  /** What was drawn, in the order in which it was finished. */
  readonly finished: { prompt: string; seed: bigint }[] = [];
  most = 0;
  begun = 0;
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<RunEvent, void, undefined> {
    const { steps } = request;
    const steady = Array.from({ length: steps }, (_, step): RunEvent[] => [
      { type: 'stepped', step, steps },
      ...(request.previews ? [{ type: 'previewed' as const, step, steps, pixels }] : []),
    ]);
    const run: ScriptedRun = {
      ...{ request, signal, error: undefined, wake: () => {} },
      events: [{ type: 'started', steps }, ...steady.flat(), { type: 'finished', pixels, timings }],
    };
    this.begun++;
    this.live.push(run);
    this.most = Math.max(this.most, this.live.length);
    try {
      for (;;) {
        await new Promise<void>((resolve) => {
          run.wake = resolve;
        });
        if (run.error !== undefined) throw run.error;
        const event = run.events.shift()!;
        if (event.type === 'finished') this.finished.push({ prompt: request.prompt, seed: request.seed });
        yield event;
        if (event.type === 'finished') return;
      }
    } finally {
      this.live.splice(this.live.indexOf(run), 1);
    }
  }

  /** Lets a run come to its next event; one that is aborted ends there, and once in a while one fails. */
  advance(run: ScriptedRun): void {
    if (run.signal.aborted) run.error = run.signal.reason;
    else if (this.#dice.once(60)) run.error = new RuntimeError('inferenceError', 'A graph failed.');
    run.wake();
  }

  async ready(): Promise<void> {}

  status() {
    return { state: 'ready', restarts: 0, models: [], batches: [] } as unknown as ReturnType<Runtime['status']>;
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A store that, as a disk does, takes a different time for everything that it is asked for. */
function memoryStore(dice: Dice): ImageStore {
  const images = new Map<string, { image: StoredImage; bytes: Buffer }>();
  const turns = async () => {
    for (let left = dice.below(5); left > 0; left--) await turn();
  };
  return {
    async put(bytes, format) {
      await turns();
      const imageUUID = crypto.randomUUID();
      const image = { imageUUID, format, file: '', bytes: bytes.byteLength, usedAt: Date.now() };
      images.set(image.imageUUID, { image, bytes: Buffer.from(bytes) });
      return image;
    },
    known: (imageUUID) => images.get(imageUUID)?.image,
    async find(imageUUID) {
      await turns();
      return images.get(imageUUID)?.image;
    },
    async read(imageUUID) {
      await turns();
      return images.get(imageUUID);
    },
    async delete(imageUUID) {
      await turns();
      return images.delete(imageUUID);
    },
    hold: () => ({ [Symbol.dispose]() {} }),
    checkRoom: turns,
    list: () => [...images.values()].map(({ image }) => image),
    usage: () => ({ images: images.size, bytes: 0, quotaBytes: 0 }),
    async [Symbol.asyncDispose]() {},
  };
}

const log = pino({ level: 'silent' });
let shared: { catalog: Catalog; metrics: Metrics } | undefined;

export interface ScriptedServer {
  context: Context;
  runs: ScriptedRuns;
  connect(): ScriptedSocket;
}

/** All of the server but its port, its image folder and the runtime's process. */
export async function scriptedServer(dice: Dice, changes: Partial<Context['config']> = {}): Promise<ScriptedServer> {
  const config = { ...defaultConfig(), ...changes };
  const runs = new ScriptedRuns(dice);
  if (shared === undefined) {
    const folder = path.join(import.meta.dirname, '..', 'fixtures', 'server-models');
    const describe = async (model: string) => describeTestModel(model);
    const catalog = new Catalog({
      modelsDirs: [folder],
      defaultModel: 'local:tiny@1',
      describe,
      log,
      clock: systemClock,
    });
    await catalog.list();
    shared = { catalog, metrics: new Metrics(runs, () => 0) };
  }
  // Dice of its own: how often the store is asked must not change what else happens.
  const store = memoryStore(new Dice(1 + dice.below(1_000_000)));
  const keys = new Keys(config.apiKey, systemClock);
  const records = new TaskRecords(config.taskKeepMs, systemClock);
  const context: Context = {
    ...{
      config,
      log,
      clock: systemClock,
      runtime: runs,
      proxies: new Proxies([]),
      fetches: new Gate({ atOnce: 12, perOwner: 4 }),
      decodes: new Gate({ atOnce: 2, perOwner: 1 }),
      intake: new Intake({ maxBytes: 2 ** 30, maxStrangerBytes: 2 ** 20 }),

      usage: new Usage(systemClock),
      records,
      keys,
      store,
      url: 'http://localhost',
      closing: false,
      ...shared,
    },
    queue: new Queue(runs, {
      clock: systemClock,
      limit: config.queueLimit,
      concurrency: config.concurrency,
      claimantLimit: config.sessionQueueLimit,
      claimantRuns: config.sessionRunLimit,
      policyOf: (owner) => keys.policyOf(owner),
    }),
    sessions: new Sessions({
      read: (imageUUID) => store.read(imageUUID),
      keepMs: config.sessionKeepMs,
      expired: (session) => records.abandon(session),
      attached: (session) => records.showPreviews(session),
      clock: systemClock,
      meter: shared.metrics,
    }),
  };
  const request = { headers: {}, socket: { remoteAddress: '127.0.0.1' } } as unknown as IncomingMessage;
  return {
    context,
    runs,
    connect() {
      const socket = new ScriptedSocket(100);
      serveConnection(socket as unknown as WebSocket, request, context);
      return socket;
    },
  };
}
