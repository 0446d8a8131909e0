import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from './context.ts';
/** Answers the tasks of a POST, in their order, when all of them have ended. */
export declare function serveTasks(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void>;
