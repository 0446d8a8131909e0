import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { lockDataFolder } from '../../server/dataLock.ts';
import { openImageStore, StorageFullError } from '../../server/images/store.ts';
import { ManualClock } from '../helpers/clock.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

const run = promisify(execFile);
const owner = 'someone';
const day = 86_400_000;

async function temporaryFolder() {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-'));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

test('deletes the images that were not used for longest when the quota is exceeded, but none that is held or pinned', async () => {
  await using temporary = await temporaryFolder();
  const clock = new ManualClock();
  const evicted: string[] = [];
  await using store = await openImageStore(temporary.folder, {
    clock,
    quotaBytes: 5_000,
    evicted: ({ imageUUID }, reason) => evicted.push(`${imageUUID} ${reason}`),
  });
  const put = async () => (await store.put(new Uint8Array(1_000), 'PNG', { owner })).imageUUID;
  const [held, drawn, old, older] = [await put(), await put(), await put(), await put()];
  using _ = store.hold(held);
  await store.find(drawn);
  await put();
  expect(evicted).toEqual([]);
  await put();
  await put();
  expect(evicted).toEqual([`${old} quota`, `${older} quota`]);
  expect(store.usage()).toEqual({ images: 5, bytes: 5_000, quotaBytes: 5_000 });
  expect(await store.find(held)).toBeDefined();
  expect(await store.find(drawn)).toBeDefined();
});

test('keeps the order of use over a restart, and deletes what was not used for so long', async () => {
  await using temporary = await temporaryFolder();
  const clock = new ManualClock();
  const options = { clock, ttlMs: 30 * day };
  let [first, second] = ['', ''];
  {
    await using store = await openImageStore(temporary.folder, options);
    first = (await store.put(Buffer.from('first'), 'PNG', { owner })).imageUUID;
    second = (await store.put(Buffer.from('second'), 'PNG', { owner })).imageUUID;
    await clock.advance(20 * day);
    await store.read(first);
  }
  await using store = await openImageStore(temporary.folder, options);
  expect(store.list().map(({ imageUUID }) => imageUUID)).toEqual([second, first]);
  await clock.advance(20 * day);
  await expect.poll(() => store.list().map(({ imageUUID }) => imageUUID)).toEqual([first]);
});

test('serves no image that is shorter than it was, and draws from none whose bytes have changed', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const [short, changed] = [await socket.ask(imageTask()), await socket.ask(imageTask())];
  const fileOf = (uuid: string) => path.join(server.dataDir, 'images', uuid.slice(0, 2), `${uuid}.jpg`);
  await truncate(fileOf(short.imageUUID), 100);
  expect((await fetch(short.imageURL)).status).toBe(404);
  const bytes = await readFile(fileOf(changed.imageUUID));
  bytes[bytes.length - 20]! ^= 1;
  await writeFile(fileOf(changed.imageUUID), bytes);
  const task = imageTask({ seedImage: changed.imageUUID });
  socket.send(task);
  expect((await socket.error(task.taskUUID)).code).toBe('mediaNotFound');
});

test('lets only the owner delete an image, and everybody read it', async () => {
  await using server = await startTestServer({ apiKey: ['first', 'second'] });
  const one = await server.socket({ authenticate: { apiKey: 'first' } });
  const other = await server.socket({ authenticate: { apiKey: 'second' } });
  const { imageUUID: media, imageURL } = await one.ask(imageTask());
  const deletion = { taskType: 'mediaStorage', operation: 'delete', media };
  await expect(other.ask(deletion)).rejects.toThrow('forbiddenMedia');
  expect((await other.ask(imageTask({ seedImage: media }))).status).toBe('success');
  expect((await fetch(imageURL)).status).toBe(200);
  expect(await one.ask(deletion)).toMatchObject({ mediaUUID: media });
  expect((await fetch(imageURL)).status).toBe(404);
});

test('remembers owners over a restart, without the key', async () => {
  await using temporary = await temporaryFolder();
  const options = { dataDir: temporary.folder, apiKey: ['first', 'second'] };
  let media = '';
  {
    await using server = await startTestServer(options);
    media = (await (await server.socket({ authenticate: { apiKey: 'first' } })).ask(imageTask())).imageUUID;
  }
  const sidecar = path.join(temporary.folder, 'images', media.slice(0, 2), `${media}.json`);
  expect(await readFile(sidecar, 'utf8')).not.toContain('first');
  await using server = await startTestServer(options);
  const other = await server.socket({ authenticate: { apiKey: 'second' } });
  const deletion = { taskType: 'mediaStorage', operation: 'delete', media };
  await expect(other.ask(deletion)).rejects.toThrow('forbiddenMedia');
});

// Mounting a small file system takes Linux and root.
test.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
  'refuses tasks on a full disk before a step is taken, says so in its health, and leaves no half file',
  async () => {
    await using temporary = await temporaryFolder();
    // Smaller than what must stay free beside an image, so it is full from the start.
    await run('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', temporary.folder]);
    try {
      await using server = await startTestServer({ dataDir: temporary.folder });
      const socket = await server.socket();
      expect((await socket.ask(imageTask())).status).toBe('success');
      await writeFile(path.join(temporary.folder, 'filler'), new Uint8Array(8e6));
      const task = imageTask({ progress: true });
      socket.send(task);
      const frame = await socket.take(({ data, errors, events }) => (data ?? errors ?? events) !== undefined);
      expect(frame.errors?.[0]).toMatchObject({ code: 'storageFull', taskUUID: task.taskUUID });
      const health = await fetch(`${server.url}/health`);
      expect([health.status, (await health.json()).status]).toEqual([503, 'storageFull']);
      await rm(path.join(temporary.folder, 'filler'));
      expect((await fetch(`${server.url}/health`)).status).toBe(200);
      expect((await socket.ask(imageTask())).status).toBe('success');
    } finally {
      await run('umount', [temporary.folder]);
    }
  },
);

test('says in its health that images cannot be written, and goes on when they can', async () => {
  await using temporary = await temporaryFolder();
  await using server = await startTestServer({ dataDir: temporary.folder });
  const socket = await server.socket();
  const images = path.join(temporary.folder, 'images');
  await rm(images, { recursive: true });
  await writeFile(images, 'a file where the folder was');
  await expect(socket.ask(imageTask())).rejects.toThrow('internalServerError');
  const health = await fetch(`${server.url}/health`);
  expect([health.status, (await health.json()).status]).toEqual([503, 'storageUnavailable']);
  await rm(images);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect((await socket.ask(imageTask())).status).toBe('success');
});

// The limit of a file's size is set by a shell of Linux.
test.runIf(process.platform === 'linux')(
  'tells a failed write as a full store until a write succeeds, and leaves nothing of it',
  async () => {
    await using temporary = await temporaryFolder();
    const program = `
    const { openImageStore } = await import(process.argv[1]);
    const clock = { now: () => Date.now(), after: () => ({ cancel() {} }), every: () => ({ cancel() {} }) };
    const store = await openImageStore(process.argv[2], { clock });
    await store.put(new Uint8Array(200_000), 'PNG', { owner: 'someone' }).catch((error) => console.log(error.name));
    await store.checkRoom().catch((error) => console.log(error.name));
    await store.put(new Uint8Array(1_000), 'PNG', { owner: 'someone' });
    await store.checkRoom();
    await store.delete(store.list()[0].imageUUID);`;
    const module = new URL('../../dist/server/images/store.js', import.meta.url).href;
    // No file of this process may be larger than 100 kB: the system answers EFBIG in the middle of the write.
    const node = [process.execPath, '--input-type=module', '-e', program, module, temporary.folder];
    const { stdout } = await run('sh', ['-c', 'trap "" XFSZ; ulimit -f 200; exec "$@"', 'sh', ...node]);
    expect(stdout.trim().split('\n')).toEqual([StorageFullError.name, StorageFullError.name]);
    const shards = await readdir(temporary.folder);
    const left = await Promise.all(shards.map((shard) => readdir(path.join(temporary.folder, shard))));
    expect(left.flat()).toEqual([]);
  },
);

test('starts no second server on a data folder in use, and one on that of a server that was killed', async () => {
  await using temporary = await temporaryFolder();
  {
    await using _server = await startTestServer({ dataDir: temporary.folder });
    await expect(startTestServer({ dataDir: temporary.folder })).rejects.toThrow('Another server');
  }
  // What kill -9 leaves: the number of a process that has ended, or that another has now.
  const lock = path.join(temporary.folder, 'lock');
  for (const holder of [
    { pid: 2 ** 22 + 1, started: '1' },
    { pid: process.pid, started: '1' },
  ]) {
    await writeFile(lock, JSON.stringify({ ...holder, host: os.hostname() }));
    await using _server = await startTestServer({ dataDir: temporary.folder });
  }
});

test('takes the folder of a holder on another machine when that has been silent for a minute', async () => {
  await using temporary = await temporaryFolder();
  const lock = path.join(temporary.folder, 'lock');
  await writeFile(lock, JSON.stringify({ pid: 1, started: '1', host: 'another-machine' }));
  const clock = new ManualClock();
  await expect(lockDataFolder(temporary.folder, clock)).rejects.toThrow('another-machine');
  const before = new Date(Date.now() - 61_000);
  await utimes(lock, before, before);
  await using _ = await lockDataFolder(temporary.folder, clock);
});

test('gives the folder of a dead holder to one alone of those who find it at once', async () => {
  await using temporary = await temporaryFolder();
  const lock = path.join(temporary.folder, 'lock');
  await writeFile(lock, JSON.stringify({ pid: 1, started: '1', host: 'another-machine' }));
  const before = new Date(Date.now() - 61_000);
  await utimes(lock, before, before);
  const clock = new ManualClock();
  const tries = await Promise.allSettled(Array.from({ length: 60 }, () => lockDataFolder(temporary.folder, clock)));
  expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await readdir(temporary.folder)).toEqual(['lock']);
});

test('lists, pins and prunes images from the command line while the server runs', async () => {
  await using server = await startTestServer({ imageQuota: 0 });
  const socket = await server.socket();
  const kept = await socket.ask(imageTask());
  const gone = await socket.ask(imageTask());
  const program = path.join(import.meta.dirname, '..', '..', 'dist', 'clients', 'cli', 'main.js');
  const cli = async (...args: string[]) =>
    (await run(process.execPath, [program, 'images', ...args, '--data-dir', server.dataDir])).stdout;
  expect(await cli()).toContain('2 images');
  await cli('pin', kept.imageUUID);
  expect(await cli('list')).toMatch(new RegExp(`${kept.imageUUID}.*pinned`));
  expect(await cli('prune', '--to', '0', '--dry-run')).toContain('Would delete 1 image,');
  expect(await cli('prune', '--to', '0')).toContain('Deleted 1 image,');
  expect((await fetch(gone.imageURL)).status).toBe(404);
  expect((await fetch(kept.imageURL)).status).toBe(200);
  expect((await socket.ask(imageTask())).status).toBe('success');
});
