import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunwareClient, RunwareServer } from '@runware/sdk-js';
import { afterEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { connect, type Generation } from '../../clients/typescript/index.ts';
import { createFakeRuntime, type FakeRuntime } from '../helpers/fakeRuntime.ts';
import { type Cut, cuts, type FrailLink, frailLink } from '../helpers/frailLink.ts';
import { startTestServer } from '../helpers/server.ts';

afterEach(() => vi.unstubAllGlobals());

const numberResults = 2;
const request = { model: 'local:tiny@1', width: 128, height: 128, steps: 4, numberResults };

/** One task of one client over a link of its own. The prompt is its name, at the runtime too. */
interface Trial {
  link: FrailLink;
  runtime: FakeRuntime;
  prompt: string;
  /** Sends the task. */
  begin(): void;
  /** Results that the client has told so far. */
  told(): number;
}

const until = (fits: () => boolean) => expect.poll(fits, { interval: 10, timeout: 30_000 }).toBe(true);

const runsOf = ({ runtime, prompt }: Pick<Trial, 'runtime' | 'prompt'>) =>
  runtime.requests.flatMap((each, index) => (each.prompt === prompt ? [runtime.stepsTaken[index] ?? 0] : []));

/** Settles when the link is to be cut. */
const stages: Record<string, (trial: Trial) => Promise<void>> = {
  async 'before the task has reached the server'({ link, begin }) {
    const lost = link.lose('up', 0);
    begin();
    await lost;
  },
  async 'while it runs'(trial) {
    trial.begin();
    await until(() => runsOf(trial).some((steps) => steps > 0));
  },
  async 'when the last step is done'(trial) {
    trial.begin();
    await until(() => runsOf(trial).filter((steps) => steps === request.steps).length === numberResults);
  },
  async 'within the frame of a result'({ link, begin }) {
    const lost = link.lose('down', 150);
    begin();
    await lost;
  },
  async 'between two results'({ begin, told }) {
    begin();
    await until(() => told() > 0);
  },
};

interface Count {
  tasks: number;
  /** Ended with all results, each of them once. */
  once: number;
  /** Ended with fewer results than were asked for, or the same one twice. */
  wrong: number;
  rejected: number;
  hung: number;
  /** Results drawn beyond those that were asked for. */
  drawnInVain: number;
}

type Images = readonly { imageUUID?: string | undefined }[] | undefined;

/** How a task ended for its caller. A client may wait as long as it says itself; much longer is for ever. */
async function ending(images: Promise<Images>): Promise<'once' | 'wrong' | 'rejected' | 'hung'> {
  const enough = new AbortController();
  const hung = sleep(45_000, 'hung' as const, { signal: enough.signal }).catch(() => 'hung' as const);
  const ended = images.then(
    (given) => (new Set(given?.map(({ imageUUID }) => imageUUID)).size === numberResults ? 'once' : 'wrong'),
    () => 'rejected' as const,
  );
  const how = await Promise.race([ended, hung]);
  enough.abort();
  return how;
}

/** All trials run at once, each with a client and a link of its own: the official client takes seconds for each. */
async function countAll(
  rounds: number,
  trial: (
    stage: string,
    cut: Cut,
    runtime: FakeRuntime,
    url: string,
  ) => Promise<{ end: Awaited<ReturnType<typeof ending>>; prompt: string }>,
) {
  const runtime = createFakeRuntime({ stepMs: 1 });
  await using server = await startTestServer({ runtime, queueLimit: 1000 });
  const count: Count = { tasks: 0, once: 0, wrong: 0, rejected: 0, hung: 0, drawnInVain: 0 };
  const trials = Object.keys(stages).flatMap((stage) =>
    cuts.flatMap((cut) => Array.from({ length: rounds }, () => trial(stage, cut, runtime, server.url))),
  );
  for (const { end, prompt } of await Promise.all(trials)) {
    count.tasks++;
    count[end]++;
    count.drawnInVain += Math.max(0, runsOf({ runtime, prompt }).length - numberResults);
  }
  return count;
}

interface Variant {
  name: string;
  Sdk: typeof RunwareServer | typeof RunwareClient;
  ownUUIDs: boolean;
}

function openOfficial({ Sdk }: Pick<Variant, 'Sdk'>, link: FrailLink, timeoutDuration: number) {
  return new Sdk({ apiKey: 'any', url: `${link.url.replace('http', 'ws')}/v1`, timeoutDuration });
}

/** How long each of the two attempts of an official client waits. */
const attemptMs = 6_000;

async function countOfficial(variant: Variant): Promise<Count> {
  return await countAll(2, async (stage, cut, runtime, url) => {
    for (;;) {
      const ended = await tryOfficial(variant, stage, cut, runtime, url);
      if (ended !== undefined) return ended;
    }
  });
}

/** Nothing where the link was cut in the client's second attempt, which is its last: on a busy machine stages come late. */
async function tryOfficial(
  { Sdk, ownUUIDs }: Variant,
  stage: string,
  cut: Cut,
  runtime: FakeRuntime,
  url: string,
): Promise<{ end: Awaited<ReturnType<typeof ending>>; prompt: string } | undefined> {
  await using link = await frailLink(url);
  const client = openOfficial({ Sdk }, link, attemptMs);
  await client.ensureConnection();
  const prompt = randomUUID();
  let told = 0;
  let images: Promise<Images> = Promise.resolve([]);
  let begunAt = 0;
  const begin = () => {
    begunAt = performance.now();
    images = client.requestImages({
      ...request,
      positivePrompt: prompt,
      ...(ownUUIDs && { taskUUID: randomUUID() }),
      onPartialImages: (given) => {
        told += given.length;
      },
    });
    images.catch(() => {});
  };
  await stages[stage]!({ link, runtime, prompt, begin, told: () => told });
  const isLate = performance.now() - begunAt >= attemptMs;
  link.cut(cut);
  const end = isLate ? undefined : await ending(images);
  await client.disconnect();
  return end && { end, prompt };
}

/**
 * The official JavaScript client never names its session when it comes back and forgets who waits, so a call waits until its
 * own time is over and sends the task again: under a new UUID, for which all is drawn once more, or under the caller's.
 */
test('the official client gets every picture once when the link is cut', { timeout: 120_000 }, async () => {
  vi.stubGlobal('WebSocket', WebSocket);
  const variants: Variant[] = [
    { name: 'in Node', Sdk: RunwareServer, ownUUIDs: false },
    { name: 'in Node, taskUUIDs given', Sdk: RunwareServer, ownUUIDs: true },
    { name: 'in a browser', Sdk: RunwareClient, ownUUIDs: false },
    { name: 'in a browser, taskUUIDs given', Sdk: RunwareClient, ownUUIDs: true },
  ];
  // One after the other: an attempt has only so many seconds, of which others should not take any.
  for (const variant of variants) {
    const { name, ownUUIDs } = variant;
    const count = await countOfficial(variant);
    console.info(`the official client ${name}: ${JSON.stringify(count)}`);
    expect(count, name).toMatchObject({ once: count.tasks, wrong: 0, rejected: 0, hung: 0 });
    if (ownUUIDs) expect(count.drawnInVain, name).toBe(0);
  }
});

test('the official client gives up on a link that falls silent, and the next call finds a new one', {
  timeout: 60_000,
}, async () => {
  await using server = await startTestServer();
  await using link = await frailLink(server.url);
  const client = openOfficial({ Sdk: RunwareServer }, link, 1_500);
  await client.ensureConnection();
  link.fallSilent();
  // It notices by a ping that nobody answers, of which it sends one in 45 seconds; both of its attempts are over by then.
  const ended = await ending(client.requestImages({ ...request, positivePrompt: 'a red fox' }));
  expect(ended).toBe('rejected');
  link.cut();
  expect(await ending(client.requestImages({ ...request, positivePrompt: 'a red fox' }))).toBe('once');
  await client.disconnect();
});

test('the client of this project gets every picture once when the link is cut, and nothing is drawn twice', {
  timeout: 120_000,
}, async () => {
  const twice: string[] = [];
  const count = await countAll(5, async (stage, cut, runtime, url) => {
    await using link = await frailLink(url);
    using client = connect({ url: link.url, reconnect: { initialDelayMs: 5, maxDelayMs: 50 } });
    await client.ready;
    const prompt = randomUUID();
    let generation: Generation | undefined;
    const told: string[] = [];
    const begin = () => {
      generation = client.generate({ ...request, positivePrompt: prompt });
      void (async () => {
        for await (const event of generation) if (event.event === 'result') told.push(event.imageUUID);
      })().catch(() => {});
    };
    await stages[stage]!({ link, runtime, prompt, begin, told: () => told.length });
    link.cut(cut);
    const end = await ending(generation!.results);
    if (new Set(told).size < told.length) twice.push(stage);
    return { end, prompt };
  });
  console.info(`the client of this project: ${JSON.stringify(count)}`);
  expect(count).toEqual({ tasks: count.tasks, once: count.tasks, wrong: 0, rejected: 0, hung: 0, drawnInVain: 0 });
  expect(twice).toEqual([]);
});
