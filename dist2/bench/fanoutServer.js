/** The server with a runtime that makes a preview of noise when it is told to, for one task that everybody joins. */
import { EventEmitter, on } from 'node:events';
import { startServer } from '../server/index.js';
import { answerQuestions } from './fanoutChild.js';
import { now } from './process.js';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('usage: fanoutServer <data folder>');
const madeAt = new Map();
const turns = new EventEmitter();
/** About 8 KB as JPEG. */
const side = 120;
const noise = {
  width: side,
  height: side,
  data: Uint8Array.from({ length: side * side * 3 }, () => 256 * Math.random()),
};
async function* generate(_request, signal) {
  yield { type: 'started', steps: 100 };
  let step = 0;
  for await (const _ of on(turns, 'next', { signal })) {
    madeAt.set(step, now());
    yield { type: 'previewed', step: step++, steps: 100, pixels: noise };
  }
}
const runtime = {
  ready: async () => {},
  generate,
  status: () => ({ state: 'ready', provider: 'fake', restarts: 0, models: [], batches: [] }),
  close: async () => {},
  [Symbol.asyncDispose]: async () => {},
};
// Sessions of sockets that are gone would count as memory of those that are there.
const server = await startServer({ port: 0, dataDir, modelsDir: [], runtime, logLevel: 'error', sessionKeepMs: 0 });
answerQuestions({ madeAt, next: () => turns.emit('next') });
process.send?.({ url: server.url });
//# sourceMappingURL=fanoutServer.js.map
