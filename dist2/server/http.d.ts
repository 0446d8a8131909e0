import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from './context.ts';
/** Answers HTTP requests: tasks by POST on any path, images, health, metrics and the page by GET. */
export declare function createRequestListener(
  context: Context,
): (request: IncomingMessage, response: ServerResponse) => void;
