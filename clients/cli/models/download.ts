import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Checksum, type Hub, HubError, type HubFile, type Repository, type Sent } from './hub.ts';

/** Receives the progress of a download. */
export interface Meter {
  advance(bytes: number): void;
  skip(bytes: number): void;
  say(sentence: string): void;
}

/**
 * Downloads one file to `target`. `target.part` keeps the bytes so far, and the next call resumes from it. The file gets its
 * name only after its size and checksum are verified.
 */
export async function download(
  hub: Hub,
  repository: Repository,
  file: HubFile,
  target: string,
  meter: Meter,
): Promise<void> {
  const whole = await sizeOf(target);
  // A file of another size is not this one.
  if (whole !== undefined && (file.bytes === undefined || whole === file.bytes)) return meter.skip(whole);
  await mkdir(path.dirname(target), { recursive: true });
  const part = `${target}.part`;
  let counted = 0;
  const count = (bytes: number, came: boolean) => {
    if (came) meter.advance(bytes - counted);
    else meter.skip(bytes - counted);
    counted = bytes;
  };
  let reached = (await sizeOf(part)) ?? 0;
  let wrong = 0;
  for (;;) {
    const expected = await hub.retrying(
      () => fetchRest(hub, repository, file, part, count),
      () => {
        const advanced = counted > reached;
        reached = counted;
        return advanced;
      },
    );
    const fault = await faultOf(part, expected);
    if (fault === undefined) break;
    await rm(part, { force: true });
    count(0, false);
    if (++wrong > 1) throw new HubError(`${file.path} arrived damaged twice: ${fault}. It was deleted.`);
    meter.say(`${file.path} arrived damaged (${fault}). Downloading it again.`);
  }
  await rename(part, target);
}

type Expected = Sent['told'];

/** Appends the missing bytes to the part. @returns size and checksum of the whole */
async function fetchRest(
  hub: Hub,
  repository: Repository,
  file: HubFile,
  part: string,
  count: (bytes: number, came: boolean) => void,
): Promise<Expected> {
  let have = (await sizeOf(part)) ?? 0;
  if (file.bytes !== undefined && have > file.bytes) {
    await rm(part);
    have = 0;
  }
  count(have, false);
  if (have === file.bytes && file.checksum !== undefined) return file;
  const { response, told } = await hub.open(repository, file.path, have).catch(async (error: unknown) => {
    if (!(error instanceof HubError) || error.status !== 416 || have === 0) throw error;
    // The part is longer than the file, so it belongs to another.
    await rm(part, { force: true });
    throw new HubError(error.message, { cause: error, passing: true });
  });
  const expected: Expected = { ...told, ...file };
  const goesOn = response.status === 206 && rangeBegin(response) === have;
  if (response.status === 206 && !goesOn) {
    await response.body?.cancel();
    await rm(part, { force: true });
    throw new HubError(`${file.path}: the server did not send the requested range.`, { passing: true });
  }
  if (!goesOn) {
    have = 0;
    count(0, false);
  }
  await receive(hub, response, part, goesOn ? 'a' : 'w', (bytes) => {
    have += bytes;
    if (expected.bytes !== undefined && have > expected.bytes) {
      throw new HubError(`${file.path} is longer than the announced ${expected.bytes} bytes.`);
    }
    count(have, true);
  });
  if (expected.bytes !== undefined && have < expected.bytes) {
    throw new HubError(`${file.path}: the connection ended at ${have} of ${expected.bytes} bytes.`, { passing: true });
  }
  return expected;
}

async function receive(
  hub: Hub,
  response: Response,
  part: string,
  flags: 'a' | 'w',
  came: (bytes: number) => void,
): Promise<void> {
  await using output = await open(part, flags);
  // The file is empty.
  if (response.body === null) return;
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), hub.stallMs);
  const reader = response.body.getReader();
  const stop = () => void reader.cancel().catch(() => {});
  const either = AbortSignal.any([hub.signal, stalled.signal]);
  either.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      hub.signal.throwIfAborted();
      if (stalled.signal.aborted) throw new Error('no more data arrived');
      if (done) break;
      timer.refresh();
      came(value.byteLength);
      for (let written = 0; written < value.byteLength; ) {
        written += (await output.write(value, written)).bytesWritten;
      }
    }
    await output.sync();
  } catch (cause) {
    hub.signal.throwIfAborted();
    stop();
    if (cause instanceof HubError || (cause as NodeJS.ErrnoException).syscall === 'write') throw cause;
    throw new HubError(`The connection was interrupted: ${(cause as Error).message}.`, { cause, passing: true });
  } finally {
    clearTimeout(timer);
    either.removeEventListener('abort', stop);
  }
}

/** The fault of a file, if it has one. */
async function faultOf(file: string, { bytes, checksum }: Expected): Promise<string | undefined> {
  const size = (await sizeOf(file)) ?? 0;
  if (bytes !== undefined && size !== bytes) return `it has ${size} bytes instead of ${bytes}`;
  if (checksum === undefined) return undefined;
  const hash = hashFor(checksum, size);
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex') === checksum.hex ? undefined : 'its checksum is wrong';
}

/** The hash of a git blob is the SHA-1 of `blob SIZE\0` and the bytes. */
function hashFor({ algorithm }: Checksum, size: number): Hash {
  return algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

function rangeBegin(response: Response): number | undefined {
  const [, begin] = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '') ?? [];
  return begin === undefined ? undefined : Number(begin);
}

async function sizeOf(file: string): Promise<number | undefined> {
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}
