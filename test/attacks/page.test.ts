import { RawConnection, statusOf } from './raw.ts';
import { type Attack, attackTable, serverTarget, type Target } from './table.ts';

const module = '/app/clients/typescript/index.js';

/** One row for the status of a request with these header lines. */
function request(line: string, expected: unknown, ...headers: string[]): Attack<Target> {
  const lines = [`${line} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close', ...headers];
  return {
    attack: [`sends \`${line.slice(0, 70)}\``, ...headers.map((header) => header.slice(0, 50))].join(', '),
    expected,
    run: ({ server }) => statusOf(server.port, `${lines.join('\r\n')}\r\n\r\n`),
  };
}

/** One row for the encoding that is chosen. */
function accepting(accepted: string, expected: string): Attack<Target> {
  return {
    attack: `accepts \`${accepted.slice(0, 60)}\``,
    expected: [200, expected],
    async run({ server }) {
      const { status, header } = await ask(server.port, `GET ${module}`, `Accept-Encoding: ${accepted}`);
      return [status, header('content-encoding') ?? 'identity'];
    },
  };
}

async function ask(port: number, line: string, ...headers: string[]) {
  using connection = await RawConnection.open(port);
  const lines = [`${line} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close', ...headers];
  await connection.write(`${lines.join('\r\n')}\r\n\r\n`);
  await connection.closed;
  const [head = '', body = ''] = connection.received.split(/\r\n\r\n(.*)/s);
  const header = (name: string) => new RegExp(`^${name}: (.*?)\r?$`, 'im').exec(head)?.[1];
  return { status: Number(head.split(' ')[1]), header, body };
}

const outside = ['package.json', 'server/index.js', 'clients/cli/main.js'];
const ways = ['../', '..%2f', '%2e%2e/', '%2e%2e%2f', '%252e%252e%252f', '..\\', '..%5c', '..;/', '%c0%ae%c0%ae/'];

attackTable('files outside the page', () => serverTarget(), [
  ...ways.map((way, i) => request(`GET /app/clients/${way.repeat(2)}${outside[i % outside.length]}`, 404)),
  ...ways.map((way) => request(`GET /assets/${way.repeat(3)}package.json`, 404)),
  request('GET /app//etc/passwd', 404),
  request('GET /app/clients/typescript/', 404),
  request('GET /app', 404),
  request('GET /assets', 404),
  request('GET /index.html.br', 404),
  request(`GET ${module}.gz`, 404),
  request(`GET ${module}%00.png`, 404),
  request('GET /__proto__', 404),
  request('GET /constructor', 404),
  request('GET /app/clients/playground/main.js', 404),
  request('GET /app/protocol/errors.d.ts', 404),
]);

attackTable('what a request for the page may ask', () => serverTarget(), [
  request(`GET ${module}`, 200, 'Range: bytes=0-0'),
  request(`GET ${module}`, 200, `Range: bytes=${'0-1,'.repeat(2000)}0-1`),
  request(`GET ${module}`, 200, 'Range: bytes=99999999999999999999-'),
  request(`GET ${module}`, 200, 'Range: lines=-1', 'If-Range: "x"'),
  request(`GET ${module}`, 200, `If-None-Match: ${'"a",'.repeat(3000)}"b"`),
  request(`GET ${module}`, 304, 'If-None-Match: *'),
  request(`GET ${module}`, 200, 'If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT'),
  request('PUT /index.html', 405),
  request('DELETE /', 405),
  request('TRACE /', 405),
  request(`HEAD ${module}`, 200),
  request(`GET ${module}?${'a=b&'.repeat(1000)}`, 200),
  accepting('', 'identity'),
  accepting('br', 'br'),
  accepting('BR;Q=1, gzip', 'br'),
  accepting('gzip;q=1, br;q=0.5', 'gzip'),
  accepting('br;q=0, gzip;q=0', 'identity'),
  accepting('*', 'br'),
  accepting('*;q=0', 'identity'),
  accepting('identity, br;q=0.1', 'identity'),
  accepting('br;q=NaN, gzip;q=-1', 'identity'),
  accepting('br;q=2', 'identity'),
  accepting('constructor, __proto__, toString', 'identity'),
  accepting(`${'gzip;q=0.0,'.repeat(1200)}br`, 'br'),
  accepting(`${' '.repeat(4000)};q=${' '.repeat(4000)}`, 'identity'),
  {
    attack: 'asks for the head of each form, and then with its tag',
    expected: [
      ['br', '', 304],
      ['gzip', '', 304],
      ['identity', '', 304],
    ],
    run: ({ server }) =>
      Promise.all(
        ['br', 'gzip', 'identity'].map(async (encoding) => {
          const accept = `Accept-Encoding: ${encoding}`;
          const { body, header } = await ask(server.port, `HEAD ${module}`, accept);
          const again = await ask(server.port, `GET ${module}`, accept, `If-None-Match: W/${header('etag')}`);
          return [header('content-encoding') ?? 'identity', body, again.status];
        }),
      ),
  },
  {
    attack: 'asks for one form with the tag of another',
    expected: 200,
    async run({ server }) {
      const { header } = await ask(server.port, `HEAD ${module}`, 'Accept-Encoding: br');
      return (await ask(server.port, `GET ${module}`, `If-None-Match: ${header('etag')}`)).status;
    },
  },
]);
