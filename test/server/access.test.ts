import http from 'node:http';
import { describe, expect, test } from 'vitest';
import { networkOf } from '../../server/config/proxies.ts';
import { imageTask, startTestServer, type TestServer, TestSocket } from '../helpers/server.ts';

/** Unlike fetch, lets a test say any Host and Origin. */
function request(server: TestServer, method: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sending = http.request({ host: '127.0.0.1', port: server.port, method, path, headers }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    sending.on('error', reject);
    sending.end(method === 'POST' ? JSON.stringify([{ taskType: 'ping' }]) : undefined);
  });
}

describe('without keys', () => {
  test.each(['https://evil.example', 'http://127.0.0.1:1', 'null', 'garbage'])(
    'keeps out pages of the origin %s',
    async (origin) => {
      await using server = await startTestServer();
      const socket = await server.socket({ headers: { origin }, authenticate: false });
      const error = await socket.error();
      expect(error.code).toBe('forbiddenOrigin');
      expect(error.message).toContain('--allowed-origins');
      expect(await socket.closed).toMatchObject({ code: 1008 });
      expect(await request(server, 'POST', '/v1', { origin, 'content-type': 'text/plain' })).toBe(403);
      expect(await request(server, 'OPTIONS', '/v1', { origin })).toBe(403);
    },
  );

  test('lets in its own page and origins that are allowed', async () => {
    await using server = await startTestServer({ allowedOrigins: ['https://friend.example'] });
    for (const origin of [server.url, 'https://friend.example']) {
      const socket = await server.socket({ headers: { origin } });
      expect((await socket.ask(imageTask())).status).toBe('success');
      expect(await request(server, 'POST', '/v1', { origin })).toBe(200);
    }
  });

  test('lets in all origins on request', async () => {
    await using server = await startTestServer({ allowedOrigins: ['*'] });
    expect(await request(server, 'POST', '/v1', { origin: 'https://evil.example' })).toBe(200);
  });

  test.each(['evil.example', 'evil.example:7420', '127.0.0.1.evil.example', '0.0.0.0'])(
    'answers nothing under the name %s on loopback',
    async (host) => {
      await using server = await startTestServer();
      for (const [method, path] of [
        ['GET', '/'],
        ['GET', '/health'],
        ['POST', '/v1'],
      ] as const) {
        expect(await request(server, method, path, { host })).toBe(403);
      }
      await expect(TestSocket.open(server.url, { headers: { host, origin: `http://${host}` } })).rejects.toThrow('403');
    },
  );

  test('answers under every name of loopback, and under its public one', async () => {
    await using server = await startTestServer({ publicUrl: 'https://draw.example/base' });
    for (const host of ['localhost', 'localhost:7420', '127.0.0.1', '127.1.2.3:80', '[::1]:7420', 'draw.example']) {
      expect(await request(server, 'GET', '/health', { host }), host).toBe(200);
    }
  });
});

test('with keys lets pages of all origins in, because the key is what they need', async () => {
  await using server = await startTestServer({ apiKey: ['secret-key'] });
  const headers = { origin: 'https://app.example', authorization: 'Bearer secret-key' };
  expect(await request(server, 'POST', '/v1', headers)).toBe(200);
  const socket = await server.socket({
    headers: { origin: 'https://app.example' },
    authenticate: { apiKey: 'secret-key' },
  });
  expect((await socket.ask(imageTask())).status).toBe('success');
});

test('begins image URLs with the address the client came by, or with the public one', async () => {
  await using server = await startTestServer();
  const socket = await server.socket({ headers: { host: `localhost:${server.port}` } });
  expect((await socket.ask(imageTask())).imageURL).toContain(`http://localhost:${server.port}/images/`);
  await using behindProxy = await startTestServer({ publicUrl: 'https://draw.example/base' });
  const item = await (await behindProxy.socket()).ask(imageTask());
  expect(item.imageURL).toBe(`https://draw.example/base/images/${item.imageUUID}.jpg`);
  const again = await (await behindProxy.socket()).ask(imageTask({ seedImage: item.imageURL }));
  expect(again.status).toBe('success');
});

test('does not listen beyond loopback without a key, unless it is told to', async () => {
  await expect(startTestServer({ host: '0.0.0.0' })).rejects.toThrow('--allow-open');
  await using open = await startTestServer({ host: '0.0.0.0', allowOpen: true });
  expect((await fetch(`http://127.0.0.1:${open.port}/health`)).status).toBe(200);
});

test('takes the addresses that one client may have at will for one', () => {
  const same = ['2001:db8:1:2::1', '2001:db8:1:2:aaaa::', '2001:db8:1:2:1:2:3:4%eth0'];
  expect(new Set(same.map((address) => networkOf(address)))).toEqual(new Set(['2001:db8:1:2']));
  expect(networkOf('2001:db8:1:3::1')).not.toBe(networkOf(same[0]!));
  expect(networkOf('fe80::1')).toBe('fe80:0:0:0');
  expect(networkOf('::1')).toBe('0:0:0:0');
  expect(networkOf('::ffff:10.0.0.7')).toBe('10.0.0.7');
  expect(networkOf('10.0.0.7')).not.toBe(networkOf('10.0.0.8'));
  expect(networkOf('')).toBe('');
  expect(networkOf('2001:db8:1:3::1', 48)).toBe(networkOf(same[0]!, 48));
  expect(networkOf('10.0.0.7', 48)).toBe('10.0.0');
});
