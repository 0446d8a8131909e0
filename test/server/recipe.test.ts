import sharp from 'sharp';
import { expect, test } from 'vitest';
import { parseJson } from '../../protocol/json.ts';
import { embed } from '../../server/images/embed.ts';
import { describeWithIpAdapter, type Item, imageTask, startTestServer, type TestServer } from '../helpers/server.ts';

interface Texts {
  parameters: string | undefined;
  json: string | undefined;
}

/** Reads an image of the server as any tool would. */
async function textsOf({ imageURL }: Item): Promise<Texts> {
  return await textsIn(Buffer.from(await (await fetch(imageURL)).arrayBuffer()));
}

async function textsIn(bytes: Buffer): Promise<Texts> {
  const { format, comments = [], exif } = await sharp(bytes).metadata();
  if (format === 'png') {
    const text = (keyword: string) => comments.find((comment) => comment.keyword === keyword)?.text;
    return { parameters: text('parameters'), json: text('latentwire') };
  }
  if (exif === undefined) return { parameters: undefined, json: undefined };
  const block = exif.subarray(exif.indexOf('MM\0*'));
  const description = entry(block, block.readUInt32BE(4), 0x010e);
  const comment = entry(block, block.readUInt32BE(block.readUInt32BE(4) + 2 + 12 + 8), 0x9286);
  expect(comment.subarray(0, 8).toString('latin1')).toBe('UNICODE\0');
  return {
    parameters: Buffer.from(comment.subarray(8)).swap16().toString('utf16le'),
    json: description.subarray(0, -1).toString(),
  };
}

/** The bytes of a tag in a folder of a TIFF block. */
function entry(block: Buffer, folder: number, tag: number): Buffer {
  for (let index = 0; index < block.readUInt16BE(folder); index++) {
    const at = folder + 2 + index * 12;
    if (block.readUInt16BE(at) !== tag) continue;
    const offset = block.readUInt32BE(at + 8);
    return block.subarray(offset, offset + block.readUInt32BE(at + 4));
  }
  throw new Error(`No tag ${tag}.`);
}

async function ask(server: TestServer, task: Record<string, unknown>): Promise<Item> {
  const socket = await server.socket();
  const item = await socket.ask(imageTask(task));
  socket.terminate();
  return item;
}

test.each(['PNG', 'JPG', 'WEBP'])('writes into a %s how it was drawn, in two forms', async (outputFormat) => {
  await using server = await startTestServer();
  const positivePrompt = 'ein Fuchs, 狐 🦊: „rot“';
  const wishes = { positivePrompt, negativePrompt: 'blurry', seed: 41, steps: 3, CFGScale: 2.5, scheduler: 'Euler' };
  const { parameters, json } = await textsOf(await ask(server, { ...wishes, outputFormat }));
  expect(parameters).toMatch(
    /^ein Fuchs, 狐 🦊: „rot“\nNegative prompt: blurry\nSteps: 3, Sampler: Euler, CFG scale: 2.5, Seed: 41, Size: \d+x\d+, Model: "test:small@1", Version: latentwire \S+$/,
  );
  expect(parseJson(json!)).toMatchObject({ taskType: 'imageInference', model: 'test:small@1', ...wishes });
});

test.each(['PNG', 'JPG', 'WEBP'] as const)('changes no pixel of a %s', async (format) => {
  const picture = sharp({ create: { width: 65, height: 33, channels: 3, background: '#123456' } });
  const plain = await (format === 'PNG'
    ? picture.png()
    : format === 'JPG'
      ? picture.jpeg()
      : picture.webp()
  ).toBuffer();
  const told = embed(plain, format, { parameters: 'ä prompt', json: '{}' });
  expect(await sharp(told).raw().toBuffer()).toEqual(await sharp(plain).raw().toBuffer());
  const { width, height } = await sharp(told).metadata();
  expect([width, height]).toEqual([65, 33]);
});

test('the JSON in an image is a task that draws it again', async () => {
  await using server = await startTestServer();
  const first = await ask(server, { outputFormat: 'PNG', seed: 2n ** 63n, numberResults: 1 });
  const { json } = await textsOf(first);
  const again = await ask(server, { ...(parseJson(json!) as Record<string, unknown>), outputFormat: 'PNG' });
  const bytesOf = async ({ imageURL }: Item) => Buffer.from(await (await fetch(imageURL)).arrayBuffer());
  expect(await bytesOf(again)).toEqual(await bytesOf(first));
});

test('names the picture that was drawn from by its UUID, and tells nothing of a picture sent with the task', async () => {
  await using server = await startTestServer();
  const { imageUUID } = await ask(server, {});
  const stored = await textsOf(await ask(server, { seedImage: imageUUID, strength: 0.5 }));
  expect(parseJson(stored.json!)).toMatchObject({ seedImage: imageUUID, strength: 0.5 });
  expect(stored.parameters).toContain('Denoising strength: 0.5');
  const own = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#fff' } })
    .png()
    .toBuffer();
  const sent = await textsOf(await ask(server, { seedImage: own.toString('base64') }));
  expect(parseJson(sent.json!)).not.toHaveProperty('seedImage');
});

test('repeats image prompts whose pictures the server has', async () => {
  await using server = await startTestServer({ describe: describeWithIpAdapter });
  const { imageUUID } = await ask(server, {});
  const adapter = { model: 'depth', guideImages: [imageUUID], weight: -0.5, weightType: 'style_transfer' };
  const stored = await textsOf(await ask(server, { ipAdapters: [adapter] }));
  expect(parseJson(stored.json!)).toMatchObject({ ipAdapters: [adapter] });
  const own = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#fff' } })
    .png()
    .toBuffer();
  const sent = await ask(server, { ipAdapters: [adapter, { model: 'depth', guideImage: own.toString('base64') }] });
  expect(parseJson((await textsOf(sent)).json!)).not.toHaveProperty('ipAdapters');
});

test('writes nothing where a task or the operator says so', async () => {
  const nothing = { parameters: undefined, json: undefined };
  {
    await using server = await startTestServer();
    for (const outputFormat of ['PNG', 'JPG', 'WEBP']) {
      expect(await textsOf(await ask(server, { includeMetadata: false, outputFormat }))).toEqual(nothing);
    }
  }
  await using server = await startTestServer({ withoutMetadata: true });
  expect(await textsOf(await ask(server, { outputFormat: 'PNG' }))).toEqual(nothing);
});

test('leaves a JPG as it is where the texts are longer than its segments', async () => {
  const plain = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#fff' } })
    .jpeg()
    .toBuffer();
  expect(embed(plain, 'JPG', { parameters: 'x'.repeat(40_000), json: '{}' })).toEqual(plain);
});
