import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../../server/images/decode.ts';
import { openImageStore } from '../../server/images/store.ts';
import { ManualClock } from '../helpers/clock.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, startTestServer, type TestServer } from '../helpers/server.ts';

const clock = new ManualClock();
const owner = 'someone';

const limits = { maxBytes: 10_000_000, maxPixels: 1_000_000 };

function picture(width = 64, height = 48, background = '#c04020') {
  return sharp({ create: { width, height, channels: 3, background } });
}

/** The header of a PNG that claims to be enormous, with a few bytes of data behind it. */
function bomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', Buffer.from('789c030000000001', 'hex')),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function crc(data: Buffer): number {
  if (crc32 !== undefined) return crc32(data);
  let value = 0xffffffff;
  for (const byte of data) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return (value ^ 0xffffffff) >>> 0;
}

async function upload(server: TestServer, image: string) {
  const socket = await server.socket();
  return await socket.ask({ taskType: 'imageUpload', image });
}

async function uploadError(server: TestServer, image: string) {
  return await upload(server, image).then(
    () => expect.fail('the upload was taken'),
    (error: { wire: { code: string; message: string } }) => error.wire,
  );
}

describe('an upload', () => {
  test('is kept as it was sent, and served with headers that let any page cache it for ever', async () => {
    await using server = await startTestServer();
    const bytes = await picture().jpeg().toBuffer();
    const item = await upload(server, `data:image/png;base64,${bytes.toString('base64')}`);
    expect(item).toEqual({
      taskType: 'imageUpload',
      taskUUID: item.taskUUID,
      imageUUID: expect.any(String),
      imageURL: `${server.url}/images/${item.imageUUID}.jpg`,
    });
    const response = await fetch(item.imageURL);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'content-length': String(bytes.length),
      'cache-control': 'public, max-age=31536000, immutable',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
    });
    const head = await fetch(item.imageURL, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.length)]);
    const cached = await fetch(item.imageURL, { headers: { 'if-none-match': response.headers.get('etag')! } });
    expect(cached.status).toBe(304);
  });

  test('may be bare base64 or a data URI of PNG, JPG or WEBP', async () => {
    await using server = await startTestServer();
    for (const [format, extension] of [
      ['png', 'png'],
      ['jpeg', 'jpg'],
      ['webp', 'webp'],
    ] as const) {
      const base64 = (await picture().toFormat(format).toBuffer()).toString('base64');
      for (const image of [base64, `data:image/${format};base64,${base64}`]) {
        expect((await upload(server, image)).imageURL).toMatch(new RegExp(`\\.${extension}$`));
      }
    }
  });

  test.each([
    ['text', Buffer.from('this is certainly not an image at all')],
    ['GIF', Buffer.from('47494638396101000100800000000000ffffff2c00000000010001000002024401003b', 'hex')],
    ['BMP', Buffer.from(`424d${'00'.repeat(60)}`, 'hex')],
    ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>')],
    ['a PNG signature and nothing else', Buffer.from('89504e470d0a1a0a0000000000', 'hex')],
  ])('is refused when it is %s', async (_name, bytes) => {
    await using server = await startTestServer();
    const error = await uploadError(server, bytes.toString('base64'));
    expect(error).toMatchObject({ code: 'invalidImage', parameter: 'image' });
  });

  test('is refused when it ends in the middle', async () => {
    await using server = await startTestServer();
    const noise = await sharp({
      create: {
        width: 300,
        height: 300,
        channels: 3,
        background: '#000',
        noise: { type: 'gaussian', mean: 128, sigma: 60 },
      },
    })
      .png()
      .toBuffer();
    const error = await uploadError(server, noise.subarray(0, noise.length / 2).toString('base64'));
    expect(error).toMatchObject({ code: 'invalidImage', message: expect.stringContaining('broken') });
  });

  test('is refused by its header when it claims more pixels than allowed, before anything is decoded', async () => {
    await using server = await startTestServer();
    const error = await uploadError(server, bomb(60_000, 60_000).toString('base64'));
    expect(error).toMatchObject({ code: 'invalidImage', message: expect.stringContaining('60000 × 60000') });
  });

  test('is refused when it has more bytes or pixels than the options allow', async () => {
    await using server = await startTestServer({ maxPixels: 100 * 100, maxUploadBytes: 4096 });
    const wide = await picture(101, 100).png().toBuffer();
    expect((await uploadError(server, wide.toString('base64'))).message).toContain('10000');
    expect((await uploadError(server, Buffer.alloc(4500, 1).toString('base64'))).message).toContain('4096 bytes');
  });
});

describe('a seed image', () => {
  test('may be an upload, a generated image, its URL, a data URI or base64', async () => {
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime });
    const socket = await server.socket();
    const base64 = (await picture(128, 128).png().toBuffer()).toString('base64');
    const uploaded = await upload(server, base64);
    const generated = await socket.ask(imageTask());
    const references = [
      uploaded.imageUUID,
      uploaded.imageUUID.toUpperCase(),
      generated.imageUUID,
      generated.imageURL,
      base64,
      `data:image/png;base64,${base64}`,
    ];
    for (const seedImage of references) {
      expect((await socket.ask(imageTask({ seedImage, strength: 0.5 }))).status).toBe('success');
    }
    expect((await socket.ask(imageTask({ inputs: { seedImage: uploaded.imageUUID } }))).status).toBe('success');
    expect(runtime.requests.slice(1).map(({ image }) => [image?.pixels.width, image?.pixels.height])).toEqual(
      Array(7).fill([128, 128]),
    );
    expect(runtime.requests.at(-2)!.image!.strength).toBe(0.5);
    expect(runtime.requests.at(-1)!.image!.strength).toBe(0.8);
  });

  test('of another shape is scaled to cover and cropped at the middle', async () => {
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime });
    const socket = await server.socket();
    // Red, green and blue thirds side by side: the square in the middle is green.
    const third = (await picture(100, 100, '#00ff00').png().toBuffer()) as Buffer;
    const wide = await picture(300, 100, '#ff0000')
      .composite([{ input: third, left: 100, top: 0 }])
      .png()
      .toBuffer();
    await socket.ask(imageTask({ seedImage: wide.toString('base64') }));
    const { pixels } = runtime.requests[0]!.image!;
    const middle = (64 * 128 + 64) * 3;
    expect([...pixels.data.subarray(middle, middle + 3)]).toEqual([0, 255, 0]);
    expect([...pixels.data.subarray(9, 12)]).toEqual([0, 255, 0]);
  });

  test('that is unknown is an error at once', async () => {
    await using server = await startTestServer();
    const socket = await server.socket();
    const task = imageTask({ seedImage: randomUUID() });
    socket.send(task);
    expect(await socket.error(task.taskUUID)).toMatchObject({ code: 'mediaNotFound', parameter: 'seedImage' });
  });
});

describe('decoding', () => {
  test('turns the picture as its EXIF orientation says', async () => {
    const bytes = await picture(60, 20).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const { width, height } = await decodeImage(bytes, limits);
    expect([width, height]).toEqual([20, 60]);
  });

  test('makes transparency white and grey to RGB', async () => {
    const transparent = await sharp({ create: { width: 4, height: 4, channels: 4, background: '#ff000000' } })
      .png()
      .toBuffer();
    expect([...(await decodeImage(transparent, limits)).data.subarray(0, 3)]).toEqual([255, 255, 255]);
    const grey = await picture(4, 4, '#808080').toColourspace('b-w').png().toBuffer();
    const pixels = await decodeImage(grey, limits);
    expect(pixels.data).toHaveLength(48);
    expect([...pixels.data.subarray(0, 3)]).toEqual([128, 128, 128]);
  });

  test('brings 16 bits a channel down to 8', async () => {
    const deep = await picture(4, 4, '#ff8000').toColourspace('rgb16').png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    expect([...(await decodeImage(deep, limits)).data.subarray(0, 3)]).toEqual([255, 128, 0]);
  });
});

describe('mediaStorage', () => {
  test('stores, serves as a reference, and deletes', async () => {
    await using server = await startTestServer();
    const socket = await server.socket();
    const media = (await picture().webp().toBuffer()).toString('base64');
    const stored = await socket.ask({ taskType: 'mediaStorage', operation: 'upload', media });
    expect(stored).toMatchObject({ operation: 'upload', mediaURL: `${server.url}/images/${stored.mediaUUID}.webp` });
    expect((await socket.ask(imageTask({ seedImage: stored.mediaUUID }))).status).toBe('success');
    const deleted = await socket.ask({ taskType: 'mediaStorage', operation: 'delete', media: stored.mediaUUID });
    expect(deleted).toMatchObject({ operation: 'delete', mediaUUID: stored.mediaUUID });
    expect((await fetch(stored.mediaURL)).status).toBe(404);
    const again = { taskType: 'mediaStorage', taskUUID: randomUUID(), operation: 'delete', media: stored.mediaUUID };
    socket.send(again);
    expect((await socket.error(again.taskUUID)).code).toBe('mediaNotFound');
  });
});

describe('the store', () => {
  test('keeps images over a restart of the server', async () => {
    const dataDir = await mkdtemp(path.join(os.tmpdir(), 'latentwire-'));
    let imageUUID: string;
    let bytes: ArrayBuffer;
    {
      await using server = await startTestServer({ dataDir });
      const item = await (await server.socket()).ask(imageTask());
      imageUUID = item.imageUUID;
      bytes = await (await fetch(item.imageURL)).arrayBuffer();
    }
    {
      await using server = await startTestServer({ dataDir });
      const response = await fetch(`${server.url}/images/${imageUUID}.jpg`);
      expect(await response.arrayBuffer()).toEqual(bytes);
      expect((await (await server.socket()).ask(imageTask({ seedImage: imageUUID }))).status).toBe('success');
    }
    await rm(dataDir, { recursive: true });
  });

  test('leaves no half written file, and clears those that a crash left', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-'));
    let imageUUID: string;
    {
      await using store = await openImageStore(folder, { clock });
      ({ imageUUID } = await store.put(Buffer.from('bytes'), 'PNG', { owner }));
    }
    const shard = path.join(folder, imageUUID.slice(0, 2));
    expect(await readdir(shard)).toEqual([`${imageUUID}.json`, `${imageUUID}.png`]);
    await writeFile(path.join(shard, `${randomUUID()}.png.tmp`), 'half');
    {
      await using store = await openImageStore(folder, { clock });
      expect((await store.read(imageUUID))!.bytes.toString()).toBe('bytes');
    }
    expect(await readdir(shard)).toEqual([`${imageUUID}.json`, `${imageUUID}.png`]);
    await rm(folder, { recursive: true });
  });

  test('forgets an image when its time is over, also after a restart', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-'));
    let first: string;
    {
      await using store = await openImageStore(folder, { clock });
      ({ imageUUID: first } = await store.put(Buffer.from('bytes'), 'PNG', { owner, ttlSeconds: 0.05 }));
      expect(await store.find(first)).toBeDefined();
      await clock.advance(80);
      expect(await store.find(first)).toBeUndefined();
    }
    await using store = await openImageStore(folder, { clock });
    expect(await store.find(first)).toBeUndefined();
    expect(await readdir(path.join(folder, first.slice(0, 2)))).toEqual([]);
    await rm(folder, { recursive: true });
  });

  test('touches no path for what is not a UUID', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-'));
    await writeFile(path.join(folder, 'secret.png'), 'secret');
    await using store = await openImageStore(path.join(folder, 'images'), { clock });
    for (const name of ['../secret', '..%2fsecret', '', '/etc/passwd', '../../secret.png\0']) {
      expect(await store.find(name)).toBeUndefined();
      expect(await store.delete(name)).toBe(false);
    }
    await rm(folder, { recursive: true });
  });

  test('is not reached by odd image paths', async () => {
    await using server = await startTestServer();
    const { imageUUID } = await (await server.socket()).ask(imageTask());
    for (const tail of [
      '',
      'x.jpg',
      `${imageUUID}.png`,
      `${imageUUID}`,
      `${imageUUID}.jpg/x`,
      `..%2f${imageUUID}.jpg`,
      `${randomUUID()}.jpg`,
    ]) {
      const response = await fetch(`${server.url}/images/${tail}`);
      expect(response.status, tail).toBe(404);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
    }
  });
});

test('keeps a result for its time to live only', async () => {
  await using server = await startTestServer();
  const item = await (await server.socket()).ask(imageTask({ ttl: 60 }));
  const response = await fetch(item.imageURL);
  const maxAge = Number(/max-age=(\d+)/.exec(response.headers.get('cache-control')!)![1]);
  expect(maxAge).toBeLessThanOrEqual(60);
  expect(maxAge).toBeGreaterThan(50);
});
