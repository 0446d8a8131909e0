import type { Config } from './config/config.ts';
import { startServer } from './index.ts';
import { createLog } from './log.ts';

/**
 * Runs a server as a program: prints its address to stdout, stops on SIGINT and SIGTERM, and at once on a second
 * signal. Resolves when it has stopped; rejects if it cannot start.
 */
export async function serve(config: Config): Promise<void> {
  const log = createLog(config.logLevel);
  const stop = withResolvers();
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) {
      log.warn({ signal }, 'A second signal ended the server at once.');
      process.exit(signal === 'SIGINT' ? 130 : 143);
    }
    stopping = true;
    stop.resolve();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const server = await startServer({ ...config, log });
    process.stdout.write(`listening on ${server.url}\n`);
    await stop.promise;
    await server.close();
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** Node 20 has no Promise.withResolvers. */
function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
