import { TaskError, toErrorFrame } from '../../protocol/errors.ts';
import { stringifyJson } from '../../protocol/json.ts';
import { EncodedImage } from '../images/encodedImage.ts';
import type { StoredImage } from '../images/store.ts';
import { type Answer, type Answers, itemOf, ResultReference } from '../lifecycle/results.ts';
import type { ClientSocket } from './clientSocket.ts';
import { freshFrame, lightFrame, wholeFrame } from './frames.ts';

/**
 * Limits of bytes and frames for a client that answers no pings; above them, frames accepted by the socket count as
 * delivered.
 */
const unprovenBytes = 4 * 1024 * 1024;
const unprovenFrames = 10_000;
/** Estimated memory of a result without its base64, and of a frame beside its text. */
const answerBytes = 600;
const keptFrameBytes = 200;
/**
 * Maximum number of our pings without pong. A busy client delays its pongs, and `ws` closes a connection with 60
 * waiting automatic pongs.
 */
const maxPings = 8;
/** Base64 bytes in one frame; further results have only their URL. The default frame limit of `ws` is 100 MiB. */
const maxBase64 = 64 * 1024 * 1024;
/** The usual frame limit of clients: the default of Python's `websockets`. */
const commonFrameLimit = 1024 * 1024;
/** Every client accepts this size, so such a frame was not the refused one. */
const leastFrameLimit = 64 * 1024;

/** Reads a stored image; undefined if it was deleted. */
export type ReadImage = (imageUUID: string) => Promise<{ image: StoredImage; bytes: Buffer } | undefined>;

interface Kept {
  sequence: number;
  /** An error or event as sent, or the parts of a frame that is built when it is sent. */
  source: string | Answers;
  /** Estimated memory. */
  bytes: number;
  /** Sent without base64, because the client refuses frames of that size. */
  isLight: boolean;
  /** The last socket that accepted it, and the length of the frame. */
  sentOn: ClientSocket | undefined;
  sentBytes: number;
}

let outboxes = 0;

/**
 * The frames that a client must not miss, in order. Acceptance by the socket proves nothing: the system may hold the
 * frame when the link breaks. So a WebSocket ping with the number of the last frame follows, and frames are kept until
 * a pong with their number or a higher one arrives. Kept frames go to the next socket again. A pong proves all frames
 * before its ping, because neither TCP nor a client's WebSocket reorders them. One ping follows all frames of one turn
 * of the event loop.
 *
 * Of a result only a reference to its image is kept. Its base64 is read from the store when the socket can take it, one
 * frame at a time.
 */
export class Outbox {
  readonly #read: ReadImage;
  /** Prefix of this outbox's pings: a socket may have had another outbox before. */
  readonly #name = ++outboxes;
  readonly #kept: Kept[] = [];
  /** The longest frame with base64 that the client accepts. */
  #maxFrame = Number.POSITIVE_INFINITY;
  #socket: ClientSocket | undefined;
  /** Number and memory of the frames that the socket has accepted. */
  #taken = 0;
  #takenBytes = 0;
  #bytes = 0;
  #sequence = 0;
  #restoring = false;
  /** Number of the last frame that this socket has accepted, and of the last that a ping covers. */
  #sent = 0;
  #pinged = 0;
  /** Numbers of pings without pong. */
  #pings: number[] = [];
  #isPingDue = false;

  constructor(read: ReadImage) {
    this.#read = read;
  }

  /** Whether the socket has everything, so that other frames may follow. */
  get empty(): boolean {
    return this.#taken === this.#kept.length;
  }

  /** Estimated memory of all kept frames. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The part of it that the socket does not have. */
  get unsentBytes(): number {
    return this.#bytes - this.#takenBytes;
  }

  /** The longest frame with an image that the client accepts. */
  get maxFrame(): number {
    return this.#maxFrame;
  }

  /** Whether a result is waiting or on its way. */
  holds(taskUUID: string, resultIndex: number): boolean {
    return this.#kept.some(
      ({ source }) =>
        typeof source !== 'string' &&
        source.map(itemOf).some((item) => {
          return 'resultIndex' in item && item.taskUUID === taskUUID && item.resultIndex === resultIndex;
        }),
    );
  }

  /** Sends all kept frames to `socket`, and from then on all new ones. */
  attach(socket: ClientSocket): void {
    this.#leave();
    this.#socket = socket;
    this.#pump();
  }

  detach(): void {
    // A closing socket may still answer: frames that it confirms are not sent again on the next one.
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

  /** @param image - the image of a single answer, if it is in memory */
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

  /** Handles a pong on `socket` with the text of its ping; ignores foreign pings. */
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

  /** Continues after the socket was full. */
  resume(): void {
    this.#pump();
  }

  /**
   * The client closed `socket` because of a frame above its limit. From now on it gets no frame of that size: results
   * have only their URL, other answers become an error. `also` is the length of the largest frame sent outside this
   * outbox.
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

  /** Sends a ping for all frames so far; with too many pings waiting, a later ping covers them. */
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
    // Another socket or a late pong may have come meanwhile.
    if (socket === this.#socket && kept === this.#kept[this.#taken]) {
      this.#send(socket, kept, images === undefined ? lightFrame(answers) : wholeFrame(answers, images));
    }
    this.#pump();
  }

  /**
   * Reads one image after the other. A deleted image leaves its URL. Undefined if the frame would exceed the client's
   * limit.
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

/** A frame without images from the store. */
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

/** Answers to keep: without previews, which would be obsolete. */
function withoutPreviews([first, ...others]: Answers): Answers {
  return [withoutPreview(first), ...others.map(withoutPreview)];
}

function withoutPreview(answer: Answer): Answer {
  if (answer instanceof ResultReference || !('preview' in answer)) return answer;
  const { preview: _, ...rest } = answer;
  return rest;
}

function tooLarge(item: ReturnType<typeof itemOf>, max: number): string {
  const message = `The answer has ${max} bytes, and the client refused a frame of that size (close code 1009).`;
  return stringifyJson(toErrorFrame(new TaskError('payloadTooLarge', { message }).of('taskUUID' in item ? item : {})));
}
