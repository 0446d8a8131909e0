import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { defaultConfig } from '../../server/config/config.ts';
import { ManualClock } from '../helpers/clock.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { noise, pngUri } from '../helpers/pictures.ts';
import { type Frame, imageTask, startTestServer, type TestServer, TestSocket } from '../helpers/server.ts';
import { type Attack, attackTable, type Target } from './table.ts';

interface SocketTarget extends Target {
  readonly clock: ManualClock;
}

const mib = 1024 * 1024;

/** A server whose clock stands still, so that nothing is closed for being slow before a row says so. */
async function open(): Promise<SocketTarget> {
  const clock = new ManualClock();
  const server = await startTestServer({ clock, runtime: createFakeRuntime({ stepMs: 1 }) });
  return { server, clock, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** A socket that answers pings itself, as every library does, and takes frames up to a length. */
async function connect(server: TestServer, authentication: object = {}, maxPayload = 0) {
  const webSocket = new WebSocket(`${server.url.replace('http', 'ws')}/v1`, { maxPayload });
  const frames: Frame[] = [];
  let bytes = 0;
  let count = 0;
  webSocket.on('error', () => {});
  webSocket.on('message', (data: Buffer, isBinary) => {
    bytes += data.length;
    count++;
    // A flood of answers is counted, not read.
    if (!isBinary && count < 5_000) frames.push(JSON.parse(String(data)));
  });
  webSocket.on('pong', (data: Buffer) => {
    bytes += data.length;
  });
  const closed = new Promise<number>((resolve) => webSocket.once('close', resolve));
  await new Promise((resolve, reject) => webSocket.once('open', resolve).once('error', reject));
  webSocket.send(JSON.stringify([{ taskType: 'authentication', apiKey: 'any', ...authentication }]));
  await until(() => frames.length > 0 || webSocket.readyState !== webSocket.OPEN);
  const [first] = frames.splice(0, 1);
  return {
    webSocket,
    frames,
    closed,
    bytes: () => bytes,
    count: () => count,
    session: first?.data?.[0]?.connectionSessionUUID as string,
  };
}

/** Gives everybody turns until something is so. */
async function until(is: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!is()) {
    if (performance.now() > end) throw new Error('It never came to be.');
    await turn();
  }
}

const uuid = '51d6e8f2-4a7b-4903-9c1d-7b8e6f5a4d32';
/** So many answers in a burst, to a client that is busy meanwhile. */
function burst(count: number, isPaused: boolean): Attack<SocketTarget>['run'] {
  return async ({ server }) => {
    const { webSocket, frames } = await connect(server);
    const uuids = Array.from({ length: count }, () => randomUUID());
    for (let from = 0; from < count; from += 100) {
      const tasks = uuids
        .slice(from, from + 100)
        .map((taskUUID) => ({ taskType: 'taskCancel', taskUUID, tasks: [uuid] }));
      webSocket.send(JSON.stringify(tasks));
    }
    if (isPaused) {
      webSocket.pause();
      for (let turns = 0; turns < 500; turns++) await turn();
      webSocket.resume();
    }
    await until(() => frames.length >= count || webSocket.readyState !== webSocket.OPEN);
    const answered = frames.flatMap(({ data = [] }) => data.map(({ taskUUID }) => taskUUID));
    const seen = { inOrder: answered.join() === uuids.join(), isOpen: webSocket.readyState === webSocket.OPEN };
    webSocket.terminate();
    return seen;
  };
}

/** Sends tasks that cost nothing, and texts that are no request, and reads no answer until its socket is closed. */
function neverReads(tasks: readonly unknown[]): Attack<SocketTarget>['run'] {
  return async ({ server, clock }) => {
    const client = await connect(server);
    const { webSocket } = client;
    webSocket.pause();
    const text = JSON.stringify(Array.from({ length: 100 }, (_, index) => tasks[index % tasks.length]));
    // More answers than the system takes for a reader: it holds megabytes at both ends.
    let asked = 0;
    const ask = () => {
      webSocket.send(text);
      webSocket.send('no request');
      asked += 101;
    };
    // Both ends are in this process. The server looks at all that the system holds of the questions within a few thousand
    // turns: where nothing moves for longer, it reads no more.
    for (let still = 0, before = -1; still < 5_000; await turn()) {
      for (let more = 0; more < 20 && webSocket.bufferedAmount === 0; more++) ask();
      still = webSocket.bufferedAmount === before ? still + 1 : 0;
      before = webSocket.bufferedAmount;
    }
    const honest = await server.socket();
    const first = await honest.ask(imageTask());
    for (let more = 0; more < 200; more++) ask();
    // The heartbeat is due before a reader counts as slow; it does not keep the socket open.
    await clock.advance(defaultConfig().slowReaderMs);
    const second = await honest.ask(imageTask());
    honest.terminate();
    webSocket.resume();
    const code = await client.closed;
    return { isStopped: client.count() < asked, honest: [first.status, second.status], code };
  };
}

/** Gets a result as a client that takes frames up to `maxPayload` and closes with 1009 beyond, and comes back. */
function takesNoMoreThan(maxPayload: number, more: object): Attack<SocketTarget>['run'] {
  return async ({ server }) => {
    const uploader = await server.socket();
    const { imageUUID: seedImage } = await uploader.ask({
      ...{ taskType: 'imageUpload', image: await pngUri(noise(512, 512)) },
    });
    const task = imageTask({ ...{ width: 512, height: 512, seedImage, strength: 0, outputFormat: 'PNG' }, ...more });
    let session: string | undefined;
    const codes: number[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      const client = await connect(server, session === undefined ? {} : { connectionSessionUUID: session }, maxPayload);
      if (session === undefined) client.webSocket.send(JSON.stringify([task]));
      session = client.session;
      const result = () =>
        client.frames.flatMap(({ data = [] }) => data).find(({ taskUUID }) => taskUUID === task.taskUUID);
      await until(() => result() !== undefined || client.webSocket.readyState === client.webSocket.CLOSED);
      const item = result();
      if (item === undefined) {
        codes.push(await client.closed);
        continue;
      }
      client.webSocket.terminate();
      return { cut: codes.length, base64: item.imageBase64Data?.length > 0, url: typeof item.imageURL };
    }
    return { codes };
  };
}

attackTable<SocketTarget>('a client that asks and never reads', open, [
  {
    attack: 'sends WebSocket pings: the newest is answered, and no more pongs wait than that',
    expected: { isOpen: true, fewBytes: true, newest: 'the last' },
    async run({ server }) {
      const { webSocket, bytes } = await connect(server);
      let newest = '';
      webSocket.on('pong', (data: Buffer) => {
        newest = data.toString();
      });
      webSocket.pause();
      for (let count = 0; count < 30_000; count++) webSocket.ping('x'.repeat(120));
      webSocket.ping('the last');
      await until(() => webSocket.bufferedAmount === 0);
      webSocket.resume();
      await until(() => newest === 'the last' || webSocket.readyState !== webSocket.OPEN);
      const seen = { isOpen: webSocket.readyState === webSocket.OPEN, fewBytes: bytes() < 20 * mib, newest };
      webSocket.terminate();
      return seen;
    },
  },
  {
    attack: 'keeps sending pings, authentications and what is no task, of which each is answered',
    expected: { isStopped: true, honest: ['success', 'success'], code: 4008 },
    run: neverReads([{ taskType: 'ping', ping: true }, { taskType: 'authentication', apiKey: 'any' }, {}, 7]),
  },
  {
    attack: 'keeps sending pings alone, with the smallest of answers',
    expected: { isStopped: true, honest: ['success', 'success'], code: 4008 },
    run: neverReads([{ taskType: 'ping', ping: true }]),
  },
]);

attackTable<SocketTarget>('the proof of what arrived', open, [
  { attack: 'has 200 answers at once', expected: { inOrder: true, isOpen: true }, run: burst(200, false) },
  { attack: 'has 1,500 answers at once', expected: { inOrder: true, isOpen: true }, run: burst(1_500, false) },
  {
    attack: 'has 1,500 answers at once while it is busy',
    expected: { inOrder: true, isOpen: true },
    run: burst(1_500, true),
  },
  {
    attack: 'sends pongs that answer no ping: nothing of its session is lost by them',
    expected: [0, 1],
    async run({ server }) {
      const first = await server.socket();
      first.webSocket.pong = () => {};
      const task = imageTask({ numberResults: 2 });
      first.send(task);
      await first.item(task.taskUUID);
      await first.item(task.taskUUID);
      const second = await server.socket();
      const odd = ['', ' ', 'NaN NaN', '1', '1 1e9', '-1 -1', `${'9'.repeat(60)} ${'9'.repeat(60)}`];
      for (const text of odd) WebSocket.prototype.pong.call(second.webSocket, text);
      for (let outbox = 0; outbox < 500; outbox++) WebSocket.prototype.pong.call(second.webSocket, `${outbox} 1000000`);
      await second.ask({ taskType: 'modelSearch' });
      const third = await server.socket({ authenticate: { connectionSessionUUID: first.sessionUUID } });
      return [(await third.item(task.taskUUID)).resultIndex, (await third.item(task.taskUUID)).resultIndex];
    },
  },
]);

attackTable<SocketTarget>('a client that closes with 1009', open, [
  {
    attack: 'takes no frame of a megabyte: the result comes with its URL',
    expected: { cut: 1, base64: false, url: 'string' },
    run: takesNoMoreThan(mib, { outputType: 'base64Data' }),
  },
  {
    attack: 'takes no frame of a megabyte, and asked for both kinds of base64',
    expected: { cut: 1, base64: false, url: 'string' },
    run: takesNoMoreThan(mib, { outputType: ['base64Data', 'dataURI'] }),
  },
  {
    attack: 'takes frames of 100 KiB only',
    // The first close tells that a megabyte is too much, and that was all of it.
    expected: { cut: 1, base64: false, url: 'string' },
    run: takesNoMoreThan(100 * 1024, { outputType: 'base64Data' }),
  },
  {
    attack: 'takes two megabytes, and is sent its base64',
    expected: { cut: 0, base64: true, url: 'string' },
    run: takesNoMoreThan(2 * mib, { outputType: 'base64Data' }),
  },
]);

async function openKeyed(): Promise<Target> {
  const server = await startTestServer({ apiKey: ['one', 'two'], runtime: createFakeRuntime({ stepMs: 1 }) });
  return { server, apiKey: 'one', [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const as = (apiKey: string, more: object = {}) => ({ authenticate: { apiKey, ...more } });

attackTable('the sessions and tasks of another key', openKeyed, [
  {
    attack: 'resumes the session of another key, and is told nothing of it',
    expected: { isAnother: true, frames: 0 },
    async run({ server }) {
      const owner = await server.socket(as('one'));
      owner.webSocket.pong = () => {};
      await owner.ask(imageTask());
      const thief = await server.socket(as('two', { connectionSessionUUID: owner.sessionUUID }));
      await thief.ask({ taskType: 'modelSearch' });
      return { isAnother: thief.sessionUUID !== owner.sessionUUID, frames: thief.frames.length };
    },
  },
  {
    attack: 'guesses 300 session UUIDs on one socket',
    expected: { sessions: 1, guessed: 0 },
    async run({ server }) {
      const socket = await server.socket(as('two'));
      const guesses = Array.from({ length: 300 }, () => randomUUID());
      const named = new Set<string>();
      for (const connectionSessionUUID of guesses) {
        const { data } = await socket.authenticate({ apiKey: 'two', connectionSessionUUID });
        named.add(data![0]!.connectionSessionUUID);
      }
      return { sessions: named.size, guessed: guesses.filter((guess) => named.has(guess)).length };
    },
  },
  ...(
    [
      ['the UUID in upper case', (id: string) => id.toUpperCase()],
      ['a UUID with braces', (id: string) => `{${id}}`],
      ['a number', () => 7],
      ['an array', (id: string) => [id]],
      ['ten kilobytes', () => 'x'.repeat(10_000)],
      ['__proto__', () => '__proto__'],
    ] as const
  ).map(
    ([name, odd]): Attack<Target> => ({
      attack: `resumes ${name}, and gets a fresh session`,
      expected: { isFresh: true },
      async run({ server }) {
        const first = await server.socket(as('two'));
        const second = await server.socket(as('two', { connectionSessionUUID: odd(first.sessionUUID!) }));
        return { isFresh: second.sessionUUID !== undefined && second.sessionUUID !== first.sessionUUID };
      },
    }),
  ),
  {
    attack: 'cancels the task of another key',
    expected: { cancelled: [], status: 'success' },
    async run({ server }) {
      const owner = await server.socket(as('one'));
      const thief = await server.socket(as('two'));
      const task = imageTask({ steps: 20, progress: true });
      owner.send(task);
      await owner.event('started', task.taskUUID);
      const { cancelled } = await thief.ask({ taskType: 'taskCancel', tasks: [task.taskUUID] });
      return { cancelled, status: (await owner.item(task.taskUUID)).status };
    },
  },
  {
    attack: 'asks for the result of another key',
    expected: 'taskNotFound',
    async run({ server }) {
      const owner = await server.socket(as('one'));
      const thief = await server.socket(as('two'));
      const task = imageTask();
      await owner.ask(task);
      thief.send({ taskType: 'getResponse', taskUUID: task.taskUUID });
      return (await thief.error(task.taskUUID)).code;
    },
  },
  {
    attack: 'uses the taskUUID of another key for a task of its own',
    expected: { own: 'success', again: 'success', same: false },
    async run({ server }) {
      const owner = await server.socket(as('one'));
      const other = await server.socket(as('two'));
      const task = imageTask();
      const first = await owner.ask(task);
      const second = await other.ask({ ...task, positivePrompt: 'another' });
      const again = await owner.ask(task);
      return { own: second.status, again: again.status, same: second.imageUUID === first.imageUUID };
    },
  },
  {
    attack: 'sends 300 tasks behind a wrong key in one breath, and none is looked at',
    expected: { code: 1008, frames: 1 },
    async run({ server }) {
      const socket = await TestSocket.open(server.url, { authenticate: false });
      const tasks = Array.from({ length: 99 }, () => imageTask());
      socket.send({ taskType: 'authentication', apiKey: 'wrong' }, ...tasks);
      for (let frame = 0; frame < 2; frame++) socket.send(...tasks);
      const { code } = await socket.closed;
      return { code, frames: socket.frames.length };
    },
  },
]);
