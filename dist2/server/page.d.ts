import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from './context.ts';
/**
 * Serves the playground, and the client's modules under `/app/`, as the build made them; false where the path is none of
 * them. Only what the build listed has a path, so no path leads anywhere else. Ranges are not served.
 */
export declare function servePage(
  pathname: string,
  request: IncomingMessage,
  response: ServerResponse,
  { clock }: Context,
): Promise<boolean>;
