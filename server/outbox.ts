import { TaskError, toErrorFrame } from '../protocol/errors.ts';
import { stringifyJson } from '../protocol/json.ts';
import type { ClientSocket } from './clientSocket.ts';
import { freshFrame, lightFrame, wholeFrame } from './frames.ts';
import { EncodedImage } from './images/encodedImage.ts';
import type { StoredImage } from './images/store.ts';
import { type Answer, type Answers, itemOf, ResultReference } from './results.ts';

/** Bytes kept for a client that answers no pings, and frames; beyond it, what a socket took counts as arrived. */
const unprovenBytes = 4 * 1024 * 1024;
const unprovenFrames = 10_000;
/** About what a result takes in memory without its base64, and a frame beside its text. */
const answerBytes = 600;
const keptFrameBytes = 200;
/**
 * Pings of ours that may wait for their pong. A client's pongs wait while it is busy, and `ws` ends a connection with 60
 * automatic pongs waiting.
 */
const maxPings = 8;
/** Base64 in one frame; results beyond it go with their URL alone. `ws` takes frames of up to 100 MiB by default. */
const maxBase64 = 64 * 1024 * 1024;
/** What most clients that limit a frame limit it to: the default of Python's `websockets`. */
const commonFrameLimit = 1024 * 1024;
/** No client takes so little: a frame of that size was not the one that a client refused. */
const leastFrameLimit = 64 * 1024;

/** Reads an image that was stored; undefined when it is gone. */
export type ReadImage = (imageUUID: string) => Promise<{ image: StoredImage; bytes: Buffer } | undefined>;

interface Kept {
  sequence: number;
  /** An error or an event as it is sent, or what a frame is made of when it is sent. */
  source: string | Answers;
  /** What it takes in memory, about. */
  bytes: number;
  /** Goes without base64: the client takes no frame of that size. */
  isLight: boolean;
  /** The socket that took it last, and how long the frame was. */
  sentOn: ClientSocket | undefined;
  sentBytes: number;
}

let outboxes = 0;

/**
 * The frames that a client must not miss, in order. That a socket took a frame proves nothing: the system may hold it
 * when the link breaks. So a WebSocket ping follows with the number of the last frame before it, and frames are kept until
 * a pong with their number or a higher one is here; what is kept goes to the next socket again. A pong proves all frames
 * before its ping, because neither TCP nor a client's WebSocket changes their order. One ping follows all frames that were
 * sent in the same turn of the event loop.
 *
 * What is kept of a result is a reference to its image. Its base64 is read from the store when the socket can take it,
 * one frame at a time.
 */
export class Outbox {
  readonly #read: ReadImage;
  /** Begins the pings of this outbox: a socket may have had another one before. */
  readonly #name = ++outboxes;
  readonly #kept: Kept[] = [];
  /** The longest frame with base64 that the client takes. */
  #maxFrame = Number.POSITIVE_INFINITY;
  #socket: ClientSocket | undefined;
  /** How many of the first frames the socket has taken, and what they take in memory. */
  #taken = 0;
  #takenBytes = 0;
  #bytes = 0;
  #sequence = 0;
  #restoring = false;
  /** Of the last frame that this socket has taken, and of the last that a ping covers. */
  #sent = 0;
  #pinged = 0;
  /** Numbers of the pings without a pong. */
  #pings: number[] = [];
  #isPingDue = false;

  constructor(read: ReadImage) {
    this.#read = read;
  }

  /** Whether the socket has been given all that is kept, so that something else may follow. */
  get empty(): boolean {
    return this.#taken === this.#kept.length;
  }

  /** What is kept takes about so much memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The part of it that the socket has not been given. */
  get unsentBytes(): number {
    return this.#bytes - this.#takenBytes;
  }

  /** The longest frame with an image in it that the client takes. */
  get maxFrame(): number {
    return this.#maxFrame;
  }

  /** Whether a result is on its way to the client, or waits for it. */
  holds(taskUUID: string, resultIndex: number): boolean {
    return this.#kept.some(
      ({ source }) =>
        typeof source !== 'string' &&
        source.map(itemOf).some((item) => {
          return 'resultIndex' in item && item.taskUUID === taskUUID && item.resultIndex === resultIndex;
        }),
    );
  }

  /** Sends all that is kept to `socket`, and from now on what is pushed. */
  attach(socket: ClientSocket): void {
    this.#leave();
    this.#socket = socket;
    this.#pump();
  }

  detach(): void {
    // A socket that this side closes may still answer: what it is known to have taken is not sent again on the next one.
    if (this.#pinged !== this.#sent) this.#socket?.ping(`${this.#name} ${this.#sent}`);
    this.#leave();
    this.#socket = undefined;
  }

  #leave(): void {
    this.#taken = 0;
    this.#takenBytes = 0;
    this.#sent = 0;
    this.#pinged = 0;
    this.#pings = [];
  }

  /** @param image - that of the only answer, where it is at hand */
  push(source: string | Answers, image?: EncodedImage): void {
    const light = typeof source === 'string' ? source : withoutPreviews(source);
    const kept: Kept = {
      ...{ sequence: ++this.#sequence, source: light, isLight: false, sentOn: undefined, sentBytes: 0 },
      bytes: keptFrameBytes + (typeof source === 'string' ? source.length : source.length * answerBytes),
    };
    const isNext = this.empty && !this.#restoring;
    this.#kept.push(kept);
    this.#bytes += kept.bytes;
    const socket = this.#socket;
    if (isNext && socket !== undefined && !socket.isSlow) {
      const frame = frameNow(source, image);
      if (frame !== undefined) this.#send(socket, kept, frame.length > this.#maxFrame ? lightOf(light) : frame);
    }
    this.#pump();
    while (this.#taken > 0 && (this.#bytes > unprovenBytes || this.#kept.length > unprovenFrames)) this.#shift();
  }

  /** A pong came on `socket`, with the text of the ping that it answers; nothing where that is not one of ours. */
  ponged(socket: ClientSocket, text: string): void {
    const [name, number] = text.split(' ');
    if (Number(name) !== this.#name) return;
    const sequence = Number(number);
    for (;;) {
      const [first] = this.#kept;
      if (first === undefined || !(first.sequence <= sequence) || first.sentOn !== socket) break;
      this.#shift();
    }
    if (socket !== this.#socket) return;
    this.#pings = this.#pings.filter((ping) => ping > sequence);
    this.#ping();
    socket.check();
  }

  /** Goes on where the socket was too full for more. */
  resume(): void {
    this.#pump();
  }

  /**
   * The client closed `socket` because a frame was larger than it takes. From now on it is sent nothing that large: results
   * go with their URL, other answers are replaced by an error. `also` is the length of the largest frame that was sent
   * beside those kept here.
   */
  refused(socket: ClientSocket, also: number): void {
    const inFlight = this.#kept.filter(({ sentOn }) => sentOn === socket);
    const largest = Math.max(also, ...inFlight.map(({ sentBytes }) => sentBytes));
    if (largest < leastFrameLimit) return;
    this.#maxFrame = Math.min(this.#maxFrame, largest > commonFrameLimit ? commonFrameLimit : largest - 1);
    for (const kept of inFlight) {
      if (kept.sentBytes <= this.#maxFrame) continue;
      const [answer] = kept.source;
      const isReducible =
        typeof kept.source !== 'string' && !kept.isLight && lightOf(kept.source).length < kept.sentBytes;
      if (isReducible) kept.isLight = true;
      else if (typeof answer === 'object') kept.source = tooLarge(itemOf(answer), kept.sentBytes);
    }
  }

  #shift(): void {
    const kept = this.#kept.shift();
    if (kept === undefined) return;
    this.#bytes -= kept.bytes;
    if (this.#taken === 0) return;
    this.#taken--;
    this.#takenBytes -= kept.bytes;
  }

  #pump(): void {
    while (!this.#restoring) {
      const socket = this.#socket;
      const kept = this.#kept[this.#taken];
      if (socket === undefined || kept === undefined || socket.isSlow) break;
      if (!kept.isLight && hasBase64(kept.source)) void this.#restore(socket, kept, kept.source);
      else this.#send(socket, kept, lightOf(kept.source));
    }
    this.#socket?.check();
  }

  #send(socket: ClientSocket, kept: Kept, frame: string | Buffer): void {
    kept.sentOn = socket;
    kept.sentBytes = frame.length;
    this.#taken++;
    this.#takenBytes += kept.bytes;
    this.#sent = kept.sequence;
    socket.send(frame);
    if (this.#isPingDue) return;
    this.#isPingDue = true;
    setImmediate(() => {
      this.#isPingDue = false;
      this.#ping();
    });
  }

  /** Asks for the proof of all that was sent; where too many pongs are missing, the next of them makes up for it. */
  #ping(): void {
    const socket = this.#socket;
    if (socket === undefined || this.#pinged === this.#sent || this.#pings.length >= maxPings) return;
    this.#pinged = this.#sent;
    this.#pings.push(this.#sent);
    socket.ping(`${this.#name} ${this.#sent}`);
  }

  /** Reads the images of a frame and sends it. */
  async #restore(socket: ClientSocket, kept: Kept, answers: Answers): Promise<void> {
    this.#restoring = true;
    const images = await this.#imagesOf(answers);
    this.#restoring = false;
    // Meanwhile another socket may have come, or a late pong.
    if (socket === this.#socket && kept === this.#kept[this.#taken]) {
      this.#send(socket, kept, images === undefined ? lightFrame(answers) : wholeFrame(answers, images));
    }
    this.#pump();
  }

  /**
   * One image after the other. One that is gone meanwhile leaves its URL, which says so to whoever follows it. Nothing where
   * the frame would be larger than the client takes.
   */
  async #imagesOf(answers: Answers): Promise<(EncodedImage | undefined)[] | undefined> {
    const images: (EncodedImage | undefined)[] = [];
    let length = lightFrame(answers).length;
    for (const answer of answers) {
      let image: EncodedImage | undefined;
      if (answer instanceof ResultReference && length < maxBase64) {
        const stored = await this.#read(answer.item.imageUUID).catch(() => undefined);
        if (stored !== undefined) {
          image = new EncodedImage(stored.bytes);
          for (const field of answer.fields) length += answer.valueOf(field, image).length + field.length + 6;
          if (length > this.#maxFrame) return undefined;
        }
      }
      images.push(image);
    }
    return images;
  }
}

function hasBase64(source: string | Answers): source is Answers {
  return typeof source !== 'string' && source.some((answer) => answer instanceof ResultReference);
}

/** A frame that needs nothing from the store. */
function frameNow(source: string | Answers, image: EncodedImage | undefined): string | Buffer | undefined {
  if (!hasBase64(source)) return lightOf(source);
  const [answer] = source;
  return image !== undefined && answer instanceof ResultReference && source.length === 1
    ? freshFrame(answer, image)
    : undefined;
}

function lightOf(source: string | Answers): string {
  return typeof source === 'string' ? source : lightFrame(source);
}

/** What is kept of answers: without the preview of an unfinished task, which is old by the time it is sent again. */
function withoutPreviews([first, ...others]: Answers): Answers {
  return [withoutPreview(first), ...others.map(withoutPreview)];
}

function withoutPreview(answer: Answer): Answer {
  if (answer instanceof ResultReference || !('preview' in answer)) return answer;
  const { preview: _, ...rest } = answer;
  return rest;
}

function tooLarge(item: ReturnType<typeof itemOf>, max: number): string {
  const message = `The answer has ${max} bytes, and the client closed its connection with 1009: it takes no frame of that size.`;
  return stringifyJson(toErrorFrame(new TaskError('payloadTooLarge', { message }).of('taskUUID' in item ? item : {})));
}
