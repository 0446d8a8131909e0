import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from './clock.ts';
import type { Intake } from './intake.ts';
export interface BodyOptions {
  maxBytes: number;
  /** The client's, for the budget of unfinished requests. */
  network: string;
  /** Whether it has yet to show a key. */
  isStranger: boolean;
  intake: Intake;
  clock: Clock;
}
/**
 * Reads the body of a request. Throws `payloadTooLarge` beyond `maxBytes`, `serviceUnavailable` where the server holds too
 * much of unfinished requests, and `invalidRequest` where the client stops in the middle.
 */
export declare function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  { maxBytes, network, isStranger, intake, clock }: BodyOptions,
): Promise<string>;
