/// <reference lib="esnext.disposable" preserve="true" />
import { type ConnectionStatus, type ReconnectOptions, type WebSocketConstructor } from './connection.ts';
import { type Generation } from './generation.ts';
import { type ImageInput } from './images.ts';
import type { ModelCategory, ModelOf, ModelQuery } from './models.ts';
import { type ImageTask, type PreviewOptions } from './task.ts';
export interface ConnectOptions {
  /** Where the server is: `http://127.0.0.1:7420` or `ws://…`; without a path, `/v1`. */
  url: string | URL;
  /** Needed where the server was started with keys. */
  apiKey?: string | undefined;
  /**
   * What tasks ask for that say nothing themselves. Default: a small preview at every step, as bytes. `false`: none.
   */
  previews?: boolean | PreviewOptions;
  /** Keep trying while no server has answered yet, rather than close with `connectionFailed`. Default false. */
  waitForServer?: boolean;
  /** How a lost connection is taken up again; `false`: it is not, and unfinished tasks fail. */
  reconnect?: false | ReconnectOptions;
  /** A ping after this long, so that a dead link is noticed. Milliseconds, default 30000. */
  pingIntervalMs?: number;
  /** A link that stays silent this long after a ping is given up and made anew. Milliseconds, default 10000. */
  pongTimeoutMs?: number;
  /** Default: the platform's own, or the `ws` package where there is none (Node 20). */
  WebSocket?: WebSocketConstructor;
}
export interface UploadedImage {
  imageUUID: string;
  imageURL: string;
}
export interface Client {
  /** Resolves once the session is open for the first time; rejects when it never will be. Awaiting it is optional. */
  readonly ready: Promise<void>;
  readonly state: ConnectionStatus;
  /** What the connection does, from now on, beginning with what it is doing now. */
  readonly status: AsyncIterable<ConnectionStatus>;
  /**
   * Starts an image task. Before the connection is open, and while it is lost, the task waits; after a loss it goes on
   * where the server is, and no result is told twice.
   */
  generate(
    task: ImageTask,
    options?: {
      signal?: AbortSignal | undefined;
    },
  ): Generation;
  /** Makes an image known to the server, which then goes by its UUID. */
  upload(image: ImageInput): Promise<UploadedImage>;
  /** Deletes an image from the server. Rejects with `forbiddenMedia` where another key made it, `mediaNotFound` where it is gone. */
  deleteImage(imageUUID: string): Promise<void>;
  /** Cancels tasks by UUID, also ones of an earlier connection of this session. @returns those that were still unfinished. */
  cancel(...taskUUIDs: string[]): Promise<string[]>;
  /**
   * The server's catalog: models that make images, or those of another category, such as LoRAs. Ones that cannot be used
   * are listed with the reason. Words alone are a search.
   */
  models<Category extends ModelCategory = 'checkpoint'>(
    query?: string | ModelQuery<Category>,
  ): Promise<ModelOf<Category>[]>;
  /** While `reconnecting`: try at once. */
  retryNow(): void;
  /** Unfinished tasks fail with `connectionClosed`. */
  close(): void;
  [Symbol.dispose](): void;
}
/** Connects in the background: use the client at once, or await its {@link Client.ready}. */
export declare function connect(options: ConnectOptions): Client;
