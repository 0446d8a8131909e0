import { expect } from 'vitest';
import { WebSocket } from 'ws';
import { ManualClock } from '../helpers/clock.ts';
import { closeCode, closeCodeAfter, frame, RawConnection, statusOf, upgrade } from './raw.ts';
import { type Attack, attackTable, serverTarget, type Target } from './table.ts';

const apiKey = 'the-right-key';
const host = 'Host: 127.0.0.1';

interface StrangerTarget extends Target {
  readonly clock: ManualClock;
}

async function keyed(options: Parameters<typeof serverTarget>[0] = {}): Promise<StrangerTarget> {
  const clock = new ManualClock();
  return { ...(await serverTarget({ apiKey: [apiKey], clock, ...options })), apiKey, clock };
}

/** A POST whose Authorization header is given, of a body that declares this length. */
function post(authorization: string | undefined, length: number, body = ''): string {
  const header = authorization === undefined ? '' : `Authorization: ${authorization}\r\n`;
  return `POST /v1 HTTP/1.1\r\n${host}\r\n${header}Content-Length: ${length}\r\n\r\n${body}`;
}

function wrongKey(name: string, authorization: string | undefined, expected: number): Attack<StrangerTarget> {
  return {
    attack: `sends ${name} and begins a body of 10 MB`,
    expected,
    run: ({ server }) => statusOf(server.port, post(authorization, 10_000_000, 'x'.repeat(1_000))),
  };
}

attackTable<StrangerTarget>('work before the key', () => keyed(), [
  wrongKey('a wrong key', 'Bearer wrong', 401),
  wrongKey('no key', undefined, 413),
  wrongKey('an empty key', 'Bearer ', 413),
  wrongKey('the right key in another scheme', `Basic ${apiKey}`, 413),
  wrongKey('the right key with a blank behind it, which belongs to no key', `Bearer ${apiKey}x`, 401),
  wrongKey('a key of 10 kB', `Bearer ${'k'.repeat(10_000)}`, 401),
  {
    attack: 'sends a key that is no text',
    expected: [401, 'invalidApiKey', 'string'],
    async run({ server }) {
      const { status, body } = await server.post([{ taskType: 'authentication', apiKey: 7 }]);
      return [status, body.error?.code, body.error?.type];
    },
  },
  {
    attack: 'asks with a wrong key whether it may send a body',
    expected: 401,
    run: ({ server }) =>
      statusOf(
        server.port,
        post('Bearer wrong', 1_000).replace('Content-Length', 'Expect: 100-continue\r\nContent-Length'),
      ),
  },
  {
    attack: 'sends a wrong key as a task and a million values',
    expected: [413, 'payloadTooLarge'],
    async run({ server }) {
      const { status, body } = await server.post(`[{"taskType":"authentication"},${'{},'.repeat(30_000)}{}]`);
      return [status, body.error?.code];
    },
  },
  {
    attack: 'sends 64 kB of a body that has no length and no end',
    expected: 413,
    async run({ server }) {
      const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
      const begin = `POST /v1 HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n`;
      return await statusOf(server.port, `${begin}${chunk.repeat(3)}`);
    },
  },
  {
    attack: 'sends a WebSocket frame of 1 MB without a key',
    expected: 1008,
    run: ({ server }) => closeCodeAfter(server.port, frame(1, 'x'.repeat(1_000_000))),
  },
  {
    attack: 'sends fragments without end, and pings between them',
    expected: 1008,
    async run({ server }) {
      using connection = await RawConnection.open(server.port);
      await connection.write(upgrade());
      await connection.status();
      await connection.write(frame(1, 'x', { fin: false }));
      for (let count = 0; count < 100; count++) {
        await connection.write(frame(0, 'x'.repeat(1_000), { fin: false }));
        if (count % 10 === 0) await connection.write(frame(9, 'ping'));
      }
      return await closeCode(connection);
    },
  },
  {
    attack: 'opens a socket and says nothing for 30 seconds',
    expected: 1008,
    async run({ server, clock }) {
      using connection = await RawConnection.open(server.port);
      await connection.write(upgrade());
      await connection.status();
      await clock.advance(30_000);
      return await closeCode(connection);
    },
  },
  {
    attack: 'opens 300 sockets and says nothing',
    expected: [101, 429],
    async run({ server }) {
      const connections = await Promise.all(Array.from({ length: 300 }, () => RawConnection.open(server.port)));
      const seen = new Set<number | 'closed'>();
      for (const connection of connections) {
        await connection.write(upgrade());
        seen.add(await connection.status());
      }
      for (const { socket } of connections) socket.destroy();
      await Promise.all(connections.map(({ closed }) => closed));
      return [...seen];
    },
  },
  {
    attack: 'guesses 40 keys on sockets, then comes with the right one',
    expected: ['invalidApiKey', 'rateLimitExceeded', 'a session'],
    async run({ server, clock }) {
      const seen = new Set<string>();
      for (let guess = 0; guess < 40; guess++) {
        const socket = await server.socket({ authenticate: false });
        socket.send({ taskType: 'authentication', apiKey: `guess ${guess}` });
        seen.add((await socket.error()).code);
        await socket.closed;
      }
      const socket = await server.socket({ authenticate: { apiKey } });
      if (socket.sessionUUID !== undefined) seen.add('a session');
      await clock.advance(60_000);
      return [...seen];
    },
  },
  {
    attack: 'stops in the middle of a body',
    expected: 413,
    run: ({ server }) => statusOf(server.port, post(undefined, 100_000, '[')),
  },
  {
    attack: 'stops in the middle of a small body, for a minute',
    expected: 400,
    async run({ server, clock }) {
      using connection = await RawConnection.open(server.port);
      await connection.write(post(undefined, 1_000, '['));
      let status: number | 'closed' | undefined;
      const replied = connection.status().then((seen) => {
        status = seen;
      });
      // The body begins to be read a moment after its first bytes are here.
      while (status === undefined) await clock.advance(20_000);
      await replied;
      return status;
    },
  },
]);

const big = `[{"taskType":"authentication","apiKey":"${apiKey}"},{"taskType":"ping","s":"${'x'.repeat(100_000)}"}]`;

/** One row for a POST by a stranger whose headers and body are given as they stand on the wire. */
function strange(attack: string, lines: readonly string[], sent: string, expected: number): Attack<StrangerTarget> {
  return {
    attack,
    expected,
    run: ({ server }) => statusOf(server.port, `POST /v1 HTTP/1.1\r\n${[host, ...lines].join('\r\n')}\r\n\r\n${sent}`),
  };
}

/** One row for a key that comes as a task, in a form that is not right. */
function keyTask(name: string, key: unknown, expected: unknown): Attack<StrangerTarget> {
  return {
    attack: `authenticates with ${name}`,
    expected,
    async run({ server }) {
      const { status, body } = await server.post(JSON.stringify([{ taskType: 'authentication', apiKey: key }]));
      return [status, body.error?.code];
    },
  };
}

attackTable<StrangerTarget>('keys in wrong places and forms', () => keyed(), [
  strange('sends the right key as a task in 100 kB', [`Content-Length: ${big.length}`], big, 413),
  strange('sends the key in a header of its own', [`X-Api-Key: ${apiKey}`, 'Content-Length: 2'], '[]', 401),
  strange('sends the key in two schemes', [`Authorization: Bearer Bearer ${apiKey}`, 'Content-Length: 2'], '[]', 401),
  strange(
    'sends a wrong key and then the right one in a second header',
    ['Authorization: Bearer wrong', `Authorization: Bearer ${apiKey}`, 'Content-Length: 2'],
    '[]',
    401,
  ),
  strange('asks for something else to be expected', ['Expect: 200-ok', 'Content-Length: 2'], '[]', 417),
  keyTask('a number', 1, [401, expect.any(String)]),
  keyTask('null', null, [401, 'missingApiKey']),
  keyTask('nothing in it', '', [401, 'invalidApiKey']),
  keyTask('a list of keys', [apiKey], [401, expect.any(String)]),
  keyTask('an object', { key: apiKey }, [401, expect.any(String)]),
  keyTask('the right key in capitals', apiKey.toUpperCase(), [401, 'invalidApiKey']),
  keyTask('the right key and a null character', `${apiKey}\0`, [401, 'invalidApiKey']),
  keyTask('half the right key', apiKey.slice(0, 6), [401, 'invalidApiKey']),
  {
    attack: 'asks for /metrics with a wrong key',
    expected: 401,
    run: async ({ server }) =>
      (await fetch(`${server.url}/metrics`, { headers: { authorization: 'Bearer wrong' } })).status,
  },
  {
    attack: 'asks for the health of the server without a key',
    expected: ['status'],
    run: async ({ server }) => Object.keys((await (await fetch(`${server.url}/health`)).json()) as object),
  },
  {
    attack: 'writes the key into the URL of a socket',
    expected: ['missingApiKey'],
    async run({ server }) {
      const webSocket = new WebSocket(`${server.url.replace('http', 'ws')}/v1?apiKey=${apiKey}`);
      const answer = await new Promise<string>((resolve) => {
        webSocket.on('open', () =>
          webSocket.send('[{"taskType":"modelSearch","taskUUID":"00000000-0000-4000-8000-000000000000"}]'),
        );
        webSocket.on('message', (data) => resolve(String(data)));
      });
      webSocket.terminate();
      const { errors } = JSON.parse(answer) as { errors: { code: string }[] };
      return errors.map(({ code }) => code);
    },
  },
]);

attackTable<StrangerTarget>(
  'forwarded addresses behind a trusted proxy',
  () => keyed({ trustedProxy: ['loopback', '10.0.0.0/8'] }),
  [
    {
      attack: 'guesses with another forged address each time, written before the one that the proxy saw',
      expected: 429,
      async run({ server }) {
        let status = 0;
        for (let guess = 0; guess < 31; guess++) {
          const forwarded = { 'x-forwarded-for': `192.0.2.${guess}, 203.0.113.7`, authorization: 'Bearer wrong' };
          ({ status } = await server.post('[]', forwarded));
        }
        return status;
      },
    },
    {
      attack: 'guesses from another address behind the same proxy',
      expected: 401,
      async run({ server }) {
        const headers = { 'x-forwarded-for': '198.51.100.9, 10.1.2.3', authorization: 'Bearer wrong' };
        return (await server.post('[]', headers)).status;
      },
    },
    {
      attack: 'guesses from 31 addresses of one IPv6 network',
      expected: 429,
      async run({ server }) {
        let status = 0;
        for (let guess = 0; guess < 31; guess++) {
          const headers = { 'x-forwarded-for': `2001:db8:1:2:${guess}::1`, authorization: 'Bearer wrong' };
          ({ status } = await server.post('[]', headers));
        }
        return status;
      },
    },
    {
      attack: 'guesses from 130 networks of one IPv6 customer',
      expected: 429,
      async run({ server }) {
        let status = 0;
        for (let guess = 0; guess < 130; guess++) {
          const headers = { 'x-forwarded-for': `2001:db8:7:${guess.toString(16)}::1`, authorization: 'Bearer wrong' };
          ({ status } = await server.post('[]', headers));
        }
        return status;
      },
    },
    {
      attack: 'sends an X-Forwarded-For that is no address',
      expected: 401,
      async run({ server, clock }) {
        await clock.advance(60_000);
        const headers = { 'x-forwarded-for': 'unknown, "><script>', authorization: 'Bearer wrong' };
        return (await server.post('[]', headers)).status;
      },
    },
  ],
);

const open = async (): Promise<StrangerTarget> => {
  const clock = new ManualClock();
  return { ...(await serverTarget({ clock, maxUploadBytes: 1024 * 1024 })), clock };
};

attackTable<StrangerTarget>('frames', open, [
  {
    attack: 'sends a frame that is not masked',
    expected: 1002,
    run: ({ server }) => closeCodeAfter(server.port, frame(1, '[]', { masked: false })),
  },
  {
    attack: 'sends an opcode that is not defined',
    expected: 1002,
    run: ({ server }) => closeCodeAfter(server.port, frame(3, '[]')),
  },
  {
    attack: 'sends a ping of 200 bytes',
    expected: 1002,
    run: ({ server }) => closeCodeAfter(server.port, frame(9, 'x'.repeat(200))),
  },
  {
    attack: 'sends a ping in fragments',
    expected: 1002,
    run: ({ server }) => closeCodeAfter(server.port, frame(9, 'x', { fin: false })),
  },
  {
    attack: 'continues a message that was not begun',
    expected: 1002,
    run: ({ server }) => closeCodeAfter(server.port, frame(0, 'x')),
  },
  {
    attack: 'begins a message within another',
    expected: 1002,
    run: ({ server }) => closeCodeAfter(server.port, frame(1, 'x', { fin: false }), frame(1, 'y')),
  },
  {
    attack: 'sends text that is not UTF-8',
    expected: 1007,
    run: ({ server }) => closeCodeAfter(server.port, frame(1, new Uint8Array([0xff, 0xfe, 0x80]))),
  },
  {
    attack: 'closes with a code that is not allowed',
    expected: 1002,
    run: ({ server }) => closeCodeAfter(server.port, frame(8, new Uint8Array([0x03, 0xed]))),
  },
  {
    attack: 'closes with half a code',
    expected: 1002,
    run: ({ server }) => closeCodeAfter(server.port, frame(8, new Uint8Array([3]))),
  },
  {
    attack: 'sets a reserved bit',
    expected: 1002,
    run: ({ server }) => closeCodeAfter(server.port, Buffer.from([0xc1, 0x80, 0, 0, 0, 0])),
  },
  {
    attack: 'sends a frame of 3 MB where 1.5 MB are allowed',
    expected: 1009,
    run: ({ server }) => closeCodeAfter(server.port, frame(1, 'x'.repeat(3_000_000))),
  },
  {
    attack: 'declares a frame of 2^62 bytes',
    expected: 1009,
    run: ({ server }) => closeCodeAfter(server.port, Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0])),
  },
  {
    attack: 'upgrades to another version',
    expected: 400,
    run: ({ server }) => statusOf(server.port, upgrade({ 'Sec-WebSocket-Version': '7' })),
  },
  {
    attack: 'upgrades without a key',
    expected: 400,
    run: ({ server }) => statusOf(server.port, upgrade({ 'Sec-WebSocket-Key': '' })),
  },
  {
    attack: 'upgrades to something else',
    expected: 400,
    run: ({ server }) => statusOf(server.port, upgrade({ Upgrade: 'h2c' })),
  },
  {
    attack: 'upgrades on a target that is no URL',
    expected: 400,
    run: ({ server }) => statusOf(server.port, upgrade({}, '//')),
  },
  {
    attack: 'upgrades by a name that this server does not have',
    expected: 403,
    run: ({ server }) => statusOf(server.port, upgrade({ Host: 'evil.example' })),
  },
  {
    attack: 'upgrades from the page of a stranger',
    expected: 1008,
    run: async ({ server }) => {
      using connection = await RawConnection.open(server.port);
      await connection.write(upgrade({ Origin: 'https://evil.example' }));
      await connection.status();
      return await closeCode(connection);
    },
  },
  {
    attack: 'goes on sending from the page of a stranger after it was refused',
    expected: 'closed',
    async run({ server, clock }) {
      using connection = await RawConnection.open(server.port);
      await connection.write(upgrade({ Origin: 'https://evil.example' }));
      await closeCode(connection);
      await connection.write(frame(1, 'x'.repeat(200_000), { fin: false }));
      for (let turn = 0; turn < 500 && !connection.socket.destroyed; turn++) await clock.advance(1_000);
      return connection.socket.destroyed ? 'closed' : 'open';
    },
  },
  {
    attack: 'begins a message and sends nothing for two minutes',
    expected: 1013,
    async run({ server, clock }) {
      using connection = await RawConnection.open(server.port);
      await connection.write(upgrade());
      await connection.status();
      await connection.write(frame(1, '[', { fin: false }));
      // Its bytes have been counted once a ping behind them is answered.
      await connection.write(frame(9, 'sync'));
      while (!connection.received.includes('sync')) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(60_000);
      return await closeCode(connection);
    },
  },
  {
    attack: 'holds 60 unfinished messages of 1 MB, while another sends one of 1 MB',
    expected: 'the other is served',
    async run({ server }) {
      const connections = await Promise.all(Array.from({ length: 60 }, () => RawConnection.open(server.port)));
      for (const connection of connections) {
        await connection.write(upgrade());
        await connection.status();
        await connection.write(frame(1, 'x'.repeat(1_000_000), { fin: false }));
      }
      const webSocket = new WebSocket(server.url.replace('http', 'ws'));
      const answer = await new Promise<string>((resolve) => {
        webSocket.on('open', () => webSocket.send(`[{"taskType":"ping","s":"${'x'.repeat(1_000_000)}"}]`));
        webSocket.on('message', (data) => resolve(String(data)));
        webSocket.on('close', (code) => resolve(String(code)));
      });
      webSocket.terminate();
      const cut = connections.filter(({ received }) => received.length > 200 || received.includes('\u0003\u00f5'));
      for (const { socket } of connections) socket.destroy();
      return answer.includes('pong') && cut.length > 0 ? 'the other is served' : `${answer}, ${cut.length} cut`;
    },
  },
]);
