import type { WebSocket } from 'ws';
import { stringifyJson } from '../protocol/json.ts';
import { dataFrame, mimeType, type ResultItem } from '../protocol/replies.ts';
import type { Clock, Timer } from './clock.ts';
import type { StoredImage } from './images/store.ts';

/** Bytes waiting in a socket beyond which it is given no more: its reader counts as slow. */
export const slowReaderBytes = 256 * 1024;
/** Bytes of frames kept for one client. Beyond it, results are kept without their base64, which the image store has. */
const keptBytes = 1024 * 1024;
/** Bytes that wait for a socket beyond which no more tasks are read from it, until its reader has caught up. */
const stalledReaderBytes = 8 * 1024 * 1024;
/** Bytes kept for a client that answers no pings, and frames; beyond it, what a socket took counts as arrived. */
const unprovenBytes = 8 * 1024 * 1024;
const unprovenFrames = 10_000;

/** Reads an image that was stored; undefined when it is gone. */
export type ReadImage = (imageUUID: string) => Promise<{ image: StoredImage; bytes: Buffer } | undefined>;

interface Kept {
  sequence: number;
  /** Absent where it is made again from `items` when it is sent. */
  frame: string | undefined;
  /** The results in it, without base64. */
  items: readonly ResultItem[];
  /** Which base64 fields each of them had. */
  encoded: readonly (readonly EncodedField[])[];
  /** The socket that took it last. */
  sentOn: WebSocket | undefined;
  proven: boolean;
}

const encodedFields = ['imageBase64Data', 'imageDataURI'] as const;
type EncodedField = (typeof encodedFields)[number];

/** What all outboxes have in common. */
export interface OutboxOptions {
  read: ReadImage;
  /** How long no frame may arrive while `slowReaderBytes` wait. */
  slowReaderMs: number;
  clock: Clock;
}

export interface OutboxOwner {
  /** The reader of a socket takes too little. */
  slow(socket: WebSocket): void;
  /** A frame was written. */
  drained(socket: WebSocket): void;
}

let outboxes = 0;

/**
 * The frames that a client must not miss, in order. That a socket took a frame proves nothing: the system may hold it
 * when the link breaks. So a WebSocket ping with the frame's number follows each, and the frame is kept until its pong
 * is here; what is kept goes to the next socket again. A pong proves all frames before it as well, because neither
 * TCP nor a client's WebSocket changes their order.
 */
export class Outbox {
  readonly #owner: OutboxOwner;
  readonly #options: OutboxOptions;
  /** Begins the pings of this outbox: a socket may have had another one before. */
  readonly #name = ++outboxes;
  readonly #kept: Kept[] = [];
  #socket: WebSocket | undefined;
  /** How many of the first frames the socket has taken. */
  #taken = 0;
  #bytes = 0;
  #sequence = 0;
  #restoring = false;
  /** When something arrived last, or could begin to. */
  #since = 0;
  #timer: Timer | undefined;

  constructor(owner: OutboxOwner, options: OutboxOptions) {
    this.#owner = owner;
    this.#options = options;
  }

  /** Whether the socket has been given all that is kept, so that something else may follow. */
  get empty(): boolean {
    return this.#taken === this.#kept.length;
  }

  /** Bytes of the frames in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a result is on its way to the client, or waits for it. */
  holds(taskUUID: string, resultIndex: number): boolean {
    return this.#kept.some(({ items }) =>
      items.some((item) => 'resultIndex' in item && item.taskUUID === taskUUID && item.resultIndex === resultIndex),
    );
  }

  /** Sends all that is kept to `socket`, and from now on what is pushed. */
  attach(socket: WebSocket): void {
    this.#socket = socket;
    this.#taken = 0;
    this.#since = this.#options.clock.now();
    this.#pump();
  }

  detach(): void {
    this.#socket = undefined;
    this.#taken = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** @param items - those that the frame is made of, where it can be made again */
  push(frame: string, items: readonly ResultItem[] = []): void {
    if (this.#kept.length === 0) this.#since = this.#options.clock.now();
    const kept: Kept = {
      sequence: ++this.#sequence,
      frame,
      items: items.map(withoutBase64),
      encoded: items.map((item) => encodedFields.filter((field) => field in item)),
      sentOn: undefined,
      proven: false,
    };
    this.#kept.push(kept);
    this.#bytes += frame.length;
    this.#pump();
    if (this.#bytes > keptBytes && kept.encoded.some((fields) => fields.length > 0)) this.#lighten(kept);
    while (this.#taken > 0 && (this.#bytes > unprovenBytes || this.#kept.length > unprovenFrames)) this.#shift();
  }

  /** A pong came on `socket`, with the text of the ping that it answers; nothing where that is not one of ours. */
  ponged(socket: WebSocket, text: string): void {
    const [name, sequence] = text.split(' ');
    if (Number(name) !== this.#name) return;
    for (;;) {
      const [first] = this.#kept;
      if (first === undefined || !(first.sequence <= Number(sequence)) || first.sentOn !== socket) break;
      this.#shift();
      this.#since = this.#options.clock.now();
    }
  }

  /** Goes on where the socket was too full for more. */
  resume(): void {
    this.#pump();
  }

  #shift(): void {
    const kept = this.#kept.shift();
    if (kept === undefined) return;
    kept.proven = true;
    this.#bytes -= kept.frame?.length ?? 0;
    this.#taken = Math.max(0, this.#taken - 1);
  }

  #lighten(kept: Kept): void {
    this.#bytes -= kept.frame?.length ?? 0;
    kept.frame = undefined;
  }

  #pump(): void {
    while (!this.#restoring) {
      const socket = this.#socket;
      const kept = this.#kept[this.#taken];
      if (socket === undefined || kept === undefined) break;
      if (socket.bufferedAmount > slowReaderBytes) break;
      if (kept.frame === undefined) void this.#restore(kept);
      else this.#send(socket, kept, kept.frame);
    }
    const socket = this.#socket;
    if (socket === undefined) return;
    if (!socket.isPaused && this.#bytes > stalledReaderBytes && !this.empty) socket.pause();
    // Only what waits for the socket may stop the reading: pongs are read too.
    else if (socket.isPaused && (this.empty || this.#bytes <= keptBytes)) socket.resume();
    if (this.#kept.length > 0) this.#watch(this.#options.slowReaderMs);
  }

  #send(socket: WebSocket, kept: Kept, frame: string): void {
    kept.sentOn = socket;
    this.#taken++;
    socket.send(frame, (error) => {
      if (error === undefined || error === null) this.#owner.drained(socket);
    });
    // The callback takes the error of a socket that has just closed.
    socket.ping(`${this.#name} ${kept.sequence}`, false, () => {});
  }

  /** Makes a frame again out of the image store, and sends it. */
  async #restore(kept: Kept): Promise<void> {
    this.#restoring = true;
    const socket = this.#socket;
    const items = await Promise.all(kept.items.map((item, index) => this.#withBase64(item, kept.encoded[index] ?? [])));
    this.#restoring = false;
    // Meanwhile another socket may have come, or a late pong.
    if (socket !== undefined && socket === this.#socket && !kept.proven) {
      const [first, ...others] = items;
      if (first !== undefined) this.#send(socket, kept, stringifyJson(dataFrame(first, ...others)));
    }
    this.#pump();
  }

  /** An image that is gone meanwhile leaves its URL, which says so to whoever follows it. */
  async #withBase64(item: ResultItem, fields: readonly EncodedField[]): Promise<ResultItem> {
    if (fields.length === 0 || !('imageUUID' in item)) return item;
    const stored = await this.#options.read(item.imageUUID).catch(() => undefined);
    if (stored === undefined) return item;
    const base64 = stored.bytes.toString('base64');
    return {
      ...item,
      ...(fields.includes('imageBase64Data') && { imageBase64Data: base64 }),
      ...(fields.includes('imageDataURI') && {
        imageDataURI: `data:${mimeType(stored.image.format)};base64,${base64}`,
      }),
    };
  }

  #watch(ms: number): void {
    this.#timer ??= this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      const socket = this.#socket;
      if (socket === undefined || this.#kept.length === 0) return;
      const left = this.#since + this.#options.slowReaderMs - this.#options.clock.now();
      if (left > 0) this.#watch(left);
      else if (socket.bufferedAmount > slowReaderBytes) this.#owner.slow(socket);
      else this.#watch(this.#options.slowReaderMs);
    });
  }
}

function withoutBase64(item: ResultItem): ResultItem {
  if (!encodedFields.some((field) => field in item)) return item;
  const { imageBase64Data: _, imageDataURI: _uri, ...rest } = item as ResultItem & Record<EncodedField, string>;
  return rest as ResultItem;
}
