import type { IncomingMessage, ServerResponse } from 'node:http';
import { TaskError } from '../protocol/errors.ts';
import type { Clock } from './clock.ts';
import type { Intake } from './intake.ts';

/** How long a client may send nothing of a body that it has begun. */
const bodyPauseMs = 20_000;

export interface BodyOptions {
  maxBytes: number;
  /** The client's, for the budget of unfinished requests. */
  network: string;
  /** Whether it has yet to show a key. */
  isStranger: boolean;
  intake: Intake;
  clock: Clock;
}

/** A body that was read. It counts as held until it is closed. */
export interface Body extends Disposable {
  readonly text: string;
}

/**
 * Reads the body of a request. Throws `payloadTooLarge` beyond `maxBytes`, `serviceUnavailable` where the server holds too
 * much of unfinished requests, and `invalidRequest` where the client stops in the middle.
 */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  { maxBytes, network, isStranger, intake, clock }: BodyOptions,
): Promise<Body> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw refuse(response, new TaskError('payloadTooLarge', { max: maxBytes }));
  const chunks: Buffer[] = [];
  let length = 0;
  let settle: { resolve: () => void; reject: (error: TaskError) => void };
  const whole = new Promise<void>((resolve, reject) => {
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
  const pauses = clock.every(bodyPauseMs, () => {
    if (length === heard) settle.reject(new TaskError('invalidRequest', { message: 'The request body ended early.' }));
    heard = length;
  });
  const onData = (chunk: Buffer) => {
    length += chunk.byteLength;
    if (length > maxBytes) settle.reject(new TaskError('payloadTooLarge', { max: maxBytes }));
    else {
      chunks.push(chunk);
      reading.add(chunk.byteLength);
    }
  };
  const onEnd = () => settle.resolve();
  const onClose = () => settle.reject(new TaskError('invalidRequest', { message: 'The request body ended early.' }));
  request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  try {
    await whole;
    return {
      text: Buffer.concat(chunks, length).toString('utf8'),
      [Symbol.dispose]: () => reading.close(),
    };
  } catch (error) {
    reading.close();
    throw refuse(response, error as TaskError);
  } finally {
    pauses.cancel();
    request.off('data', onData).off('end', onEnd).off('close', onClose);
  }
}

/** The rest of the body is not read, so nothing could follow it on this connection. */
function refuse(response: ServerResponse, error: TaskError): TaskError {
  response.setHeader('connection', 'close');
  return error;
}
