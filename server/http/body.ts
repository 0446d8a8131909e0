import type { IncomingMessage, ServerResponse } from 'node:http';
import { TaskError } from '../../protocol/errors.ts';
import { scanRequest } from '../../protocol/tasks/index.ts';
import type { Clock } from '../clock.ts';
import type { Intake } from './intake.ts';

/** Longest pause of a client within a body. */
const bodyPauseMs = 20_000;
const minBlockBytes = 1024;
const maxBlockBytes = 1024 * 1024;

export interface BodyOptions {
  maxBytes: number;
  /** The client's address, for the budget of unfinished requests. */
  network: string;
  /** Whether the client has not shown a key yet. */
  isStranger: boolean;
  intake: Intake;
  clock: Clock;
}

/**
 * Reads the body of a request. Throws `payloadTooLarge` above `maxBytes`, `serviceUnavailable` if the server has too
 * many unfinished requests, and `invalidRequest` if the client stops in the middle.
 */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  { maxBytes, network, isStranger, intake, clock }: BodyOptions,
): Promise<string> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw refuse(response, new TaskError('payloadTooLarge', { max: maxBytes }));
  const pieces = new Pieces();
  const scan = scanRequest();
  let length = 0;
  let settle: { resolve: () => void; reject: (error: TaskError) => void };
  const whole = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  const reading = intake.open(network, isStranger, () =>
    settle.reject(
      new TaskError('serviceUnavailable', {
        message: 'The server has too many unfinished requests; try again in a moment.',
        retryAfterMs: 1_000,
      }),
    ),
  );
  let heard = length;
  // After the check of the key: a client that waits for this sends no body in vain.
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
  const pauses = clock.every(bodyPauseMs, () => {
    if (length === heard) settle.reject(new TaskError('invalidRequest', { message: 'The request body ended early.' }));
    heard = length;
  });
  const onData = (chunk: Buffer) => {
    length += chunk.byteLength;
    if (length > maxBytes) settle.reject(new TaskError('payloadTooLarge', { max: maxBytes }));
    else {
      pieces.add(chunk);
      reading.add(chunk.byteLength);
      try {
        scan(chunk);
      } catch (error) {
        settle.reject(error as TaskError);
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
    throw refuse(response, error as TaskError);
  } finally {
    reading.close();
    pauses.cancel();
    request.off('data', onData).off('end', onEnd).off('close', onClose);
  }
}

/** Collects bytes. A separate buffer for each byte would take a hundred times its memory. */
class Pieces {
  readonly #full: Buffer[] = [];
  #block: Buffer = Buffer.alloc(0);
  #used = 0;

  add(bytes: Buffer): void {
    let rest = bytes;
    while (rest.byteLength > 0) {
      if (this.#used === this.#block.byteLength) this.#grow();
      const copied = rest.copy(this.#block, this.#used);
      this.#used += copied;
      rest = rest.subarray(copied);
    }
  }

  /** As UTF-8. */
  toString(): string {
    return Buffer.concat([...this.#full, this.#block.subarray(0, this.#used)]).toString('utf8');
  }

  /** Block sizes double: a small body takes little memory, and a large one has few blocks. */
  #grow(): void {
    if (this.#used > 0) this.#full.push(this.#block);
    const bytes = Math.min(maxBlockBytes, Math.max(minBlockBytes, 2 * this.#block.byteLength));
    this.#block = Buffer.allocUnsafeSlow(bytes);
    this.#used = 0;
  }
}

/** Nothing can follow on this connection, because the rest of the body is not read. */
function refuse(response: ServerResponse, error: TaskError): TaskError {
  response.setHeader('connection', 'close');
  return error;
}
