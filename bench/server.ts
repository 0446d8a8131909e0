/**
 * The server in a process of its own, with its memory watched, and its event loop from the first question on: the timer of a
 * millisecond that this takes costs the cores that compute 0.2 ms in a step of 15. Started by benchServer.ts.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { loadConfig } from '../server/config/config.ts';
import { startServer } from '../server/index.ts';
import { type Memory, memoryOf } from './process.ts';

/** Is answered with a measure, and begins the next one. */
export interface ServerQuestion {
  collectGarbage: boolean;
}

export interface ServerMeasure extends Memory {
  /** Delay of the loop beyond the sampling interval since the last measure. Milliseconds. */
  loopP50Ms: number;
  loopP99Ms: number;
  loopMaxMs: number;
}

const server = await startServer(loadConfig(process.argv.slice(2), {}));
const delay = monitorEventLoopDelay({ resolution: 1 });

process.on('message', async ({ collectGarbage }: ServerQuestion) => {
  const measure: ServerMeasure = {
    loopP50Ms: delay.percentile(50) / 1e6,
    loopP99Ms: delay.percentile(99) / 1e6,
    loopMaxMs: delay.max / 1e6,
    ...(await memoryOf({ collect: collectGarbage })),
  };
  delay.enable();
  delay.reset();
  process.send?.(measure);
});
process.on('disconnect', () => process.exit(1));
process.on('SIGTERM', () => void server.close(0).then(() => process.exit(0)));
process.send?.({ url: server.url });
