import { setTimeout as sleep } from 'node:timers/promises';

/** Checksum of a file: git's blob hash for small files, sha256 for those in LFS. */
export interface Checksum {
  algorithm: 'sha256' | 'gitBlob';
  /** Lower case. */
  hex: string;
}

export interface HubFile {
  /** With slashes; always inside the repository. */
  path: string;
  /** Absent if the listing lacks it; the response of the download then has it. */
  bytes?: number;
  checksum?: Checksum;
}

export interface Repository {
  /** `owner/name` */
  id: string;
  /** The commit of the revision. All files are of this commit. */
  commit: string;
  files: HubFile[];
}

export interface HubOptions {
  /** Such as `https://huggingface.co`. */
  endpoint: string;
  /** Sent to that origin only. */
  token?: string | undefined;
  signal: AbortSignal;
  /** The wait before a failed request is repeated, doubled each time. Milliseconds, default 1000. */
  retryDelayMs?: number;
  /** A download without new bytes for this long counts as interrupted. Milliseconds, default 60000. */
  stallMs?: number;
}

interface HubErrorDetails {
  passing?: boolean;
  retryAfterMs?: number | undefined;
  status?: number;
}

/** A request failed. The message has no addresses, because those of a CDN are signed. */
export class HubError extends Error {
  override readonly name = 'HubError';
  /** Whether a retry may succeed. */
  readonly passing: boolean;
  /** From the server's `Retry-After`. */
  readonly retryAfterMs: number | undefined;
  /** HTTP status, if a server answered. */
  readonly status: number | undefined;

  constructor(message: string, options: ErrorOptions & HubErrorDetails = {}) {
    super(message, options);
    this.passing = options.passing ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
  }
}

/** A response with a file. */
export interface Sent {
  response: Response;
  /** Size and checksum according to the endpoint, not to the CDN behind it. */
  told: { bytes?: number; checksum?: Checksum };
}

const attempts = 5;
const longestWaitMs = 60_000;
const mostRedirects = 5;

/** A Hugging Face-compatible endpoint: the two requests that fetching a repository needs. */
export class Hub {
  readonly #options: HubOptions;
  readonly #endpoint: URL;

  constructor(options: HubOptions) {
    this.#options = options;
    if (!URL.canParse(options.endpoint) || !/^https?:\/\//i.test(options.endpoint)) {
      throw new HubError(`HF_ENDPOINT must be an http or https URL, not "${options.endpoint}".`);
    }
    this.#endpoint = new URL(options.endpoint.replace(/\/*$/, '/'));
    // fetch refuses these, and its message would print them.
    if (this.#endpoint.username !== '' || this.#endpoint.password !== '') {
      throw new HubError('HF_ENDPOINT must not hold a user name or password.');
    }
    if (options.token !== undefined && !/^[\x21-\x7e]+$/.test(options.token)) {
      throw new HubError('HF_TOKEN has invalid characters, such as a space or a line break.');
    }
  }

  get signal(): AbortSignal {
    return this.#options.signal;
  }

  get stallMs(): number {
    return this.#options.stallMs ?? 60_000;
  }

  /** Lists a repository. Throws {@link HubError}, also for a path outside the repository. */
  async list(id: string, revision: string): Promise<Repository> {
    const where = `api/models/${escapePath(id)}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const content = await this.retrying(async () => {
      const { response } = await this.#request(where, {}, id, revision);
      return (await response.json().catch((cause: unknown) => {
        throw new HubError(`${this.#endpoint.host} sent invalid JSON.`, { cause, passing: true });
      })) as Record<string, unknown>;
    });
    const { sha, siblings } = content;
    if (!Array.isArray(siblings)) throw new HubError(`${this.#endpoint.host} sent no list of the files of ${id}.`);
    return {
      id,
      commit: typeof sha === 'string' && /^[\da-f]{40}$/.test(sha) ? sha : revision,
      files: siblings.map((sibling) => toFile(sibling, id)),
    };
  }

  /** Requests a file from byte `from` on; the server may ignore that and send the whole file. Does not retry. */
  async open({ id, commit }: Repository, path: string, from: number): Promise<Sent> {
    const where = `${escapePath(id)}/resolve/${encodeURIComponent(commit)}/${escapePath(path)}`;
    // A compressed answer has neither the length nor the ranges of the file.
    const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) };
    return await this.#request(where, headers, id, commit, path);
  }

  /**
   * Retries temporary failures a few times, with growing delays.
   *
   * @param advanced - whether there was progress since the last failure; then the count of failures restarts
   */
  async retrying<T>(work: () => Promise<T>, advanced: () => boolean = () => false): Promise<T> {
    for (let failures = 0; ; ) {
      try {
        return await work();
      } catch (error) {
        this.signal.throwIfAborted();
        if (!(error instanceof HubError) || !error.passing) throw error;
        failures = advanced() ? 1 : failures + 1;
        if (failures >= attempts) throw error;
        const delay = (this.#options.retryDelayMs ?? 1000) * 2 ** (failures - 1);
        await sleep(Math.min(Math.max(delay, error.retryAfterMs ?? 0), longestWaitMs), undefined, {
          signal: this.signal,
        });
      }
    }
  }

  async #fetch(url: URL, headers: Record<string, string>): Promise<Response> {
    const { signal } = this.#options;
    // Covers only the headers of the response: a later abort would interrupt the body.
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(), this.stallMs);
    try {
      return await fetch(url, { headers, redirect: 'manual', signal: AbortSignal.any([signal, silent.signal]) });
    } catch (cause) {
      signal.throwIfAborted();
      const { code, message } = (cause as { cause?: { code?: string; message?: string } }).cause ?? {};
      const why = silent.signal.aborted ? 'it does not answer' : (code ?? message ?? 'the request failed');
      throw new HubError(`${url.host} cannot be reached: ${why}. Check the network.`, { cause, passing: true });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Follows redirects itself, so that only the endpoint gets the token, and reads its headers. */
  async #request(
    where: string,
    headers: Record<string, string>,
    id: string,
    revision: string,
    path?: string,
  ): Promise<Sent> {
    const { token } = this.#options;
    let url = new URL(where, this.#endpoint);
    let withToken = token !== undefined;
    const told: Sent['told'] = {};
    for (let hops = 0; hops <= mostRedirects; hops++) {
      // After a redirect to another origin the token is never sent again: a foreign server must not choose its request.
      withToken &&= url.origin === this.#endpoint.origin;
      const authorization = withToken ? { authorization: `Bearer ${token}` } : {};
      const response = await this.#fetch(url, { ...headers, ...authorization });
      if (url.origin === this.#endpoint.origin) Object.assign(told, toldBy(response));
      const location = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || location === null) {
        if (response.ok) return { response, told };
        await response.body?.cancel();
        throw refusal(response, { host: url.host, id, revision, path, withToken: token !== undefined });
      }
      await response.body?.cancel();
      const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
      if (next === undefined || !(next.protocol === 'https:' || next.protocol === url.protocol)) {
        throw new HubError(`${url.host} redirects to a URL with another protocol that is not https.`);
      }
      url = next;
    }
    throw new HubError(`${this.#endpoint.host} redirects more than ${mostRedirects} times.`);
  }
}

function toldBy({ status, headers }: Response): Sent['told'] {
  const told: Sent['told'] = {};
  const size = headers.get('x-linked-size') ?? (status === 200 ? headers.get('content-length') : null);
  if (size !== null && /^\d+$/.test(size)) told.bytes = Number(size);
  const tag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '');
  if (/^[\da-f]{64}$/.test(tag)) told.checksum = { algorithm: 'sha256', hex: tag };
  else if (/^[\da-f]{40}$/.test(tag)) told.checksum = { algorithm: 'gitBlob', hex: tag };
  // The length of a redirect is not that of the file.
  if (status >= 300 && !headers.has('x-linked-size')) delete told.bytes;
  return told;
}

/** An entry of the listing: {rfilename, size, blobId, lfs: {sha256, size}}. */
function toFile(sibling: unknown, id: string): HubFile {
  const entry = (typeof sibling === 'object' && sibling !== null ? sibling : {}) as Record<string, unknown>;
  const { rfilename, size, blobId } = entry;
  const lfs = (typeof entry.lfs === 'object' && entry.lfs !== null ? entry.lfs : {}) as Record<string, unknown>;
  if (typeof rfilename !== 'string' || !staysInside(rfilename)) {
    throw new HubError(`${id} has a file with a path outside its folder: ${JSON.stringify(rfilename)}.`);
  }
  const file: HubFile = { path: rfilename };
  if (Number.isSafeInteger(size) && (size as number) >= 0) file.bytes = size as number;
  if (typeof lfs.sha256 === 'string' && /^[\da-f]{64}$/.test(lfs.sha256)) {
    file.checksum = { algorithm: 'sha256', hex: lfs.sha256 };
  } else if (typeof blobId === 'string' && /^[\da-f]{40}$/.test(blobId) && entry.lfs === undefined) {
    file.checksum = { algorithm: 'gitBlob', hex: blobId };
  }
  return file;
}

/** A relative path of plain names, on every system. */
function staysInside(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused
  if (/[\\:\u0000-\u001f]/.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function escapePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

interface Asked {
  host: string;
  id: string;
  revision: string;
  path: string | undefined;
  withToken: boolean;
}

function refusal({ status, headers }: Response, { host, id, revision, path, withToken }: Asked): HubError {
  const code = headers.get('x-error-code') ?? '';
  if (code === 'GatedRepo' || status === 403) {
    return new HubError(
      `${id} is gated: ask for access on its page at ${host}. ${withToken ? 'The account of HF_TOKEN has no access' : 'Then set HF_TOKEN to a token of that account'}.`,
    );
  }
  if (status === 401) {
    return new HubError(
      withToken
        ? `${host} does not let HF_TOKEN read ${id}: the token is wrong, or the repository is private or does not exist.`
        : `${id} is private or gated, or there is no such repository at ${host}. Set HF_TOKEN if you may read it.`,
    );
  }
  if (status === 404) {
    if (path !== undefined) return new HubError(`${id} has no file ${path} at ${revision}.`);
    if (code === 'RevisionNotFound') return new HubError(`${id} has no revision ${revision}.`);
    return new HubError(`There is no repository ${id} at ${host}, or it has no revision ${revision}.`);
  }
  const passing = status === 408 || status === 429 || status >= 500;
  const after = Number(headers.get('retry-after') ?? Number.NaN);
  return new HubError(`${host} answered with status ${status}${status === 429 ? ', too many requests' : ''}.`, {
    status,
    passing,
    retryAfterMs: Number.isFinite(after) ? after * 1000 : undefined,
  });
}
