import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import type { Context } from './context.ts';
import { packageRoot } from './packageRoot.ts';
import { sendFile } from './reply.ts';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
};

/** What of `dist/` a browser may load: the clients for it, and the files of the protocol they import. */
const modules = /^\/app\/((?:clients\/(?:playground|typescript)|protocol)\/[\w.-]+\.(?:js|js\.map))$/;
/** What lies beside the page itself. */
const assets = /^\/(?:playground\/)?([\w-]+\.(?:html|css|svg|png|ico))$/;

/** Serves the playground and its modules; false where the path is none of them. */
export async function servePage(
  pathname: string,
  request: IncomingMessage,
  response: ServerResponse,
  { clock }: Context,
): Promise<boolean> {
  const file = fileOf(pathname);
  if (file === undefined) return false;
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) return false;
  const etag = `"${found.mtimeMs.toString(36)}-${found.size.toString(36)}"`;
  response.setHeader('etag', etag);
  response.setHeader('cache-control', 'no-cache');
  response.setHeader('content-type', types[path.extname(file)] ?? 'application/octet-stream');
  if (file.endsWith('.html')) {
    // Pictures and sockets may come from another server: the page can be pointed at one.
    response.setHeader(
      'content-security-policy',
      "default-src 'self'; img-src * data: blob:; connect-src *; style-src 'self' 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    );
  }
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end();
    return true;
  }
  response.writeHead(200, { 'content-length': found.size });
  if (request.method === 'HEAD') response.end();
  else await sendFile(response, file, clock);
  return true;
}

function fileOf(pathname: string): string | undefined {
  const playground = path.join(packageRoot, 'clients', 'playground');
  if (pathname === '/') return path.join(playground, 'index.html');
  const module = modules.exec(pathname)?.[1];
  if (module !== undefined) return path.join(packageRoot, 'dist', module);
  const asset = assets.exec(pathname)?.[1];
  return asset === undefined ? undefined : path.join(playground, asset);
}
