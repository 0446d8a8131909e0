export interface FrailLink extends AsyncDisposable {
  /** Stands for the server's URL. */
  readonly url: string;
  /** Connections made through it so far. */
  readonly connections: number;
  /**
   * Breaks every connection, as a lost network does; new ones work. `reset`: both ends are told so. `half-open`: only the
   * client's is, the server's stays open and silent. `close` (default): both ends are closed in order.
   */
  cut(how?: Cut): void;
  /** Keeps every connection open and passes nothing on any more, in either direction; new ones work. */
  fallSilent(): void;
  /**
   * Lets so many more bytes of every open connection pass, `down` to the client or `up` to the server, and loses those that
   * follow. Settles when the first is lost. After it the connections are good for nothing but being cut.
   */
  lose(direction: 'down' | 'up', after: number): Promise<void>;
  /** Refuses new connections, and breaks the old, until `mend`. */
  down(): void;
  mend(): void;
}
export declare const cuts: readonly ['reset', 'half-open', 'close'];
export type Cut = (typeof cuts)[number];
/** A network between a client and a server that breaks when a test says so. */
export declare function frailLink(target: string): Promise<FrailLink>;
