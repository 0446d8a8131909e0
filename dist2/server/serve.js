import { startServer } from './index.js';
import { createLog } from './log.js';
/**
 * Runs a server as a program: says where it listens on stdout, stops on SIGINT and SIGTERM, and at once on a second
 * signal. Settles when it has stopped; rejects where it cannot start.
 */
export async function serve(config) {
  const log = createLog(config.logLevel);
  const stop = withResolvers();
  let stopping = false;
  const onSignal = (signal) => {
    if (stopping) {
      log.warn({ signal }, 'Stopped at once by a second signal.');
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
function withResolvers() {
  let resolve = () => {};
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
//# sourceMappingURL=serve.js.map
