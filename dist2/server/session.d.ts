import { type TaskError } from '../protocol/errors.ts';
import type { TaskEvent } from '../protocol/events.ts';
import type { PreviewOptions } from '../protocol/previews.ts';
import type { Caller } from './caller.ts';
import type { ClientSocket } from './clientSocket.ts';
import type { Clock } from './clock.ts';
import type { EncodedImage } from './images/encodedImage.ts';
import type { PreviewMeter } from './metrics.ts';
import { type ReadImage } from './outbox.ts';
import type { Claimant } from './queue.ts';
import { type Answer, type ResultReference } from './results.ts';
/** What all sessions have in common. */
export interface SessionOptions {
  read: ReadImage;
  meter: PreviewMeter;
}
/**
 * What a client comes back to: survives its socket, and keeps what is not known to have arrived. Of events it keeps the
 * newest of each kind, of each result that is unfinished. While no socket is there it keeps no bytes of any picture.
 */
export declare class Session implements Caller {
  #private;
  readonly id: string;
  readonly owner: string;
  baseUrl: string;
  previews: PreviewOptions | false;
  progress: boolean;
  pushes: boolean;
  readonly tellsParts = true;
  constructor(owner: string, baseUrl: string, options: SessionOptions);
  get kind(): 'session';
  get claimant(): Claimant;
  get attached(): boolean;
  /** Makes `socket` the one that frames go to, and sends what is not known to have arrived on earlier ones, in order. */
  attach(socket: ClientSocket): void;
  /** Called when `socket` has closed. False when another one has taken its place meanwhile. */
  detach(socket: ClientSocket): boolean;
  /** A pong came on `socket`, with the text that its ping had. */
  ponged(socket: ClientSocket, text: string): void;
  /** The client closed `socket` because a frame was larger than it takes. To be called before `detach`. */
  refused(socket: ClientSocket): void;
  data(...answers: [Answer, ...Answer[]]): void;
  result(result: ResultReference, image: EncodedImage): void;
  fail(error: TaskError): void;
  event(event: TaskEvent, image?: Uint8Array): void;
  holds(taskUUID: string, resultIndex: number): boolean;
  awaits(): void;
  forget(taskUUID: string): void;
}
export interface SessionsOptions extends SessionOptions {
  clock: Clock;
  /** How long a session waits for its client to come back. */
  keepMs: number;
  /** Hears of sessions whose client did not come back. */
  expired: (session: Session) => void;
  /** Hears of sessions whose client is back, or new. */
  attached: (session: Session) => void;
}
/** The sessions that live; one without a socket is kept for a while, then forgotten. */
export declare class Sessions {
  #private;
  constructor(options: SessionsOptions);
  get size(): number;
  create(owner: string, baseUrl: string): Session;
  /** The session of that id, if it belongs to the same owner. */
  find(id: string | undefined, owner: string): Session | undefined;
  attach(session: Session, socket: ClientSocket): void;
  detach(session: Session, socket: ClientSocket): void;
  /** Like `detach`, for a session that nobody will come back to. */
  discard(session: Session, socket: ClientSocket): void;
  close(): void;
}
