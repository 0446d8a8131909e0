import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

export interface HubRequest {
  /** `hub`, or the `cdn` that large files are redirected to, which is another origin. */
  at: 'hub' | 'cdn';
  path: string;
  range?: string;
  authorization?: string;
}

/** What the server does wrong, for as long as it is set. */
export interface Misbehaviour {
  /** Closes the socket after this many bytes of the body, this many times. */
  cut?: { path: string; afterBytes: number; times: number };
  /** Sends whole files whatever part is asked for. */
  ignoresRange?: boolean;
  /** Sends a file with its last byte changed, this many times. */
  spoils?: { path: string; times: number };
  /** Answers this many requests with this status. */
  fails?: { status: number; times: number; headers?: Record<string, string> };
  /** Names more files in the listing. */
  evilPaths?: string[];
  /** Keeps sizes and checksums out of the listing, as some mirrors do. */
  terse?: boolean;
  /** Bytes of a body after which it waits this long, again and again. */
  slow?: { everyBytes: number; ms: number };
}

export interface HubServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: HubRequest[];
  readonly does: Misbehaviour;
}

export interface HubServerOptions {
  /** Files by path, of each repository. */
  repositories: Record<string, Record<string, Buffer>>;
  /** Without it nothing is given out; `gated` says so in the way of gated repositories. */
  token?: string;
  gated?: boolean;
}

export const commit = '0123456789abcdef0123456789abcdef01234567';

/** A server that speaks the paths and headers of huggingface.co for downloads, with the revision `main` alone. */
export async function startHubServer(options: HubServerOptions): Promise<HubServer> {
  const requests: HubRequest[] = [];
  const does: Misbehaviour = {};
  const serve = (at: 'hub' | 'cdn') =>
    createServer((request, response) => {
      const { authorization, range } = request.headers;
      const urlPath = new URL(request.url ?? '/', 'http://x').pathname;
      requests.push({ at, path: urlPath, ...(range && { range }), ...(authorization && { authorization }) });
      void (at === 'hub' ? answer(request, response) : sendFile(request, response, find(urlPath)));
    });
  const hub = serve('hub');
  const cdn = serve('cdn');
  const [url, cdnUrl] = [await listen(hub), await listen(cdn)];

  const find = (urlPath: string) => {
    const [, id = '', file = ''] = /^\/(.+?)\/resolve\/[^/]+\/(.+)$/.exec(urlPath) ?? [];
    const bytes = options.repositories[id]?.[decodeURIComponent(file)];
    return bytes && { path: decodeURIComponent(file), bytes };
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    if (does.fails && does.fails.times-- > 0) {
      return void response.writeHead(does.fails.status, does.fails.headers ?? {}).end();
    }
    if (options.token !== undefined && request.headers.authorization !== `Bearer ${options.token}`) {
      const code = options.gated ? 'GatedRepo' : 'RepoNotFound';
      return void response.writeHead(401, { 'x-error-code': code }).end('{"error":"no"}');
    }
    const [, id = '', revision = ''] = /^\/api\/models\/(.+)\/revision\/(.+)$/.exec(pathname) ?? [];
    if (id !== '') {
      const files = options.repositories[id];
      if (files === undefined) return void response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
      if (revision !== 'main') return void response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end();
      const siblings = [
        ...Object.entries(files).map(toSibling),
        ...(does.evilPaths ?? []).map((rfilename) => ({ rfilename })),
      ];
      const body = {
        id,
        sha: commit,
        siblings: does.terse ? siblings.map(({ rfilename }) => ({ rfilename })) : siblings,
      };
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    }
    const found = find(pathname);
    if (found === undefined) return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    const headers = { 'x-repo-commit': commit };
    if (!isLarge(found.path))
      return await sendFile(request, response, found, { ...headers, etag: `"${gitBlob(found.bytes)}"` });
    response.writeHead(302, {
      ...headers,
      'x-linked-size': found.bytes.length,
      'x-linked-etag': `"${sha256(found.bytes)}"`,
      location: `${cdnUrl}${pathname}?signature=secret`,
    });
    response.end('Found. Redirecting');
  }

  async function sendFile(
    request: IncomingMessage,
    response: ServerResponse,
    found: { path: string; bytes: Buffer } | undefined,
    headers: Record<string, string> = {},
  ): Promise<void> {
    if (found === undefined) return void response.writeHead(404).end();
    const { path: name } = found;
    let { bytes } = found;
    if (does.spoils?.path === name && does.spoils.times-- > 0) {
      bytes = Buffer.from(bytes);
      bytes[bytes.length - 1]! ^= 1;
    }
    const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    const from = asked === undefined || does.ignoresRange ? 0 : Number(asked);
    if (from > 0 && from >= bytes.length) return void response.writeHead(416).end();
    const body = bytes.subarray(from);
    const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { ...headers, ...range, 'content-length': body.length });
    if (does.cut?.path === name && does.cut.times-- > 0) {
      response.write(body.subarray(0, does.cut.afterBytes), () => response.destroy());
      return;
    }
    const { everyBytes, ms } = does.slow ?? { everyBytes: Math.max(1, body.length), ms: 0 };
    for (let at = 0; at < body.length && !response.destroyed; at += everyBytes) {
      response.write(body.subarray(at, at + everyBytes));
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    }
    response.end();
  }

  return {
    url,
    requests,
    does,
    async [Symbol.asyncDispose]() {
      for (const server of [hub, cdn]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

/** A folder as the files of a repository. */
export function filesIn(folder: string): Record<string, Buffer> {
  const files: Record<string, Buffer> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile()) files[path.relative(folder, file).split(path.sep).join('/')] = readFileSync(file);
  }
  return files;
}

/** Kept in LFS, as everything large or binary is. */
function isLarge(name: string): boolean {
  return /\.(safetensors|bin|onnx|ckpt)$/.test(name);
}

function toSibling([rfilename, bytes]: [string, Buffer]) {
  const lfs = { sha256: sha256(bytes), size: bytes.length, pointerSize: 134 };
  return { rfilename, size: bytes.length, blobId: gitBlob(bytes), ...(isLarge(rfilename) && { lfs }) };
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
/** What `git hash-object` says. */
const gitBlob = (bytes: Buffer) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
