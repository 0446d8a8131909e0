import { type Client, connect, LatentwireError } from '../typescript/index.ts';

/** How the client commands find their server. */
export const serverOptions = {
  url: { type: 'string' },
  'api-key': { type: 'string' },
} as const;

export const serverOptionsHelp = `  --url URL            The server. Default: LATENTWIRE_URL, else http://127.0.0.1:7420
  --api-key KEY        A key of the server. Default: LATENTWIRE_API_KEY. Other users of the machine can read flags`;

export interface ServerChoice {
  url?: string | undefined;
  'api-key'?: string | undefined;
}

/**
 * Runs `use` with a connected client. If no server was named and none answers at the default address, starts one in this
 * process and stops it afterwards.
 */
export async function withServer(choice: ServerChoice, use: (client: Client) => Promise<void>): Promise<void> {
  const { LATENTWIRE_URL, LATENTWIRE_API_KEY } = process.env;
  const named = choice.url ?? (LATENTWIRE_URL || undefined);
  const apiKey = choice['api-key'] ?? LATENTWIRE_API_KEY?.split(/[,\s]+/)[0];
  const client = connect({ url: named ?? 'http://127.0.0.1:7420', apiKey });
  try {
    await client.ready;
  } catch (error) {
    const absent = error instanceof LatentwireError && error.code === 'connectionFailed';
    if (named !== undefined || !absent) throw error;
    return await withOwnServer(use);
  }
  try {
    await use(client);
  } finally {
    client.close();
  }
}

async function withOwnServer(use: (client: Client) => Promise<void>): Promise<void> {
  const { loadConfig, startServer } = await import('../../server/index.ts');
  const config = loadConfig([], process.env);
  process.stderr.write('No server is running; starting one for this call.\n');
  // Only this process uses it, on a free port of the loopback address, so it needs no key.
  const server = await startServer({ ...config, host: '127.0.0.1', port: 0, apiKey: [], logLevel: 'error' });
  try {
    const client = connect({ url: server.url });
    try {
      await use(client);
    } finally {
      client.close();
    }
  } finally {
    await server.close(0);
  }
}
