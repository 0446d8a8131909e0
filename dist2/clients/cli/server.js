import { connect, LatentwireError } from '../typescript/index.js';
/** How the client commands find their server. */
export const serverOptions = {
  url: { type: 'string' },
  'api-key': { type: 'string' },
};
export const serverOptionsHelp = `  --url URL            The server. Default: LATENTWIRE_URL, else http://127.0.0.1:7420
  --api-key KEY        A key of the server. Default: LATENTWIRE_API_KEY. Other users of the machine can read flags`;
/**
 * Runs `use` with a connected client. Where no server was named and none answers at the usual place, one is started in
 * this process and stopped afterwards.
 */
export async function withServer(choice, use) {
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
async function withOwnServer(use) {
  const { loadConfig, startServer } = await import('../../server/index.js');
  const config = loadConfig([], process.env);
  process.stderr.write('No server is running; starting one for this call.\n');
  // For this process alone: any free port of the loopback address, so that no key is needed.
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
//# sourceMappingURL=server.js.map
