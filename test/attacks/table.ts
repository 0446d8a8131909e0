import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageTask, startTestServer, type TestServer } from '../helpers/server.ts';

/** One attack on a running server, from outside. */
export interface Attack<Target> {
  /** What is done, as a sentence without a subject: "asks for `GET //`". */
  attack: string;
  /** What a caller should see: a status, an error code, a number, or any value that `toEqual` compares. */
  expected: unknown;
  /** Attacks, and returns what was seen. */
  run(target: Target): Promise<unknown>;
}

/** What a table attacks: a server, and whatever else its rows need. */
export interface Target extends AsyncDisposable {
  readonly server: TestServer;
  /** The key of the honest client, where the server asks for one. */
  readonly apiKey?: string;
}

/**
 * Runs the rows of a table against one server, one after the other. After each row an honest client connects to the same
 * server and gets its picture: an attack must cost the others nothing.
 *
 * @param open - starts the server; called once for the table
 */
export function attackTable<T extends Target>(name: string, open: () => Promise<T>, rows: readonly Attack<T>[]): void {
  describe(name, () => {
    let target: T;
    beforeAll(async () => {
      target = await open();
    });
    afterAll(async () => {
      await target?.[Symbol.asyncDispose]();
    });
    test.each(rows.map((row) => [row.attack, row] as const))('%s', async (_, { expected, run }) => {
      expect(await run(target)).toEqual(expected);
      await serveHonestClient(target);
    });
  });
}

/** A target that is a test server alone. */
export async function serverTarget(...options: Parameters<typeof startTestServer>): Promise<Target> {
  const server = await startTestServer(...options);
  return { server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function serveHonestClient({ server, apiKey }: Target): Promise<void> {
  const socket = await server.socket(apiKey === undefined ? {} : { authenticate: { apiKey } });
  const task = imageTask({ steps: 1 });
  socket.send(task);
  const { data, errors } = await socket.take((frame) => frame.data !== undefined || frame.errors !== undefined);
  expect(errors).toBeUndefined();
  expect(data?.[0]).toMatchObject({ taskUUID: task.taskUUID, imageUUID: expect.any(String) });
  socket.terminate();
}
