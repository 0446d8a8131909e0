/** Bytes that one who has not shown a key may send at a time, where keys are set. */
export declare const strangerBytes: number;
/** The largest request, on the socket and by POST: one upload in base64 and some room for the rest of its task. */
export declare function maxRequestBytes(maxUploadBytes: number): number;
export interface IntakeOptions {
  /** Bytes of unfinished requests that are held at once. */
  maxBytes: number;
  /** The part of them for those who have not shown a key, where keys are set. */
  maxStrangerBytes: number;
}
/**
 * Counts the bytes of requests that are not complete yet, over all connections: parts of a body, fragments of a message.
 * Where they exceed what may be held, the request is cut that is the largest of the network that holds most, so that many
 * large unfinished requests from one place never cost another its small one.
 */
export declare class Intake {
  #private;
  constructor(options: IntakeOptions);
  /** Bytes held at the moment. */
  get bytes(): number;
  /** How many connections of a network have not shown a key. */
  strangersOf(network: string): number;
  /**
   * Begins to count for one request or one socket. `close` it in the end.
   *
   * @param cut - ends the request; called at most once, also while `add` is under way
   */
  open(network: string, isStranger: boolean, cut: () => void): Reading;
}
interface ReadingOwner {
  /** The bytes that are held have become so many more, or fewer; those of strangers by so many of them. */
  changed(bytes: number, strangerBytes: number): void;
  closed(): void;
}
/** What one request or socket has sent of something that is not complete. */
export declare class Reading {
  #private;
  readonly network: string;
  constructor(network: string, isStranger: boolean, cut: () => void, owner: ReadingOwner);
  get bytes(): number;
  get isStranger(): boolean;
  /** @param bytes - negative for what turned out to be complete */
  add(bytes: number): void;
  /** All that was sent is complete. */
  reset(): void;
  /** The client has shown a key. */
  known(): void;
  /** Gives up on the request. */
  cut(): void;
  close(): void;
}
