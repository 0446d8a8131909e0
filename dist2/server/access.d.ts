import type { IncomingMessage } from 'node:http';
import { TaskError } from '../protocol/errors.ts';
import type { Context } from './context.ts';
/**
 * Whether a request names this server by a name it has. A page of a stranger can let its own name resolve to 127.0.0.1
 * (DNS rebinding) and would then be of the same origin as an open server on this machine; its Host header gives it away.
 */
export declare function isKnownHost(request: IncomingMessage, { config, keys }: Context): boolean;
/** The path that a request asks for. Throws `invalidRequest` where its target is no URL of this server. */
export declare function pathOf(request: IncomingMessage): string;
/** Said to pages that may not use this server. */
export declare function originRefused(origin: string | undefined): TaskError;
/**
 * Whether the page that sent a request, if it was a page, may use this server. Browsers let any page open sockets and
 * post to any address, this machine's included; without keys only the origin tells the user's own pages from others.
 */
export declare function isAllowedOrigin(request: IncomingMessage, { config, keys }: Context): boolean;
/** What image URLs begin with for whoever sent this request: the address it came by, unless a public one is set. */
export declare function baseUrlOf(request: IncomingMessage, { config, proxies, url }: Context): string;
/** The key in a request's header. */
export declare function bearerOf(request: IncomingMessage): string | undefined;
/** The owner behind a key. Throws `missingApiKey`, `invalidApiKey`, or `rateLimitExceeded` after too many wrong keys. */
export declare function authorize(apiKey: string | undefined, address: string, { keys, log }: Context): string;
