/** The least that sends the same frames: `ws` and a loop. It gives up frames for slow readers as the server does. */
import { randomBytes, randomUUID } from 'node:crypto';
import { WebSocketServer } from 'ws';
import { encodeFrame } from '../protocol/frames.js';
import { answerQuestions, previewedEvent } from './fanoutChild.js';
import { now } from './process.js';

/** As much waits in a socket before the server skips it. */
const slowReaderBytes = 256 * 1024;
const frameBytes = Number(process.argv[2]);
const taskUUID = randomUUID();
const image = randomBytes(frameBytes - encodeFrame(previewedEvent(taskUUID, 100), new Uint8Array()).length);
const madeAt = new Map();
let step = 0;
const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
sockets.on('connection', (socket) => socket.on('error', () => {}));
await new Promise((resolve) => sockets.once('listening', resolve));
function next() {
  madeAt.set(step, now());
  const frame = Buffer.from(encodeFrame(previewedEvent(taskUUID, step++), image).buffer);
  for (const socket of sockets.clients) if (socket.bufferedAmount <= slowReaderBytes) socket.send(frame);
}
answerQuestions({ madeAt, next });
process.send?.({ url: `http://127.0.0.1:${sockets.address().port}` });
//# sourceMappingURL=fanoutBare.js.map
