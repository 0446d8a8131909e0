/// <reference lib="esnext.disposable" preserve="true" />
import type { WireError } from '../../protocol/errors.ts';
import type { TaskEvent } from '../../protocol/events.ts';
import type { ModelSearchResult, TaskCancelResult } from '../../protocol/replies.ts';
import {
  Connection,
  type ConnectionStatus,
  type ReconnectOptions,
  type WebSocketConstructor,
  type WireItem,
} from './connection.ts';
import { deferred } from './deferred.ts';
import { LatentwireError } from './errors.ts';
import {
  type Generation,
  GenerationImpl,
  type ImageResult,
  type TaskResult,
  type UpscaleResult,
} from './generation.ts';
import { type ImageInput, toWireImage } from './images.ts';
import type { ModelCategory, ModelOf, ModelQuery } from './models.ts';
import {
  type ImageTask,
  type PreviewOptions,
  type ResultTask,
  type UpscaleTask,
  wireImages,
  wirePreviews,
} from './task.ts';

export interface ConnectOptions {
  /** URL of the server: `http://127.0.0.1:7420` or `ws://…`; without a path, `/v1`. */
  url: string | URL;
  /** Required if the server has keys. */
  apiKey?: string | undefined;
  /** Default `previews` of tasks. Default: a small binary preview of every step. `false`: none. */
  previews?: boolean | PreviewOptions;
  /** Keep trying if no server answers at first, instead of closing with `connectionFailed`. Default false. */
  waitForServer?: boolean;
  /** Reconnection after a loss; `false`: none, and unfinished tasks fail. */
  reconnect?: false | ReconnectOptions;
  /** Ping interval to detect a dead link. Milliseconds, default 30000. */
  pingIntervalMs?: number;
  /** A link without data for this long after a ping is replaced. Milliseconds, default 10000. */
  pongTimeoutMs?: number;
  /** Default: the platform's WebSocket, or the `ws` package if there is none (Node 20). */
  WebSocket?: WebSocketConstructor;
}

export interface UploadedImage {
  imageUUID: string;
  imageURL: string;
}

export interface Client {
  /** Resolves once the session is open for the first time; rejects if it never opens. Awaiting it is optional. */
  readonly ready: Promise<void>;
  readonly state: ConnectionStatus;
  /** States of the connection, from the current one on. */
  readonly status: AsyncIterable<ConnectionStatus>;
  /**
   * Starts an image task. While the connection is not open the task waits. After a loss it continues on the server, and
   * every result comes once.
   */
  generate(task: ImageTask, options?: { signal?: AbortSignal | undefined }): Generation;
  /** Enlarges a picture, in the same way. */
  upscale(task: UpscaleTask, options?: { signal?: AbortSignal | undefined }): Generation<UpscaleResult>;
  /** Uploads an image, which then has a UUID. */
  upload(image: ImageInput): Promise<UploadedImage>;
  /**
   * Deletes an image. Rejects with `forbiddenMedia` if it belongs to another key, `mediaNotFound` if it does not exist.
   */
  deleteImage(imageUUID: string): Promise<void>;
  /** Cancels tasks by UUID, also those of an earlier connection of this session. @returns the cancelled ones. */
  cancel(...taskUUIDs: string[]): Promise<string[]>;
  /**
   * The server's catalog: checkpoints, or models of another category, such as LoRAs. Unusable ones are listed with the
   * reason. A string is a search.
   */
  models<Category extends ModelCategory = 'checkpoint'>(
    query?: string | ModelQuery<Category>,
  ): Promise<ModelOf<Category>[]>;
  /** While `reconnecting`: tries at once. */
  retryNow(): void;
  /** Unfinished tasks fail with `connectionClosed`. */
  close(): void;
  [Symbol.dispose](): void;
}

/** Maximum number of models in one answer. */
const modelsAtOnce = 100;

/** A request without its last answer. */
interface Unanswered {
  /** Sent again after a loss, with the same UUID: the server attaches the new connection to the known task. */
  readonly task: WireTask;
  answered(item: WireItem): boolean;
  happened(event: TaskEvent, image: Uint8Array | undefined): boolean;
  failed(error: LatentwireError): void;
}
type WireTask = { taskType: string; taskUUID: string } & Record<string, unknown>;

/** Connects in the background: use the client at once, or await {@link Client.ready}. */
export function connect(options: ConnectOptions): Client {
  const unanswered = new Map<string, Unanswered>();
  const ready = deferred<void>();
  ready.promise.catch(() => {});
  const settle = (taskUUID: string | undefined, hear: (entry: Unanswered) => boolean) => {
    const entry = taskUUID === undefined ? undefined : unanswered.get(taskUUID);
    if (entry && hear(entry)) unanswered.delete(entry.task.taskUUID);
  };

  const connection = new Connection(
    {
      url: socketUrl(options.url),
      apiKey: options.apiKey,
      reconnect:
        options.reconnect === false
          ? undefined
          : { initialDelayMs: 250, maxDelayMs: 10_000, attempts: Number.POSITIVE_INFINITY, ...options.reconnect },
      waitForServer: options.waitForServer ?? false,
      pingIntervalMs: options.pingIntervalMs ?? 30_000,
      pongTimeoutMs: options.pongTimeoutMs ?? 10_000,
      WebSocket: options.WebSocket,
    },
    {
      opened() {
        for (const { task } of unanswered.values()) connection.send([task]);
        ready.resolve();
      },
      answered(item) {
        settle(item.taskUUID, (entry) => entry.answered(item));
      },
      happened(event, image) {
        settle(event.taskUUID, (entry) => entry.happened(event, image));
      },
      failed(error: WireError) {
        settle(error.taskUUID, (entry) => {
          entry.failed(new LatentwireError(error));
          return true;
        });
      },
      closed(error) {
        const reason =
          error ?? new LatentwireError({ code: 'connectionClosed', message: 'The client closed the connection.' });
        ready.reject(reason);
        for (const entry of unanswered.values()) entry.failed(reason);
        unanswered.clear();
      },
    },
  );

  const send = (entry: Unanswered) => {
    if (connection.state.state === 'closed') {
      return entry.failed(
        connection.state.error ??
          new LatentwireError({ code: 'connectionClosed', message: 'The client closed the connection.' }),
      );
    }
    unanswered.set(entry.task.taskUUID, entry);
    connection.send([entry.task]);
  };

  /** A task with one answer. */
  const ask = (taskType: string, parameters: Record<string, unknown>): Promise<WireItem> =>
    new Promise((resolve, reject) => {
      send({
        task: { taskType, taskUUID: newUUID(), ...parameters },
        answered(item) {
          resolve(item);
          return true;
        },
        happened: () => false,
        failed: reject,
      });
    });

  const cancel = async (...taskUUIDs: string[]): Promise<string[]> => {
    const { cancelled } = (await ask('taskCancel', { tasks: taskUUIDs })) as unknown as TaskCancelResult;
    return cancelled;
  };

  /** A task whose results are pictures. @param count - of its results; absent: one, and the task has no such parameter */
  const start = <Result extends TaskResult>(
    taskType: string,
    task: ResultTask,
    count: number | undefined,
    images: () => Promise<Record<string, unknown>>,
    signal: AbortSignal | undefined,
  ): Generation<Result> => {
    const taskUUID = task.taskUUID ?? newUUID();
    const ends = () => settle(taskUUID, (entry) => entry.happened(cancelledHere(taskType, taskUUID), undefined));
    const generation = new GenerationImpl<Result>(taskUUID, count ?? 1, async () => {
      if (!connection.open) {
        // The server will stop it at an unknown time; here the task ends now, and the server gets the cancel later.
        ends();
        cancel(taskUUID).catch(() => {});
        return;
      }
      if ((await cancel(taskUUID)).includes(taskUUID)) ends();
    });
    void (async () => {
      try {
        const wireTask = {
          taskType,
          deliveryMethod: 'sync',
          progress: true,
          ...task,
          previews: wirePreviews(task.previews ?? options.previews ?? true),
          ...(await images()),
          taskUUID,
        };
        signal?.throwIfAborted();
        send({
          get task() {
            // Known results are not sent again.
            return { ...wireTask, ...(count !== undefined && { numberResults: generation.missing }) };
          },
          answered: (item) => generation.answered(item),
          happened: (event, image) => generation.happened(event, image),
          failed: (error) => generation.failed(error),
        });
      } catch (error) {
        if (signal?.aborted) generation.happened(cancelledHere(taskType, taskUUID), undefined);
        else generation.failed(error as LatentwireError);
      }
      // After the check above: the server never gets a task that was aborted before this line.
      const abort = () => void generation.cancel().catch(() => {});
      signal?.addEventListener('abort', abort, { once: true });
      generation.results.catch(() => {}).finally(() => signal?.removeEventListener('abort', abort));
    })();
    return generation;
  };

  return {
    ready: ready.promise,
    get state() {
      return connection.state;
    },
    status: connection.status,

    generate: (task, { signal } = {}) =>
      start<ImageResult>('imageInference', task, task.numberResults ?? 1, () => wireImages(task), signal),

    upscale: (task, { signal } = {}) =>
      start<UpscaleResult>('upscale', task, undefined, () => wireImages(task), signal),

    async upload(image) {
      const item = await ask('imageUpload', { image: await toWireImage(image) });
      return { imageUUID: item.imageUUID as string, imageURL: item.imageURL as string };
    },

    async deleteImage(imageUUID) {
      await ask('mediaStorage', { operation: 'delete', media: imageUUID });
    },

    cancel,

    async models<Category extends ModelCategory>(query: string | ModelQuery<Category> = {}) {
      const parameters = { category: 'checkpoint', ...(typeof query === 'string' ? { search: query } : query) };
      const found: unknown[] = [];
      for (;;) {
        const page = { limit: modelsAtOnce, offset: found.length };
        const item = (await ask('modelSearch', { ...parameters, ...page })) as unknown as ModelSearchResult;
        found.push(...item.results);
        // An empty page also ends the loop: models may disappear between two pages.
        if (item.results.length === 0 || found.length >= item.totalResults) return found as ModelOf<Category>[];
      }
    },

    retryNow: () => connection.retryNow(),
    close: () => connection.close(),
    [Symbol.dispose]: () => connection.close(),
  };
}

function cancelledHere(taskType: string, taskUUID: string): TaskEvent {
  return { event: 'cancelled', taskType, taskUUID, reason: 'cancelled' };
}

/** Version 4. `crypto.randomUUID` is missing on pages over plain http from another machine. */
function newUUID(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function socketUrl(from: string | URL): string {
  const url = new URL(from);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  if (url.pathname === '/') url.pathname = '/v1';
  url.hash = '';
  return url.href;
}
