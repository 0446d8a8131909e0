/** What all readers of one sender have counted. */
export interface Tally {
  frames: number;
  /** Of the frames' payloads. */
  bytes: number;
  /** Steps and times of arrival, while `timed`. */
  timed: boolean;
  arrivals: {
    step: number;
    at: number;
  }[];
  /** Somebody waits for so many frames. */
  target:
    | {
        frames: number;
        reached: () => void;
      }
    | undefined;
}
/**
 * A WebSocket that only reads, counts and answers pings: a client library would cost as much as the sender that is
 * measured, and hide what that could do.
 */
export declare class RawReader {
  #private;
  private constructor();
  static open(url: string, tally: Tally): Promise<RawReader>;
  /** Sends a text frame. */
  send(text: string): void;
  close(): Promise<void>;
}
