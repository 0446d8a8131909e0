import { randomUUID } from 'node:crypto';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import zlib from 'node:zlib';
import sharp from 'sharp';
import { imageTask } from '../helpers/server.ts';
import { type Attack, attackTable, serverTarget, type Target } from './table.ts';

const flat = { create: { width: 64, height: 64, channels: 3, background: '#804020' } } as const;
const noise = {
  width: 256,
  height: 256,
  channels: 3,
  background: '#808080',
  noise: { type: 'gaussian', mean: 128, sigma: 60 },
} as const;
const png = await sharp(flat).png().toBuffer();
const jpg = await sharp({ create: noise }).jpeg().toBuffer();
const progressive = await sharp({ create: noise }).jpeg({ progressive: true }).toBuffer();
const smallProgressive = await sharp(flat).jpeg({ progressive: true }).toBuffer();
const webp = await sharp({ create: noise }).webp().toBuffer();

/** Uploads text as an image, and tells the code and the parameter of the error, or that it was kept. */
function upload(attack: string, image: string | Uint8Array, expected: unknown): Attack<Target> {
  return {
    attack: `uploads ${attack}`,
    expected,
    async run({ server }) {
      const socket = await server.socket();
      const task = { taskType: 'imageUpload', taskUUID: randomUUID() };
      socket.send({ ...task, image: typeof image === 'string' ? image : Buffer.from(image).toString('base64') });
      const { data, errors } = await socket.take(
        ({ data, errors }) => (data ?? errors)?.[0]?.taskUUID === task.taskUUID,
      );
      socket.terminate();
      return data === undefined ? [errors?.[0]?.code, errors?.[0]?.parameter] : 'kept';
    },
  };
}

const refused = ['invalidImage', 'image'];
const base64 = jpg.toString('base64');
const middle = Math.floor(base64.length / 2);

/** A PNG of this size in its header, with whatever data. */
function pngOf(width: number, height: number, data = zlib.deflateSync(Buffer.alloc(1000))): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    png.subarray(0, 8),
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc(body));
  return Buffer.concat([length, body, sum]);
}

function crc(bytes: Buffer): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

/** Where the compressed pixels begin. */
const pngData = png.indexOf('IDAT') + 8;

/** A progressive JPEG whose last scan is there many times. */
function manyScans(count: number): Buffer {
  const last = smallProgressive.lastIndexOf(Buffer.from([0xff, 0xda]));
  const scan = smallProgressive.subarray(last, smallProgressive.length - 2);
  return Buffer.concat([
    smallProgressive.subarray(0, last),
    ...new Array<Buffer>(count).fill(scan),
    Buffer.from([0xff, 0xd9]),
  ]);
}

const insertText = (type: string, data: Buffer) =>
  Buffer.concat([png.subarray(0, 33), chunk(type, data), png.subarray(33)]);
const bomb = zlib.deflateSync(Buffer.alloc(200_000_000));

attackTable('uploaded images', () => serverTarget({ maxPixels: 4_000_000, maxUploadBytes: 2_000_000 }), [
  upload('base64 with a blank in the middle', `${base64.slice(0, middle)} ${base64.slice(middle)}`, refused),
  upload('base64 with a foreign character', `${base64.slice(0, middle)}*${base64.slice(middle + 1)}`, refused),
  upload('base64 with a letter too much', `${base64.replace(/=+$/, '').slice(0, 4 * 100)}A`, refused),
  upload('base64 with padding in the middle', `${base64.slice(0, 400)}==${base64.slice(400)}`, refused),
  upload('base64 of two alphabets', `${'_+'.repeat(100)}`, refused),
  upload('base64 with a null character', `${base64.slice(0, middle)}\0${base64.slice(middle)}`, refused),
  upload('base64 in lines, as mail has it', base64.replace(/.{76}/g, '$&\r\n'), 'kept'),
  upload('base64 for URLs without padding', jpg.toString('base64url'), 'kept'),
  upload('a data URI whose base64 is damaged', `data:image/jpeg;base64,${base64.slice(0, 401)}!`, refused),
  upload(
    'a data URI with blanks, which browsers skip',
    `data:image/jpeg; base64,${base64.replace(/.{76}/g, '$& ')}`,
    'kept',
  ),
  upload(
    'a data URI that is percent-encoded',
    `data:image/png,${[...png].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}`,
    'kept',
  ),
  upload('a data URI of another type than it says', `data:image/svg+xml;base64,${png.toString('base64')}`, 'kept'),
  upload('a JPG cut in its middle', jpg.subarray(0, jpg.length >> 1), refused),
  upload('a PNG cut before its end', png.subarray(0, png.length - 30), refused),
  upload('a WEBP cut in its middle', webp.subarray(0, webp.length >> 1), refused),
  upload('only the header of a PNG', png.subarray(0, 33), refused),
  upload(
    'a PNG with a wrong checksum in its data',
    Buffer.concat([png.subarray(0, pngData), Buffer.from([0, 1, 2]), png.subarray(pngData + 3)]),
    refused,
  ),
  upload(
    'an SVG',
    Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
    refused,
  ),
  upload('a GIF', Buffer.from('GIF89a\x01\x00\x01\x00\x00\x00\x00;'.padEnd(64, '\0'), 'latin1'), refused),
  upload('a TIFF', Buffer.concat([Buffer.from('II*\0'), Buffer.alloc(100)]), refused),
  upload('a HEIF', Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypheic'), Buffer.alloc(100)]), refused),
  upload('a PDF', Buffer.from('%PDF-1.7\n%%EOF\n'.padEnd(64)), refused),
  upload('a web page', Buffer.from('<!doctype html><script>alert(1)</script>'.padEnd(64)), refused),
  upload('a JPG with a web page behind it', Buffer.concat([jpg, Buffer.from('<script>alert(1)</script>')]), 'kept'),
  upload('a PNG of 65,535 × 65,535 pixels', pngOf(65_535, 65_535), refused),
  upload('a PNG of 2^31 − 1 pixels a side', pngOf(2 ** 31 - 1, 2 ** 31 - 1), refused),
  upload('a PNG of no pixels', pngOf(0, 0), refused),
  upload('a PNG whose data become 200 MB', pngOf(1000, 1000, bomb), 'kept'),
  upload(
    'a PNG whose text becomes 200 MB',
    insertText('zTXt', Buffer.concat([Buffer.from('Comment\0\0'), bomb])),
    'kept',
  ),
  upload(
    'a PNG whose colour profile becomes 200 MB',
    insertText('iCCP', Buffer.concat([Buffer.from('profile\0\0'), bomb])),
    'kept',
  ),
  upload('a JPG of 5,000 scans', manyScans(5_000), refused),
  upload('a JPG of 70 scans', manyScans(60), refused),
  upload('a progressive JPG of a usual number of scans', progressive, 'kept'),
  upload('more bytes than are allowed', Buffer.concat([jpg, Buffer.alloc(2_000_000)]), refused),
  upload('a URL of a file of this machine', 'file:///etc/passwd', refused),
  upload('a path', '/etc/passwd', refused),
  upload('a UUID that is not kept', randomUUID(), ['mediaNotFound', 'image']),
  upload('a number', '7', refused),
  {
    attack: 'uploads 100 large PNGs at once, while another uploads one',
    expected: 'the other was not the last',
    async run({ server }) {
      const large = (
        await sharp({ create: { ...noise, width: 1900, height: 1900 } })
          .png({ compressionLevel: 0 })
          .toBuffer()
      )
        .subarray(0, 1_900_000)
        .toString('base64');
      const [many, one] = [await server.socket(), await server.socket()];
      const uploads = Array.from({ length: 100 }, () => ({
        taskType: 'imageUpload',
        taskUUID: randomUUID(),
        image: large,
      }));
      for (const task of uploads) many.send(task);
      await one.ask({ taskType: 'imageUpload', image: png.toString('base64') });
      const open = uploads.length - many.frames.length;
      many.terminate();
      one.terminate();
      return open > 0 ? 'the other was not the last' : 'the other was the last';
    },
  },
]);

interface WebTarget extends Target {
  /** A web server on this machine. */
  readonly web: string;
}

/** Bytes of a web server, by path; headers are part of them where the path says so. */
async function withWeb(options: Parameters<typeof serverTarget>[0]): Promise<WebTarget> {
  const server = http.createServer((request, response) => {
    const send = (encoding: string, body: Buffer) =>
      response.writeHead(200, { 'content-encoding': encoding }).end(body);
    switch (request.url) {
      case '/gzip':
        return send('gzip', zlib.gzipSync(png));
      case '/br':
        return send('br', zlib.brotliCompressSync(png));
      case '/deflate':
        return send('deflate', zlib.deflateSync(png));
      case '/twice':
        return send('gzip, br', zlib.brotliCompressSync(zlib.gzipSync(png)));
      case '/bomb':
        return send('gzip', zlib.gzipSync(Buffer.alloc(50_000_000)));
      case '/bombTwice':
        return send('gzip, gzip', zlib.gzipSync(zlib.gzipSync(Buffer.alloc(50_000_000))));
      case '/noGzip':
        return send('gzip', png);
      case '/compress':
        return send('compress', png);
      case '/thrice':
        return send('gzip, gzip, gzip', png);
      case '/long':
        return response.writeHead(200, { 'content-length': 10_000_000_000 }).write(png);
      case '/short': {
        response.writeHead(200, { 'content-length': png.length + 100 });
        response.write(png);
        return setImmediate(() => response.destroy());
      }
      case '/page':
        return response.end('<!doctype html><title>Not an image</title>');
      case '/image':
        return response.end(png);
      case '/toFile':
        return response.writeHead(302, { location: 'file:///etc/passwd' }).end();
      case '/toNowhere':
        return response.writeHead(302, { location: 'http://[' }).end();
      case '/round':
        return response.writeHead(302, { location: '/round' }).end();
      default:
        return response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const target = await serverTarget(options);
  return {
    ...target,
    web: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await target[Symbol.asyncDispose]();
    },
  };
}

function fetched(path: string, expected: unknown): Attack<WebTarget> {
  return {
    attack: `names a URL whose server answers with \`${path}\``,
    expected,
    run: (target) => upload('', `${target.web}${path}`, expected).run(target),
  };
}

attackTable<WebTarget>(
  'images by URL, with every client trusted',
  () => withWeb({ allowPrivateUrls: true, maxUploadBytes: 1_000_000 }),
  [
    fetched('/image', 'kept'),
    fetched('/gzip', 'kept'),
    fetched('/br', 'kept'),
    fetched('/deflate', 'kept'),
    fetched('/twice', 'kept'),
    fetched('/bomb', refused),
    fetched('/bombTwice', refused),
    fetched('/noGzip', ['downloadFailed', 'image']),
    fetched('/compress', ['downloadFailed', 'image']),
    fetched('/thrice', ['downloadFailed', 'image']),
    fetched('/long', refused),
    fetched('/short', ['downloadFailed', 'image']),
    fetched('/page', refused),
    fetched('/missing', ['downloadFailed', 'image']),
    fetched('/toFile', refused),
    fetched('/toNowhere', ['downloadFailed', 'image']),
    fetched('/round', ['downloadFailed', 'image']),
    {
      attack: 'names ten URLs of servers that never answer, while another names one that does',
      expected: 'kept',
      async run(target) {
        const silent = net.createServer(() => {});
        await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
        const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
        const greedy = await target.server.socket();
        for (let count = 0; count < 10; count++)
          greedy.send({ taskType: 'imageUpload', taskUUID: randomUUID(), image: url });
        const seen = await upload('', `${target.web}/image`, 'kept').run(target);
        greedy.terminate();
        silent.close();
        return seen;
      },
    },
  ],
);

/** Every spelling leads to this machine or to a private network. */
const privateHosts = [
  ...[
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '127.0.0.1.',
    '0',
    '0.0.0.0',
  ],
  ...[
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '198.18.0.1',
    '192.0.0.1',
  ],
  ...[
    '224.0.0.1',
    '255.255.255.255',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:a00:1]',
    '[fe80::1]',
    '[fc00::1]',
  ],
  ...[
    '[fd12:3456::1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[2001:db8::1]',
    '[ff02::1]',
    '[::127.0.0.1]',
    'localhost',
  ],
  ...['localhost.', 'LOCALHOST', 'sub.localhost', '①②⑦.0.0.1', '127。0。0。1', '%31%32%37.0.0.1', '0300.0250.1.1'],
];

attackTable<WebTarget>('images by URL of private addresses', () => withWeb({}), [
  ...privateHosts.map(
    (host): Attack<WebTarget> => ({
      attack: `names a URL of ${host}`,
      expected: refused,
      run: (target) => upload('', `http://${host}:${new URL(target.web).port}/image`, refused).run(target),
    }),
  ),
  {
    attack: 'names a URL with a user name and a password',
    expected: refused,
    run: (target) => upload('', 'http://user:password@example.org/image', refused).run(target),
  },
  ...['localhost', '127.1', '[::1]', 'LocalHost.'].map(
    (host): Attack<WebTarget> => ({
      attack: `names an image of this server by ${host}, with a query and a fragment`,
      expected: 'success',
      async run({ server }) {
        const socket = await server.socket();
        const { imageUUID } = await socket.ask(imageTask());
        const seedImage = `HTTP://${host}:${server.port}/images/${imageUUID}.jpg?size=large#top`;
        const { status } = await socket.ask(imageTask({ seedImage }));
        socket.terminate();
        return status;
      },
    }),
  ),
]);

const apiKeys = ['the-first-key', 'the-second-key'];

attackTable<Target>(
  "images of another key's",
  async () => ({ ...(await serverTarget({ apiKey: apiKeys })), apiKey: apiKeys[0]! }),
  [
    {
      attack: 'deletes one by its UUID, in capitals, and by its URL',
      expected: ['forbiddenMedia', 'forbiddenMedia', 'invalidMedia', 200],
      async run({ server }) {
        const owner = await server.socket({ authenticate: { apiKey: apiKeys[0] } });
        const thief = await server.socket({ authenticate: { apiKey: apiKeys[1] } });
        const { imageUUID, imageURL } = await owner.ask(imageTask());
        const seen: unknown[] = [];
        for (const media of [imageUUID, imageUUID.toUpperCase(), imageURL]) {
          const task = { taskType: 'mediaStorage', operation: 'delete', taskUUID: randomUUID(), media };
          thief.send(task);
          seen.push((await thief.error(task.taskUUID)).code);
        }
        seen.push((await fetch(imageURL)).status);
        owner.terminate();
        thief.terminate();
        return seen;
      },
    },
  ],
);
