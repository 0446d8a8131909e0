import { readdir, readlink } from 'node:fs/promises';
import { expect } from 'vitest';
import { imageTask } from '../helpers/server.ts';
import { RawConnection, statusOf } from './raw.ts';
import { type Attack, attackTable, serverTarget, type Target } from './table.ts';

/** One row for a request of which only the first line matters. */
function target(line: string, expected: number | 'closed'): Attack<Target> {
  return {
    attack: `sends \`${JSON.stringify(line).slice(1, 60)}\``,
    expected,
    run: ({ server }) => statusOf(server.port, `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`),
  };
}

/** One row for a POST with this body. */
function body(attack: string, text: string, expected: unknown): Attack<Target> {
  return {
    attack,
    expected,
    async run({ server }) {
      const { status, body: reply } = await server.post(text);
      return [status, reply.error?.code ?? reply.data?.length];
    },
  };
}

/** One row for a POST whose headers are given as they stand on the wire. */
function headers(attack: string, lines: readonly string[], sent: string, expected: number | 'closed'): Attack<Target> {
  return {
    attack,
    expected,
    run: ({ server }) => statusOf(server.port, `POST /v1 HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${sent}`),
  };
}

const host = 'Host: 127.0.0.1';
const ping = '[{"taskType":"ping","ping":true}]';
const pingLength = `Content-Length: ${ping.length}`;

attackTable('targets and methods', () => serverTarget(), [
  target('GET /nothing-here', 404),
  target('GET /images/../../etc/passwd', 404),
  target('GET /images/%2e%2e/%2e%2e/etc/passwd', 404),
  target('GET /images/%252e%252e%252fpasswd', 404),
  target('GET /app/clients/../../package.json', 404),
  target('GET /playground/..%2f..%2fpackage.json', 404),
  target(`GET /images/${'0'.repeat(36)}.png`, 404),
  target('GET //', 400),
  target('GET //evil.example/health', 400),
  target('GET ///', 400),
  target('GET *', 400),
  target('GET http://[', 400),
  target('GET http://127.0.0.1:99999/', 400),
  target('GET ftp://127.0.0.1/health', 400),
  target('GET http://127.0.0.1/health', 200),
  target('GET /%', 404),
  target('GET /%00', 404),
  target('GET /\u0001', 400),
  target(`GET /${'a'.repeat(20_000)}`, 431),
  target('GET nothing', 400),
  target('DELETE /', 405),
  target('PUT /images/x', 405),
  target('TRACE /', 405),
  target('BREW /', 400),
  target('OPTIONS *', 204),
  target('CONNECT 127.0.0.1:80', 'closed'),
]);

attackTable('bodies', () => serverTarget(), [
  body('sends a million empty objects', `[${'{},'.repeat(1_000_000)}{}]`, [413, 'payloadTooLarge']),
  body('sends a million empty arrays in one task', `[{"a":[${'[],'.repeat(1_000_000)}[]]}]`, [413, 'payloadTooLarge']),
  body('nests arrays 100,000 deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, [413, 'payloadTooLarge']),
  body('nests objects 10,000 deep', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, [413, 'payloadTooLarge']),
  body('sends 101 tasks', `[${new Array(101).fill('{"taskType":"ping"}').join()}]`, [400, 'arrayTooLarge']),
  body('sends a million numbers', `[${'1,'.repeat(1_000_000)}1]`, [413, 'payloadTooLarge']),
  body('sends a million keys', `[{${'"a":1,'.repeat(1_000_000)}"b":1}]`, [413, 'payloadTooLarge']),
  body('sends a number of a million digits', `[{"taskType":"ping","n":${'9'.repeat(1_000_000)}}]`, [200, 1]),
  body('sends a key of a million letters', `[{"taskType":"ping","${'k'.repeat(1_000_000)}":1}]`, [200, 1]),
  body('sends a string of a million escapes', `[{"taskType":"ping","s":"${'\\"'.repeat(1_000_000)}"}]`, [200, 1]),
  body('sends a million backslashes and no end', `["${'\\'.repeat(1_000_001)}`, [400, 'invalidRequest']),
  body('sends brackets inside a string', `[{"taskType":"ping","s":"${'[{,'.repeat(100_000)}"}]`, [200, 1]),
  body('sends nothing', '', [400, 'invalidRequest']),
  body('sends half a text', '[{"taskType":"pi', [400, 'invalidRequest']),
  body('sends a byte order mark', `\ufeff${ping}`, [400, 'invalidRequest']),
  body('sends a lone surrogate', '[{"taskType":"\\ud800"}]', [400, 'unsupportedTaskType']),
]);

attackTable('headers and framing', () => serverTarget(), [
  headers('sends no Host', ['Connection: close', pingLength], ping, 400),
  headers('sends a Content-Length that is no number', [host, 'Content-Length: abc'], ping, 400),
  headers('sends a negative Content-Length', [host, 'Content-Length: -1'], ping, 400),
  headers('sends two Content-Lengths', [host, pingLength, 'Content-Length: 1'], ping, 400),
  headers(
    'sends Content-Length and Transfer-Encoding',
    [host, pingLength, 'Transfer-Encoding: chunked'],
    `0\r\n\r\n`,
    400,
  ),
  headers('names a transfer encoding twice', [host, 'Transfer-Encoding: chunked, chunked'], '0\r\n\r\n', 400),
  headers('sends chunks whose length is no number', [host, 'Transfer-Encoding: chunked'], 'zz\r\n', 400),
  headers('declares a body of a terabyte', [host, 'Content-Length: 1099511627776'], '', 413),
  headers('sends a header of 100 kB', [host, `X: ${'a'.repeat(100_000)}`], '', 431),
  headers('folds a header over two lines', [host, 'X: a', ' b', pingLength], ping, 400),
  headers('puts a null byte into a header', [host, 'X: a\0b', pingLength], ping, 400),
  headers('ends lines with a bare line feed', [`${host}\nX: 1`, pingLength], ping, 400),
  headers('forges X-Forwarded-For', [host, 'X-Forwarded-For: 10.0.0.1', 'Connection: close', pingLength], ping, 200),
  headers('asks for a name that this server does not have', ['Host: evil.example', pingLength], ping, 403),
  headers('sends the origin of a stranger', [host, 'Origin: https://evil.example', pingLength], ping, 403),
  {
    attack: 'pipelines 1,000 requests and reads nothing',
    expected: 'closed',
    async run({ server }) {
      using connection = await RawConnection.open(server.port, false);
      await connection.write('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(1_000));
      await connection.closed;
      return 'closed';
    },
  },
  {
    attack: 'leaves 40 connections in the middle of a body',
    expected: 0,
    async run({ server }) {
      for (let count = 0; count < 40; count++) {
        using connection = await RawConnection.open(server.port);
        await connection.write(`POST /v1 HTTP/1.1\r\n${host}\r\nContent-Length: 1000\r\n\r\n[{"taskType`);
      }
      const { body: reply } = await server.post(ping);
      return reply.errors?.length ?? 0;
    },
  },
  {
    attack: 'leaves 200 downloads of an image before their end',
    expected: 'no file is open',
    async run({ server }) {
      const socket = await server.socket();
      const { imageURL } = await socket.ask({ ...imageTask(), width: 512, height: 512, outputFormat: 'PNG' });
      const { pathname } = new URL(imageURL);
      for (let count = 0; count < 200; count++) {
        using connection = await RawConnection.open(server.port, false);
        await connection.write(`GET ${pathname} HTTP/1.1\r\n${host}\r\n\r\n`.repeat(8));
      }
      await expect.poll(() => openFiles(pathname.slice('/images/'.length))).toBe(0);
      return 'no file is open';
    },
  },
]);

/** How many descriptors of this process name a file that ends so. */
async function openFiles(name: string): Promise<number> {
  if (process.platform !== 'linux') return 0;
  const descriptors = await readdir('/proc/self/fd');
  const files = await Promise.all(descriptors.map((each) => readlink(`/proc/self/fd/${each}`).catch(() => '')));
  return files.filter((file) => file.endsWith(name)).length;
}
