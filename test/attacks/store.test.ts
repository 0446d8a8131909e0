import { randomUUID } from 'node:crypto';
import { rm, truncate, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import sharp from 'sharp';
import { ManualClock } from '../helpers/clock.ts';
import { imageTask, type TestServer } from '../helpers/server.ts';
import { type Attack, attackTable, serverTarget, type Target } from './table.ts';

const flat = { create: { width: 64, height: 64, channels: 3, background: '#804020' } } as const;
const png = (await sharp(flat).png().toBuffer()).toString('base64');
const jpg = await sharp(flat).jpeg().toBuffer();
const progressive = await sharp(flat).jpeg({ progressive: true }).toBuffer();

const fileOf = (server: TestServer, imageUUID: string, extension = 'png') =>
  path.join(server.dataDir, 'images', imageUUID.slice(0, 2), `${imageUUID}.${extension}`);

interface Answer {
  imageUUID: string;
  imageURL: string;
  code?: string;
  message?: string;
}

async function upload(server: TestServer, image: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { body } = await server.post([{ taskType: 'imageUpload', taskUUID: randomUUID(), image }], headers);
  return (body.data?.[0] ?? body.errors?.[0] ?? {}) as Answer;
}

/** Scans that decoders find, in what looks like the length of a reserved marker. */
function hiddenScans(): Buffer {
  const scanMarker = Buffer.from([0xff, 0xda]);
  const first = progressive.indexOf(scanMarker);
  const begin = first + 2 + progressive.readUInt16BE(first + 2);
  const scan = progressive.subarray(progressive.lastIndexOf(scanMarker), progressive.length - 2);
  return Buffer.concat([
    progressive.subarray(0, first),
    // A restart interval of 8.
    Buffer.from([0xff, 0xdd, 0, 4, 0, 8]),
    progressive.subarray(first, begin),
    Buffer.from([0xff, 0x02, 0xff, 0xff]),
    ...new Array<Buffer>(Math.floor(65_000 / scan.length)).fill(scan),
    progressive.subarray(begin),
  ]);
}

function pathOfImage(attack: string, spell: (imageUUID: string) => string, expected: number): Attack<Target> {
  return {
    attack: `asks for an image by ${attack}`,
    expected,
    async run({ server }) {
      const { imageUUID } = await upload(server, png);
      const { port } = server;
      return await new Promise<number | undefined>((resolve, reject) => {
        http
          .get({ host: '127.0.0.1', port, path: `/images/${spell(imageUUID)}` }, (response) => {
            response.resume();
            resolve(response.statusCode);
          })
          .on('error', reject);
      });
    },
  };
}

attackTable<Target>('images that are kept', () => serverTarget(), [
  pathOfImage('its UUID in capitals', (uuid) => `${uuid.toUpperCase()}.png`, 200),
  pathOfImage('the extension of another format', (uuid) => `${uuid}.jpg`, 404),
  pathOfImage('the name of what lies beside it', (uuid) => `${uuid}.json`, 404),
  pathOfImage('the name of a half written file', (uuid) => `${uuid}.png.tmp`, 404),
  pathOfImage('a slash too much behind it', (uuid) => `${uuid}.png/`, 404),
  pathOfImage('its shard', (uuid) => `${uuid.slice(0, 2)}/${uuid}.png`, 404),
  pathOfImage('a null character behind it', (uuid) => `${uuid}.png%00`, 404),
  pathOfImage('a way out of the folder', () => '..%2f..%2f..%2fetc%2fpasswd', 404),
  // The same URL, as the URL parser has it.
  pathOfImage('a way through the folder above', (uuid) => `../images/${uuid}.png`, 200),
  pathOfImage('36 hyphens', () => `${'-'.repeat(36)}.png`, 404),
  {
    attack: 'uploads a JPG with a film behind it, whose bytes look like scans',
    expected: true,
    async run({ server }) {
      const film = Buffer.concat(new Array<Buffer>(200).fill(Buffer.from([0xff, 0xda, 0, 2])));
      const answer = await upload(server, Buffer.concat([jpg, film]).toString('base64'));
      return 'imageUUID' in answer;
    },
  },
  {
    attack: 'uploads a JPG that hides scans behind a reserved marker',
    expected: ['invalidImage', true],
    async run({ server }) {
      const { code, message } = await upload(server, hiddenScans().toString('base64'));
      return [code, message?.includes('scans')];
    },
  },
  {
    attack: 'deletes an image whose file is damaged',
    expected: ['mediaStorage', 404],
    async run({ server }) {
      const { imageUUID, imageURL } = await upload(server, png);
      await truncate(fileOf(server, imageUUID), 10);
      const task = { taskType: 'mediaStorage', operation: 'delete', taskUUID: randomUUID(), media: imageUUID };
      const { body } = await server.post([task]);
      return [body.data?.[0]?.taskType ?? body.errors?.[0]?.code, (await fetch(imageURL)).status];
    },
  },
  {
    attack: 'finds the folder of images cleared under the server',
    expected: ['success', 200],
    async run({ server }) {
      await rm(path.join(server.dataDir, 'images'), { recursive: true });
      const health = (await fetch(`${server.url}/health`)).status;
      const { body } = await server.post([imageTask()]);
      return [body.data?.[0]?.status ?? body.errors?.[0]?.code, health];
    },
  },
  {
    attack: 'uploads while the folder of images is a file, and is told no path',
    expected: ['internalServerError', false, 503],
    async run({ server }) {
      const folder = path.join(server.dataDir, 'images');
      await rm(folder, { recursive: true });
      await writeFile(folder, 'not a folder');
      const answer = await upload(server, png);
      const { status } = await fetch(`${server.url}/health`);
      await rm(folder);
      return [answer.code, JSON.stringify(answer).includes(server.dataDir), status];
    },
  },
  {
    attack: 'names a URL whose server never ends its answer',
    expected: ['invalidImage', 0],
    async run() {
      await using trusting = await serverTarget({ allowPrivateUrls: true, maxUploadBytes: 200_000 });
      const web = http.createServer((_, response) => {
        const send = () => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        };
        response.on('drain', send).on('error', () => {});
        send();
      });
      const closed = new Promise<void>((resolve) => {
        web.on('connection', (socket) => socket.on('error', () => {}).on('close', resolve));
      });
      await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
      const answer = await upload(trusting.server, `http://127.0.0.1:${(web.address() as AddressInfo).port}/`);
      await closed;
      const open = await new Promise<number>((resolve) => web.getConnections((_, count) => resolve(count)));
      web.close();
      return [answer.code, open];
    },
  },
]);

attackTable<Target>(
  'images under keys',
  async () => ({ ...(await serverTarget({ apiKey: ['the-key', 'another-key'] })), apiKey: 'the-key' }),
  [
    ...['127.0.0.1:99999', '999.1.1.1', 'a..b:70000', '1.2.3.4.5'].map(
      (host): Attack<Target> => ({
        attack: `names an image by URL on a connection to the host ${host}, which is none`,
        expected: 'success',
        async run({ server }) {
          const headers = { authorization: 'Bearer the-key' };
          const { imageURL } = await upload(server, png, headers);
          const body = JSON.stringify([imageTask({ seedImage: imageURL })]);
          return await new Promise<string | undefined>((resolve) => {
            const socket = net.connect(server.port, '127.0.0.1');
            let text = '';
            socket.on('data', (chunk) => {
              text += chunk;
            });
            socket.on('close', () => resolve(/"(?:code|status)":"(\w+)"/.exec(text)?.[1]));
            socket.write(
              `POST /v1 HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer the-key\r\ncontent-type: application/json\r\n` +
                `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
            );
          });
        },
      }),
    ),
    {
      attack: 'deletes the damaged image of another key',
      expected: 'forbiddenMedia',
      async run({ server }) {
        const { imageUUID } = await upload(server, png, { authorization: 'Bearer the-key' });
        await truncate(fileOf(server, imageUUID), 10);
        const task = { taskType: 'mediaStorage', operation: 'delete', taskUUID: randomUUID(), media: imageUUID };
        const { body } = await server.post([task], { authorization: 'Bearer another-key' });
        return body.errors?.[0]?.code ?? body.data?.[0]?.taskType;
      },
    },
  ],
);

const clock = new ManualClock();

attackTable<Target>('images under a quota', () => serverTarget({ clock, imageQuota: 1_000_000, imageTtl: 1_800_000 }), [
  {
    attack: 'uploads an image larger than the quota, to drive out all others',
    expected: ['storageFull', 200],
    async run({ server }) {
      const { imageURL } = await upload(server, png);
      const large = await sharp({ create: { ...flat.create, width: 700, height: 700 } })
        .png({ compressionLevel: 0 })
        .toBuffer();
      const answer = await upload(server, large.toString('base64'));
      return [answer.code, (await fetch(imageURL)).status];
    },
  },
  {
    attack: 'uses an image again and again, for longer than one may lie unused, and then leaves it',
    expected: [200, 200, 200, 404],
    async run({ server }) {
      const { imageURL } = await upload(server, png);
      const seen: number[] = [];
      for (const minutes of [20, 20, 20, 31]) {
        await clock.advance(minutes * 60_000);
        seen.push((await fetch(imageURL)).status);
      }
      return seen;
    },
  },
]);
