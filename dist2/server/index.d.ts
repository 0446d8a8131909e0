/// <reference lib="esnext.disposable" preserve="true" />
import { type ModelDescription, type Runtime } from '../runtime/index.ts';
import { type Clock } from './clock.ts';
import { type Config } from './config.ts';
import { type Logger } from './log.ts';

export { type Config, ConfigError, loadConfig, optionsHelp, optionsTable } from './config.ts';
/** Options left out have the defaults of the command line. */
export interface ServerOptions extends Partial<Config> {
  /** Default: a new one, closed with the server. One given here is left open. */
  runtime?: Runtime;
  /** Default: lines of JSON on stderr, as `logLevel` says. */
  log?: Logger;
  /** Reads what a model folder is; default: the runtime's way, in a process of its own. */
  describe?: (folder: string) => Promise<ModelDescription>;
  /** Default: the system's. */
  clock?: Clock;
}
export interface Server extends AsyncDisposable {
  /** `http://HOST:PORT`; sockets connect to the same with `ws:`. */
  readonly url: string;
  readonly port: number;
  /**
   * Takes no more tasks, fails those that have not begun with `serviceUnavailable`, gives the others `graceMs` (default: the
   * option `shutdownGraceMs`) and closes all sockets with 1012, on which clients come back.
   */
  close(graceMs?: number): Promise<void>;
}
/** Starts a server. Settles when it listens and its runtime is ready; rejects where one of them cannot be. */
export declare function startServer(options?: ServerOptions): Promise<Server>;
