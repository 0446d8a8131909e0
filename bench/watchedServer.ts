/** The server, telling when each of its runs began a step and when it ended, on the clock of process.ts. */
import { type GenerateRequest, type RunEvent, type Runtime, startRuntime } from '../runtime/index.ts';
import { loadConfig } from '../server/config/config.ts';
import { startServer } from '../server/index.ts';
import { createLog } from '../server/log.ts';
import { now } from './process.ts';

/** Sent when the runtime has said that a run is over, however it ended. */
export interface RunEnded {
  seed: bigint;
  at: number;
  /** When it began to decode; absent: it did not get so far. */
  decodingFrom?: number;
}

const config = loadConfig(process.argv.slice(2), {});
const log = createLog(config.logLevel);
const real = startRuntime({
  provider: config.device,
  log: (level, message, fields) => log[level](fields ?? {}, message),
  liveRuns: config.concurrency,
});

async function* generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<RunEvent, void, undefined> {
  let decodingFrom: number | undefined;
  try {
    for await (const event of real.generate(request, signal)) {
      if (event.type === 'staged' && event.stage === 'decoding') decodingFrom = now();
      yield event;
    }
  } finally {
    const ended: RunEnded = { seed: request.seed, at: now(), ...(decodingFrom !== undefined && { decodingFrom }) };
    // The callback keeps a send into a channel that closes meanwhile from throwing.
    process.send?.(ended, undefined, undefined, () => {});
  }
}

const runtime: Runtime = {
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
