/** The server, telling when each of its runs began a step and when it ended, on the clock of process.ts. */
import { startRuntime } from '../runtime/index.js';
import { loadConfig } from '../server/config.js';
import { startServer } from '../server/index.js';
import { createLog } from '../server/log.js';
import { now } from './process.js';

const config = loadConfig(process.argv.slice(2), {});
const log = createLog(config.logLevel);
const real = startRuntime({
  provider: config.device,
  log: (level, message, fields) => log[level](fields ?? {}, message),
  liveRuns: config.concurrency,
});
async function* generate(request, signal) {
  try {
    yield* real.generate(request, signal);
  } finally {
    // The callback keeps a send into a channel that closes meanwhile from throwing.
    process.send?.({ seed: request.seed, at: now() }, undefined, undefined, () => {});
  }
}
const runtime = {
  generate,
  ready: () => real.ready(),
  status: () => real.status(),
  close: () => real.close(),
  [Symbol.asyncDispose]: () => real.close(),
};
const server = await startServer({ ...config, log, runtime });
process.on('disconnect', () => process.exit(1));
process.on('SIGTERM', async () => {
  await server.close(0);
  await real.close();
  process.exit(0);
});
process.send?.({ url: server.url });
//# sourceMappingURL=watchedServer.js.map
