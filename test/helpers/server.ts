import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { WebSocket } from 'ws';
import { decodeFrame, parseJson, stringifyJson, type TaskEvent, type WireError } from '../../protocol/index.ts';
import type { ModelDescription, Runtime } from '../../runtime/index.ts';
import { type Server, type ServerOptions, startServer } from '../../server/index.ts';
import { createFakeRuntime } from './fakeRuntime.ts';

export interface TestServer extends Server {
  readonly dataDir: string;
  readonly runtime: Runtime;
  /** Opens a raw socket; it is closed with the server. */
  socket(options?: SocketOptions): Promise<TestSocket>;
  /** Sends tasks over HTTP. */
  post(tasks: unknown, headers?: Record<string, string>): Promise<{ status: number; body: Frame; headers: Headers }>;
}

/** A server on a free port with a fake runtime, one model `local:tiny@1`, and a data folder that is deleted with it. */
export async function startTestServer(options: ServerOptions = {}): Promise<TestServer> {
  const runtime = options.runtime ?? createFakeRuntime();
  const ownDataDir = options.dataDir === undefined ? await mkdtemp(path.join(os.tmpdir(), 'latentwire-')) : undefined;
  const dataDir = options.dataDir ?? ownDataDir!;
  const server = await startServer({
    port: 0,
    modelsDir: [modelsFolder],
    defaultModel: 'local:tiny@1',
    logLevel: 'silent',
    describe: async (folder) => describeTestModel(folder),
    ...options,
    dataDir,
    runtime,
  });
  const sockets: TestSocket[] = [];
  return {
    ...server,
    dataDir,
    runtime,
    async socket(socketOptions = {}) {
      const socket = await TestSocket.open(server.url, socketOptions);
      sockets.push(socket);
      return socket;
    },
    async post(tasks, headers = {}) {
      const response = await fetch(`${server.url}/v1`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof tasks === 'string' ? tasks : JSON.stringify(tasks),
      });
      return { status: response.status, body: parseJson(await response.text()) as Frame, headers: response.headers };
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.terminate();
      await server[Symbol.asyncDispose]();
      if (options.runtime === undefined) await runtime.close();
      if (ownDataDir !== undefined) await rm(ownDataDir, { recursive: true, force: true });
    },
  };
}

const modelsFolder = path.join(import.meta.dirname, '..', 'fixtures', 'server-models');

/** The kinds of the fixtures, by words in their names. */
const kinds: [RegExp, ModelDescription['kind']][] = [
  [/lora/, 'lora'],
  [/embedding/, 'embedding'],
  [/canny|depth/, 'controlNet'],
  [/vae/, 'vae'],
  [/taesd/, 'tinyVae'],
];

/** The same, but for the model `depth`, which is an IP-Adapter. */
export async function describeWithIpAdapter(folder: string): Promise<ModelDescription> {
  const described = describeTestModel(folder);
  return path.basename(folder) === 'depth' ? { ...described, kind: 'ipAdapter' } : described;
}

/** Describes models without reading more than their names: `-sdxl` or `-sd1x` in a name is the architecture. */
export function describeTestModel(folder: string): ModelDescription {
  const name = path.basename(folder).replace(/\.\w+$/, '');
  const broken = name === 'broken' || /\.(ckpt|pt)$/.test(folder);
  const kind = broken ? undefined : kinds.find(([word]) => word.test(name))?.[1];
  return {
    folder,
    kind: kind ?? 'checkpoint',
    architecture: name.endsWith('-sdxl') ? 'sdxl' : name.endsWith('-sd1x') ? 'sd1x' : 'unknown',
    name,
    ...(name.includes('refiner') && { refiner: true }),
    description: `The ${name} model of the tests`,
    className: 'StableDiffusionPipeline',
    family: 'sd',
    available: !broken,
    ...(broken && { reason: 'its weights are missing.' }),
    layout: 'safetensors',
    precision: 'float32',
    sizeBytes: 1000,
    sizeMultiple: 8,
    defaultWidth: 128,
    defaultHeight: 128,
    defaultSteps: 4,
    defaultGuidanceScale: 5,
    defaultStrength: 0.8,
    guidanceRule: 'above 1',
    input: 'latents',
    mostReferences: 0,
    keepsPixels: true,
    caches: ['deepCache'],
    defaultScheduler: 'Euler',
    tags: ['test', name],
  };
}

/** Any text frame. */
export interface Frame {
  data?: Item[];
  errors?: WireError[];
  error?: WireError;
  events?: TaskEvent[];
}

export interface Item {
  taskType: string;
  taskUUID: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects there is what it tests
  [field: string]: any;
}

export interface SocketOptions {
  path?: string;
  headers?: Record<string, string>;
  /** Sends the authentication and takes its answer; default true. */
  authenticate?: boolean | Record<string, unknown>;
}

/** A socket without a client's manners: everything that arrives is kept in order until it is asked for. */
export class TestSocket {
  readonly webSocket: WebSocket;
  /** Frames not yet taken. A binary frame is an event with its image as `bytes`. */
  readonly frames: Frame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  sessionUUID: string | undefined;
  /** Of all that wait for a frame. */
  readonly #wakes = new Set<() => void>();

  private constructor(webSocket: WebSocket) {
    this.webSocket = webSocket;
    webSocket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) {
        const { event, image } = decodeFrame(data);
        this.frames.push({ events: [{ ...event, bytes: image } as TaskEvent] });
      } else this.frames.push(parseJson(data.toString()) as Frame);
      this.#wake();
    });
    webSocket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      webSocket.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
  }

  static async open(url: string, { path: urlPath = '/v1', headers = {}, authenticate = true }: SocketOptions = {}) {
    const webSocket = new WebSocket(url.replace(/^http/, 'ws') + urlPath, { headers });
    const socket = new TestSocket(webSocket);
    await new Promise((resolve, reject) => {
      webSocket.once('open', resolve);
      webSocket.once('error', reject);
    });
    if (authenticate !== false) {
      const frame = await socket.authenticate(authenticate === true ? {} : authenticate);
      socket.sessionUUID = frame.data?.[0]?.connectionSessionUUID;
    }
    return socket;
  }

  async authenticate(more: Record<string, unknown> = {}): Promise<Frame> {
    this.send({ taskType: 'authentication', apiKey: 'any', ...more });
    return await this.take((frame) => (frame.data ?? frame.errors)?.[0]?.taskType === 'authentication');
  }

  send(...tasks: unknown[]): void {
    this.webSocket.send(stringifyJson(tasks));
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }

  /** Takes the first frame that fits out of those that are there or will come. */
  async take(fits: (frame: Frame) => boolean = () => true, timeoutMs = 30_000): Promise<Frame> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const index = this.frames.findIndex(fits);
      if (index >= 0) return this.frames.splice(index, 1)[0]!;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`No such frame came. There are: ${JSON.stringify(this.frames).slice(0, 2000)}`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#wakes.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        this.#wakes.add(wake);
      });
    }
  }

  /** The one item of the next `data` frame of a task. */
  async item(taskUUID: string, timeoutMs?: number): Promise<Item> {
    const frame = await this.take(({ data }) => data?.[0]?.taskUUID === taskUUID, timeoutMs);
    return frame.data![0]!;
  }

  /** The error of a task, or of none. */
  async error(taskUUID?: string): Promise<WireError> {
    const frame = await this.take(({ errors }) => errors !== undefined && errors[0]?.taskUUID === taskUUID);
    return frame.errors![0]!;
  }

  async event<Kind extends TaskEvent['event']>(
    kind: Kind,
    taskUUID: string,
  ): Promise<Extract<TaskEvent, { event: Kind }>> {
    const frame = await this.take(({ events }) => events?.[0]?.event === kind && events[0].taskUUID === taskUUID);
    return frame.events![0] as Extract<TaskEvent, { event: Kind }>;
  }

  /** Sends a task and takes the first item of its answer; an error is thrown as its code. */
  async ask(task: Record<string, unknown>): Promise<Item> {
    const taskUUID = (task.taskUUID as string | undefined) ?? randomUUID();
    this.send({ taskUUID, ...task });
    const frame = await this.take(({ data, errors }) => (data ?? errors)?.[0]?.taskUUID === taskUUID);
    if (frame.errors !== undefined) throw Object.assign(new Error(frame.errors[0]!.code), { wire: frame.errors[0] });
    return frame.data![0]!;
  }

  terminate(): void {
    this.webSocket.terminate();
  }
}

/** An imageInference task of a few quick steps. */
export function imageTask(more: Record<string, unknown> = {}): Record<string, unknown> & { taskUUID: string } {
  return {
    taskType: 'imageInference',
    taskUUID: randomUUID(),
    positivePrompt: 'a red fox',
    model: 'local:tiny@1',
    width: 128,
    height: 128,
    steps: 4,
    ...more,
  };
}
