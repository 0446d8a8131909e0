import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { packageRoot } from '../packageRoot.ts';
import { sendBody } from './reply.ts';
import type { Exchange } from './router.ts';

type Encoding = 'identity' | 'br' | 'gzip';

/** A file of the page in memory; all files together are smaller than one picture. */
interface PageFile {
  type: string;
  hash: string;
  bytes: Partial<Record<Encoding, Buffer>>;
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
};

let files: Promise<ReadonlyMap<string, PageFile>> | undefined;

/**
 * Serves the built playground, and the client's modules under `/app/`. Only files listed by the
 * build have a path. Ranges are not supported.
 */
export async function servePage({ path: pathname, request, response, context: { clock } }: Exchange): Promise<void> {
  files ??= readPage(path.join(packageRoot, 'dist', 'page')).catch((error) => {
    // A build may be running.
    files = undefined;
    throw error;
  });
  const file = (await files).get(pathname === '/' ? '/index.html' : pathname);
  if (file === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('There is nothing here.\n');
    return;
  }
  const encoding = chooseEncoding(request.headers['accept-encoding'], file);
  const bytes = file.bytes[encoding]!;
  const etag = `"${file.hash}-${encoding}"`;
  response.setHeader('etag', etag);
  response.appendHeader('vary', 'accept-encoding');
  response.setHeader(
    'cache-control',
    pathname.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
  );
  response.setHeader('content-type', file.type);
  if (encoding !== 'identity') response.setHeader('content-encoding', encoding);
  if (file.type === types['.html']) {
    // Pictures and sockets may be on another server, which the page can use.
    response.setHeader(
      'content-security-policy',
      "default-src 'self'; img-src * data: blob:; connect-src *; style-src 'self' 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    );
  }
  if (isFresh(request.headers['if-none-match'], etag)) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { 'content-length': bytes.byteLength });
  if (request.method === 'HEAD') response.end();
  else await sendBody(response, [bytes], clock);
}

/** Files by path. Empty before the first build. */
async function readPage(folder: string): Promise<ReadonlyMap<string, PageFile>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const page = new Map<string, PageFile>();
  await Promise.all(
    entries.map(async (entry) => {
      const type = types[path.extname(entry.name)];
      if (!entry.isFile() || type === undefined) return;
      const file = path.join(entry.parentPath, entry.name);
      const [identity, br, gzip] = await Promise.all([readFile(file), readFile(`${file}.br`), readFile(`${file}.gz`)]);
      const hash = createHash('sha256').update(identity).digest('base64url').slice(0, 16);
      page.set(`/${path.relative(folder, file).split(path.sep).join('/')}`, {
        ...{ type, hash, bytes: { identity, br, gzip } },
      });
    }),
  );
  return page;
}

/** The encoding that the client prefers; among equals the smallest. RFC 9110, section 12.5.3. */
function chooseEncoding(accepted: string | undefined, { bytes }: PageFile): Encoding {
  const weights = new Map<string, number>();
  for (const item of (accepted ?? '').toLowerCase().split(',')) {
    const [, name, weight = '1'] = /^\s*([\w*-]+)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/.exec(item) ?? [];
    if (name !== undefined) weights.set(name, Number(weight));
  }
  const weightOf = (encoding: Encoding) => weights.get(encoding) ?? weights.get('*') ?? 0;
  const [best = 'identity'] = (['br', 'gzip'] as const)
    .filter((encoding) => bytes[encoding] !== undefined && weightOf(encoding) > 0)
    .sort((one, other) => weightOf(other) - weightOf(one));
  return weightOf(best) < (weights.get('identity') ?? 0) ? 'identity' : best;
}

function isFresh(known: string | undefined, etag: string): boolean {
  return known?.split(',').some((item) => ['*', etag, `W/${etag}`].includes(item.trim())) ?? false;
}
