import { setTimeout as sleep } from 'node:timers/promises';
/** A request failed; the message is a sentence without addresses, because those of a CDN are signed. */
export class HubError extends Error {
  name = 'HubError';
  /** Whether it may work the next time. */
  passing;
  /** The server's wish. */
  retryAfterMs;
  /** Of HTTP, where a server answered. */
  status;
  constructor(message, options = {}) {
    super(message, options);
    this.passing = options.passing ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
  }
}
const attempts = 5;
const longestWaitMs = 60_000;
const mostRedirects = 5;
/** A Hugging Face-compatible endpoint: the two requests that fetching a repository needs. */
export class Hub {
  #options;
  #endpoint;
  constructor(options) {
    this.#options = options;
    if (!URL.canParse(options.endpoint) || !/^https?:\/\//i.test(options.endpoint)) {
      throw new HubError(`HF_ENDPOINT must be an http or https URL, not "${options.endpoint}".`);
    }
    this.#endpoint = new URL(options.endpoint.replace(/\/*$/, '/'));
    // fetch refuses these, and its message would show them.
    if (this.#endpoint.username !== '' || this.#endpoint.password !== '') {
      throw new HubError('HF_ENDPOINT must not hold a user name or password.');
    }
    if (options.token !== undefined && !/^[\x21-\x7e]+$/.test(options.token)) {
      throw new HubError('HF_TOKEN has characters that no token has, such as a space or the end of a line.');
    }
  }
  get signal() {
    return this.#options.signal;
  }
  get stallMs() {
    return this.#options.stallMs ?? 60_000;
  }
  /** What a repository holds. Throws {@link HubError}, also where a path leads out of it. */
  async list(id, revision) {
    const where = `api/models/${escapePath(id)}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const content = await this.retrying(async () => {
      const { response } = await this.#request(where, {}, id, revision);
      return await response.json().catch((cause) => {
        throw new HubError(`${this.#endpoint.host} sent something that is not JSON.`, { cause, passing: true });
      });
    });
    const { sha, siblings } = content;
    if (!Array.isArray(siblings)) throw new HubError(`${this.#endpoint.host} does not say what ${id} holds.`);
    return {
      id,
      commit: typeof sha === 'string' && /^[\da-f]{40}$/.test(sha) ? sha : revision,
      files: siblings.map((sibling) => toFile(sibling, id)),
    };
  }
  /** Begins to fetch a file, `from` a byte on; the server may ignore that and send the whole. Not repeated by itself. */
  async open({ id, commit }, path, from) {
    const where = `${escapePath(id)}/resolve/${encodeURIComponent(commit)}/${escapePath(path)}`;
    // A compressed answer has neither the length nor the ranges of the file.
    const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) };
    return await this.#request(where, headers, id, commit, path);
  }
  /**
   * Repeats what fails for reasons that pass, a few times, ever more slowly.
   *
   * @param advanced - asked after a failure: whether there was progress, so that the counting begins anew
   */
  async retrying(work, advanced = () => false) {
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
  async #fetch(url, headers) {
    const { signal } = this.#options;
    // Only for the head of the answer: a signal that goes off later would cut the body.
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(), this.stallMs);
    try {
      return await fetch(url, { headers, redirect: 'manual', signal: AbortSignal.any([signal, silent.signal]) });
    } catch (cause) {
      signal.throwIfAborted();
      const { code, message } = cause.cause ?? {};
      const why = silent.signal.aborted ? 'it does not answer' : (code ?? message ?? 'the request failed');
      throw new HubError(`${url.host} cannot be reached: ${why}. Is there a network?`, { cause, passing: true });
    } finally {
      clearTimeout(timer);
    }
  }
  /** Follows redirects itself: the token stays with the endpoint, and so does what only the endpoint says. */
  async #request(where, headers, id, revision, path) {
    const { token } = this.#options;
    let url = new URL(where, this.#endpoint);
    let withToken = token !== undefined;
    const told = {};
    for (let hops = 0; hops <= mostRedirects; hops++) {
      // Once elsewhere, it does not come back: whoever sent us here must not decide what the token asks for.
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
        throw new HubError(`${url.host} redirects to something that is neither https nor what it was asked by.`);
      }
      url = next;
    }
    throw new HubError(`${this.#endpoint.host} redirects more than ${mostRedirects} times.`);
  }
}
function toldBy({ status, headers }) {
  const told = {};
  const size = headers.get('x-linked-size') ?? (status === 200 ? headers.get('content-length') : null);
  if (size !== null && /^\d+$/.test(size)) told.bytes = Number(size);
  const tag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '');
  if (/^[\da-f]{64}$/.test(tag)) told.checksum = { algorithm: 'sha256', hex: tag };
  else if (/^[\da-f]{40}$/.test(tag)) told.checksum = { algorithm: 'gitBlob', hex: tag };
  // A redirect's own length is not the file's.
  if (status >= 300 && !headers.has('x-linked-size')) delete told.bytes;
  return told;
}
/** An entry of the listing: {rfilename, size, blobId, lfs: {sha256, size}}. */
function toFile(sibling, id) {
  const entry = typeof sibling === 'object' && sibling !== null ? sibling : {};
  const { rfilename, size, blobId } = entry;
  const lfs = typeof entry.lfs === 'object' && entry.lfs !== null ? entry.lfs : {};
  if (typeof rfilename !== 'string' || !staysInside(rfilename)) {
    throw new HubError(`${id} has a file that would be written outside of its folder: ${JSON.stringify(rfilename)}.`);
  }
  const file = { path: rfilename };
  if (Number.isSafeInteger(size) && size >= 0) file.bytes = size;
  if (typeof lfs.sha256 === 'string' && /^[\da-f]{64}$/.test(lfs.sha256)) {
    file.checksum = { algorithm: 'sha256', hex: lfs.sha256 };
  } else if (typeof blobId === 'string' && /^[\da-f]{40}$/.test(blobId) && entry.lfs === undefined) {
    file.checksum = { algorithm: 'gitBlob', hex: blobId };
  }
  return file;
}
/** A relative path of plain names, on every system. */
function staysInside(path) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused
  if (/[\\:\u0000-\u001f]/.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}
function escapePath(path) {
  return path.split('/').map(encodeURIComponent).join('/');
}
function refusal({ status, headers }, { host, id, revision, path, withToken }) {
  const code = headers.get('x-error-code') ?? '';
  if (code === 'GatedRepo' || status === 403) {
    return new HubError(
      `${id} is gated: its owner wants to be asked first, on its page at ${host}. ${withToken ? 'The account of HF_TOKEN has no access' : 'Then set HF_TOKEN to a token of that account'}.`,
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
//# sourceMappingURL=hub.js.map
