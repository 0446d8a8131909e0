import { TaskError } from '../protocol/errors.js';
import { scanRequest } from '../protocol/tasks/index.js';

/** How long a client may send nothing of a body that it has begun. */
const bodyPauseMs = 20_000;
const minBlockBytes = 1024;
const maxBlockBytes = 1024 * 1024;
/**
 * Reads the body of a request. Throws `payloadTooLarge` beyond `maxBytes`, `serviceUnavailable` where the server holds too
 * much of unfinished requests, and `invalidRequest` where the client stops in the middle.
 */
export async function readBody(request, response, { maxBytes, network, isStranger, intake, clock }) {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw refuse(response, new TaskError('payloadTooLarge', { max: maxBytes }));
  const pieces = new Pieces();
  const scan = scanRequest();
  let length = 0;
  let settle;
  const whole = new Promise((resolve, reject) => {
    settle = { resolve, reject };
  });
  const reading = intake.open(network, isStranger, () =>
    settle.reject(
      new TaskError('serviceUnavailable', {
        message: 'The server holds too many unfinished requests; try again in a moment.',
        retryAfterMs: 1_000,
      }),
    ),
  );
  let heard = length;
  // Not before the key was looked at: who waits for this sends nothing in vain.
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
  const pauses = clock.every(bodyPauseMs, () => {
    if (length === heard) settle.reject(new TaskError('invalidRequest', { message: 'The request body ended early.' }));
    heard = length;
  });
  const onData = (chunk) => {
    length += chunk.byteLength;
    if (length > maxBytes) settle.reject(new TaskError('payloadTooLarge', { max: maxBytes }));
    else {
      pieces.add(chunk);
      reading.add(chunk.byteLength);
      try {
        scan(chunk);
      } catch (error) {
        settle.reject(error);
      }
    }
  };
  const onEnd = () => settle.resolve();
  const onClose = () => settle.reject(new TaskError('invalidRequest', { message: 'The request body ended early.' }));
  request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  try {
    await whole;
    return pieces.toString();
  } catch (error) {
    throw refuse(response, error);
  } finally {
    reading.close();
    pauses.cancel();
    request.off('data', onData).off('end', onEnd).off('close', onClose);
  }
}
/** Bytes that arrive one after the other. A buffer of its own for each byte would take a hundred times the byte's room. */
class Pieces {
  #full = [];
  #block = Buffer.alloc(0);
  #used = 0;
  add(bytes) {
    let rest = bytes;
    while (rest.byteLength > 0) {
      if (this.#used === this.#block.byteLength) this.#grow();
      const copied = rest.copy(this.#block, this.#used);
      this.#used += copied;
      rest = rest.subarray(copied);
    }
  }
  /** As UTF-8. */
  toString() {
    return Buffer.concat([...this.#full, this.#block.subarray(0, this.#used)]).toString('utf8');
  }
  /** Blocks double in size, so that a small body takes little and a large one has few of them. */
  #grow() {
    if (this.#used > 0) this.#full.push(this.#block);
    const bytes = Math.min(maxBlockBytes, Math.max(minBlockBytes, 2 * this.#block.byteLength));
    this.#block = Buffer.allocUnsafeSlow(bytes);
    this.#used = 0;
  }
}
/** The rest of the body is not read, so nothing could follow it on this connection. */
function refuse(response, error) {
  response.setHeader('connection', 'close');
  return error;
}
//# sourceMappingURL=body.js.map
