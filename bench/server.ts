/** The server in a process of its own, with its event loop and memory watched. Messages: `measure` resets and reports. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { loadConfig } from '../server/config.ts';
import { startServer } from '../server/index.ts';

const server = await startServer(loadConfig(process.argv.slice(2), {}));
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

export interface ServerMeasure {
  /** Delay of the loop beyond the sampling interval since the last measure. Milliseconds. */
  loopP50Ms: number;
  loopP99Ms: number;
  loopMaxMs: number;
  memoryBytes: number;
}

process.on('message', () => {
  const measure: ServerMeasure = {
    loopP50Ms: delay.percentile(50) / 1e6,
    loopP99Ms: delay.percentile(99) / 1e6,
    loopMaxMs: delay.max / 1e6,
    memoryBytes: process.memoryUsage().rss,
  };
  delay.reset();
  process.send?.(measure);
});
process.on('disconnect', () => process.exit(1));
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
process.send?.({ url: server.url });
