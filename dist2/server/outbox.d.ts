import type { ClientSocket } from './clientSocket.ts';
import { EncodedImage } from './images/encodedImage.ts';
import type { StoredImage } from './images/store.ts';
import { type Answers } from './results.ts';
/** Reads an image that was stored; undefined when it is gone. */
export type ReadImage = (imageUUID: string) => Promise<
  | {
      image: StoredImage;
      bytes: Buffer;
    }
  | undefined
>;
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
export declare class Outbox {
  #private;
  constructor(read: ReadImage);
  /** Whether the socket has been given all that is kept, so that something else may follow. */
  get empty(): boolean;
  /** What is kept takes about so much memory. */
  get bytes(): number;
  /** The part of it that the socket has not been given. */
  get unsentBytes(): number;
  /** The longest frame with an image in it that the client takes. */
  get maxFrame(): number;
  /** Whether a result is on its way to the client, or waits for it. */
  holds(taskUUID: string, resultIndex: number): boolean;
  /** Sends all that is kept to `socket`, and from now on what is pushed. */
  attach(socket: ClientSocket): void;
  detach(): void;
  /** @param image - that of the only answer, where it is at hand */
  push(source: string | Answers, image?: EncodedImage): void;
  /** A pong came on `socket`, with the text of the ping that it answers; nothing where that is not one of ours. */
  ponged(socket: ClientSocket, text: string): void;
  /** Goes on where the socket was too full for more. */
  resume(): void;
  /**
   * The client closed `socket` because a frame was larger than it takes. From now on it is sent nothing that large: results
   * go with their URL, other answers are replaced by an error. `also` is the length of the largest frame that was sent
   * beside those kept here.
   */
  refused(socket: ClientSocket, also: number): void;
}
