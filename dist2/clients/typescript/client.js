import { Connection } from './connection.js';
import { deferred } from './deferred.js';
import { LatentwireError } from './errors.js';
import { GenerationImpl } from './generation.js';
import { toWireImage } from './images.js';
import { wireImages, wirePreviews } from './task.js';

/** Most models that the server lists in one answer. */
const modelsAtOnce = 100;
/** Connects in the background: use the client at once, or await its {@link Client.ready}. */
export function connect(options) {
  const unanswered = new Map();
  const ready = deferred();
  ready.promise.catch(() => {});
  const settle = (taskUUID, hear) => {
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
      failed(error) {
        settle(error.taskUUID, (entry) => {
          entry.failed(new LatentwireError(error));
          return true;
        });
      },
      closed(error) {
        const reason =
          error ??
          new LatentwireError({ code: 'connectionClosed', message: 'The connection was closed from this side.' });
        ready.reject(reason);
        for (const entry of unanswered.values()) entry.failed(reason);
        unanswered.clear();
      },
    },
  );
  const send = (entry) => {
    if (connection.state.state === 'closed') {
      return entry.failed(
        connection.state.error ??
          new LatentwireError({ code: 'connectionClosed', message: 'The connection was closed from this side.' }),
      );
    }
    unanswered.set(entry.task.taskUUID, entry);
    connection.send([entry.task]);
  };
  /** A task with one answer. */
  const ask = (taskType, parameters) =>
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
  const cancel = async (...taskUUIDs) => {
    const { cancelled } = await ask('taskCancel', { tasks: taskUUIDs });
    return cancelled;
  };
  return {
    ready: ready.promise,
    get state() {
      return connection.state;
    },
    status: connection.status,
    generate(task, { signal } = {}) {
      const taskUUID = task.taskUUID ?? newUUID();
      const generation = new GenerationImpl(taskUUID, task.numberResults ?? 1, async () => {
        const stopped = () => settle(taskUUID, (entry) => entry.happened(cancelledHere(taskUUID), undefined));
        if (!connection.open) {
          // Nobody can say now when the server will stop; here the task is over, and the server hears of it later.
          stopped();
          cancel(taskUUID).catch(() => {});
          return;
        }
        if ((await cancel(taskUUID)).includes(taskUUID)) stopped();
      });
      void (async () => {
        try {
          const wireTask = {
            taskType: 'imageInference',
            deliveryMethod: 'sync',
            progress: true,
            ...task,
            previews: wirePreviews(task.previews ?? options.previews ?? true),
            ...(await wireImages(task)),
            taskUUID,
          };
          signal?.throwIfAborted();
          send({
            get task() {
              // Those that are here are not sent again.
              return { ...wireTask, numberResults: generation.missing };
            },
            answered: (item) => generation.answered(item),
            happened: (event, image) => generation.happened(event, image),
            failed: (error) => generation.failed(error),
          });
        } catch (error) {
          if (signal?.aborted) generation.happened(cancelledHere(taskUUID), undefined);
          else generation.failed(error);
        }
        // Only now: an abort before this line was seen above, and the server never heard of the task.
        const abort = () => void generation.cancel().catch(() => {});
        signal?.addEventListener('abort', abort, { once: true });
        generation.results.catch(() => {}).finally(() => signal?.removeEventListener('abort', abort));
      })();
      return generation;
    },
    async upload(image) {
      const item = await ask('imageUpload', { image: await toWireImage(image) });
      return { imageUUID: item.imageUUID, imageURL: item.imageURL };
    },
    async deleteImage(imageUUID) {
      await ask('mediaStorage', { operation: 'delete', media: imageUUID });
    },
    cancel,
    async models(query = {}) {
      const parameters = { category: 'checkpoint', ...(typeof query === 'string' ? { search: query } : query) };
      const found = [];
      for (;;) {
        const page = { limit: modelsAtOnce, offset: found.length };
        const item = await ask('modelSearch', { ...parameters, ...page });
        found.push(...item.results);
        // An empty page ends it too: models may go between two of them.
        if (item.results.length === 0 || found.length >= item.totalResults) return found;
      }
    },
    retryNow: () => connection.retryNow(),
    close: () => connection.close(),
    [Symbol.dispose]: () => connection.close(),
  };
}
function cancelledHere(taskUUID) {
  return { event: 'cancelled', taskType: 'imageInference', taskUUID, reason: 'cancelled' };
}
/** Version 4. `crypto.randomUUID` is missing where a page comes over plain http from another machine, as in a home network. */
function newUUID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
function socketUrl(from) {
  const url = new URL(from);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  if (url.pathname === '/') url.pathname = '/v1';
  url.hash = '';
  return url.href;
}
//# sourceMappingURL=client.js.map
