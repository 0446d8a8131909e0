import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { type Cut, cuts, type FrailLink, frailLink } from '../helpers/frailLink.ts';
import { imageTask, startTestServer, type TestServer, TestSocket } from '../helpers/server.ts';

/** `resume`: as the TypeScript client, which names its session. `repeat`: as a Python client, which sends its task again. */
type Manner = 'resume' | 'repeat';

interface Trial {
  server: TestServer;
  link: FrailLink;
  socket: TestSocket;
  task: ReturnType<typeof imageTask>;
}

const results = 2;
const steps = 4;
const lastStep = (socket: TestSocket, taskUUID: string) =>
  socket.take(({ events: [event] = [] }) => {
    return event?.event === 'stepped' && event.taskUUID === taskUUID && event.step === steps - 1;
  });

/** Sends the task and settles when the link is to be cut. */
const stages: Record<string, (trial: Trial) => Promise<void>> = {
  async 'before the acknowledgement'({ link, socket, task }) {
    const lost = link.lose('down', 0);
    task.deliveryMethod = 'async';
    socket.send(task);
    await lost;
  },
  async 'while it waits'({ server, socket, task }) {
    const other = await server.socket();
    const blocker = imageTask({ steps: 8, progress: true });
    other.send(blocker);
    await other.event('started', blocker.taskUUID);
    socket.send(task);
    await socket.event('queued', task.taskUUID);
  },
  async 'when it has started'({ socket, task }) {
    socket.send(task);
    await socket.event('started', task.taskUUID);
  },
  async 'between two steps'({ socket, task }) {
    socket.send(task);
    await socket.event('stepped', task.taskUUID);
    await sleep(randomInt(4));
  },
  async 'while the result is encoded'({ socket, task }) {
    socket.send(task);
    await lastStep(socket, task.taskUUID);
  },
  async 'within the frame of the result'({ link, socket, task }) {
    socket.send(task);
    await lastStep(socket, task.taskUUID);
    // A step of the second result may come before the first result.
    await link.lose('down', 200 + randomInt(500));
  },
  async 'between the result and its proof'({ link, socket, task }) {
    socket.send(task);
    await lastStep(socket, task.taskUUID);
    void link.lose('up', 0);
    await expect.poll(() => resultsIn(socket).length, { interval: 1 }).toBeGreaterThan(0);
  },
  async 'after the result'({ socket, task }) {
    socket.send(task);
    await expect.poll(() => resultsIn(socket).length, { interval: 1 }).toBeGreaterThan(0);
    await roundTrip(socket);
  },
};

function resultsIn({ frames }: TestSocket): number[] {
  return frames.flatMap(({ data = [] }) => data.flatMap(({ resultIndex }) => resultIndex ?? []));
}

/** Pongs are sent in order: after this one, the server has had all before it. */
async function roundTrip(socket: TestSocket): Promise<void> {
  const pong = new Promise((resolve) => socket.webSocket.once('pong', resolve));
  socket.webSocket.ping();
  await pong;
}

async function comeBack(link: FrailLink, manner: Manner, from: TestSocket, task: unknown): Promise<TestSocket> {
  if (manner === 'resume') {
    const socket = await TestSocket.open(link.url, {
      authenticate: { connectionSessionUUID: from.sessionUUID, push: true },
    });
    expect(socket.sessionUUID).toBe(from.sessionUUID);
    return socket;
  }
  const socket = await TestSocket.open(link.url, { authenticate: { push: true } });
  socket.send(task);
  return socket;
}

interface Count {
  sent: number;
  once: number;
  lost: number;
  /** On one socket, or although the server had the proof. */
  twice: number;
  /** On two sockets: the first was cut before the proof that the result had come could reach the server. */
  twiceUnproven: number;
}

async function drop(server: TestServer, manner: Manner, stage: string, cut: Cut, count: Count): Promise<void> {
  await using link = await frailLink(server.url);
  const first = await TestSocket.open(link.url, { authenticate: { push: true } });
  const task = imageTask({ numberResults: results, steps, progress: true, outputType: 'base64Data' });
  await stages[stage]!({ server, link, socket: first, task });
  const proven = stage === 'after the result' ? resultsIn(first) : [];
  link.cut(cut);
  const second = await comeBack(link, manner, first, task);
  await first.closed;
  const before = resultsIn(first);
  const kept = manner === 'resume' ? before : [];
  const deadline = Date.now() + 5_000;
  while (new Set([...kept, ...resultsIn(second)]).size < results && Date.now() < deadline) await sleep(2);
  // Whatever comes twice is here before the answers to these.
  await roundTrip(second);
  const after = resultsIn(second);
  if (stage === 'before the acknowledgement') {
    expect(second.frames.filter(({ data }) => data?.[0]?.status === 'processing')).toHaveLength(1);
  }
  for (let index = 0; index < results; index++) {
    count.sent++;
    const had = kept.filter((given) => given === index).length;
    const given = after.filter((given) => given === index).length;
    if (had + given === 0) count.lost++;
    else if (had > 1 || given > 1) count.twice++;
    else if (had + given === 1) count.once++;
    else if (proven.includes(index)) count.twice++;
    else count.twiceUnproven++;
  }
  second.terminate();
}

test.each(['resume', 'repeat'] as const)(
  'loses nothing and gives nothing twice to clients that %s, wherever the link is cut',
  { timeout: 120_000 },
  async (manner) => {
    await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 1 }) });
    const total: Count = { sent: 0, once: 0, lost: 0, twice: 0, twiceUnproven: 0 };
    let dropped = 0;
    for (const stage of Object.keys(stages)) {
      for (const cut of cuts) {
        for (let round = 0; round < 6; round++, dropped++) await drop(server, manner, stage, cut, total);
      }
    }
    const { twiceUnproven } = total;
    expect(total).toEqual({
      sent: dropped * results,
      once: dropped * results - twiceUnproven,
      lost: 0,
      twice: 0,
      twiceUnproven,
    });
    // Where the proof was kept from the server, and perhaps where the cut fell between the result and its ping.
    if (manner === 'repeat') expect(twiceUnproven).toBe(0);
    else expect(twiceUnproven).toBeLessThanOrEqual(3 * 3 * 6);
    console.info(`${manner}: ${dropped} cuts, ${JSON.stringify(total)}`);
  },
);
