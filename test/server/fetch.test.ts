import http from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { fetchImage, isPublicAddress } from '../../server/images/fetch.ts';
import { imageTask, startTestServer, type TestServer } from '../helpers/server.ts';

const png = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#804020' } })
  .png()
  .toBuffer();

/** A web server on this machine; it counts what reaches it. */
async function startImageServer() {
  let requests = 0;
  const server = http.createServer((request, response) => {
    requests++;
    const path = request.url ?? '';
    if (path === '/image.png') response.writeHead(200, { 'content-type': 'text/plain' }).end(png);
    else if (path.startsWith('/redirect?'))
      response.writeHead(302, { location: decodeURIComponent(path.slice(10)) }).end();
    else if (path === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else if (path === '/endless') {
      response.writeHead(200);
      const timer = setInterval(() => response.write(Buffer.alloc(64 * 1024)), 1);
      response.on('close', () => clearInterval(timer));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function errorOf(server: TestServer, seedImage: string) {
  const socket = await server.socket();
  const task = imageTask({ seedImage });
  socket.send(task);
  return await socket.error(task.taskUUID);
}

test.each([
  '127.0.0.1',
  'localhost',
  '0.0.0.0',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '2130706433',
  '0x7f000001',
  '0177.0.0.1',
  '127.1',
  'localhost.',
])('does not fetch from this machine, spelled %s', async (host) => {
  await using images = await startImageServer();
  await using server = await startTestServer();
  const error = await errorOf(server, `http://${host}:${images.port}/image.png`);
  expect(error).toMatchObject({
    code: expect.stringMatching(/^(invalidSeedImage|downloadFailed)$/),
    parameter: 'seedImage',
  });
  expect(images.requests).toBe(0);
});

test.each([
  '169.254.169.254',
  '10.0.0.1',
  '172.16.3.4',
  '192.168.1.1',
  '100.64.0.1',
  '[fd00::1]',
  '[fe80::1]',
  '[fec0::1]',
])('does not fetch from the private network %s', async (host) => {
  await using server = await startTestServer();
  expect(await errorOf(server, `http://${host}/latest/meta-data/`)).toMatchObject({
    code: 'invalidSeedImage',
    message: 'URLs of this machine and of private networks are not allowed.',
  });
});

test.each([
  'http://user:password@example.com/a.png',
  'ftp://example.com/a.png',
  'file:///etc/passwd',
  'gopher://127.0.0.1/aaaaaaaaaaaaaaaaaaaaa',
])('does not fetch %s', async (url) => {
  await using server = await startTestServer();
  expect((await errorOf(server, url)).code).toBe('invalidSeedImage');
});

test('fetches from this machine where that is allowed, and looks at the bytes only', async () => {
  await using images = await startImageServer();
  await using server = await startTestServer({ allowPrivateUrls: true });
  const socket = await server.socket();
  expect((await socket.ask(imageTask({ seedImage: `${images.url}/image.png` }))).status).toBe('success');
  const uploaded = await socket.ask({ taskType: 'imageUpload', image: `http://localhost:${images.port}/image.png` });
  expect(uploaded.imageURL).toMatch(/\.png$/);
  const target = encodeURIComponent(`${images.url}/image.png`);
  expect((await socket.ask(imageTask({ seedImage: `${images.url}/redirect?${target}` }))).status).toBe('success');
});

test.each(['127.0.0.2', '[::1]', '[::ffff:127.0.0.2]', '0x7f000002', '2130706434', '169.254.169.254'])(
  'judges every redirect anew: to %s',
  async (host) => {
    await using images = await startImageServer();
    // 127.0.0.1 plays the public server here; all that is not it is not allowed.
    const mayConnect = (address: string) => address === '127.0.0.1';
    const options = { maxBytes: 1_000_000, timeoutMs: 5_000, mayConnect };
    expect(await fetchImage(`${images.url}/image.png`, options)).toEqual(png);
    const target = encodeURIComponent(`http://${host}:${images.port}/image.png`);
    await expect(fetchImage(`${images.url}/redirect?${target}`, options)).rejects.toThrow('private network');
    expect(images.requests).toBe(2);
  },
);

test('judges the addresses of a name, not the name', async () => {
  await using images = await startImageServer();
  const options = { maxBytes: 1_000_000, timeoutMs: 5_000, mayConnect: isPublicAddress };
  await expect(fetchImage(`http://localhost:${images.port}/image.png`, options)).rejects.toThrow('private network');
  expect(images.requests).toBe(0);
});

test('gives up on loops, endless answers, missing images and servers that are not there', async () => {
  await using images = await startImageServer();
  await using server = await startTestServer({ allowPrivateUrls: true, maxUploadBytes: 1_000_000 });
  expect(await errorOf(server, `${images.url}/loop`)).toMatchObject({
    code: 'downloadFailed',
    message: expect.stringContaining('redirects'),
  });
  expect((await errorOf(server, `${images.url}/endless`)).message).toContain('1000000 bytes');
  expect(await errorOf(server, `${images.url}/none`)).toMatchObject({
    code: 'downloadFailed',
    message: expect.stringContaining('404'),
  });
  expect((await errorOf(server, `http://127.0.0.1:1/none`)).code).toBe('downloadFailed');
  expect((await errorOf(server, `${images.url}/redirect?${encodeURIComponent('file:///etc/passwd')}`)).code).toBe(
    'invalidSeedImage',
  );
});

test.each([
  ['8.8.8.8', true],
  ['1.1.1.1', true],
  ['2606:4700:4700::1111', true],
  ['127.0.0.1', false],
  ['255.255.255.255', false],
  ['224.0.0.1', false],
  ['192.0.2.1', false],
  ['198.18.0.1', false],
  ['::1', false],
  ['::ffff:8.8.8.8', false],
  ['::ffff:127.0.0.1', false],
  ['::127.0.0.1', false],
  ['64:ff9b::808:808', false],
  ['2002:7f00:1::', false],
  ['2001::1', false],
  ['fe80::1', false],
  ['fc00::1', false],
  ['ff02::1', false],
  ['not an address', false],
])('knows whether %s is a public address: %s', (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected);
});
