/** Tells on stderr how far bytes have come: a bar that moves on a terminal, a few plain lines elsewhere. */
export declare class Transfer {
  #private;
  /** @param what - what is done, such as `copying dreamshaper` */
  constructor(what: string, ofBytes: number);
  /** Bytes that have just been moved. */
  advance(bytes: number): void;
  /** Bytes that were there already, or, below zero, that have to be moved again; they say nothing about the rate. */
  skip(bytes: number): void;
  /** A sentence above the bar. */
  say(sentence: string): void;
  /** Takes the bar away; `done` tells the whole of it. */
  end(done?: boolean): void;
}
/** `2.1 GB`, in powers of a thousand, as model sites tell sizes. */
export declare function humanBytes(bytes: number): string;
/** `5 s`, `3:05`, `1:02:03`. */
export declare function humanTime(seconds: number): string;
