import type { Config } from './config.ts';
/**
 * Runs a server as a program: says where it listens on stdout, stops on SIGINT and SIGTERM, and at once on a second
 * signal. Settles when it has stopped; rejects where it cannot start.
 */
export declare function serve(config: Config): Promise<void>;
