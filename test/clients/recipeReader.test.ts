import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { type FoundRecipe, readRecipe } from '../../clients/playground/recipeReader.ts';
import { embed } from '../../server/images/embed.ts';

const formats = ['PNG', 'JPG', 'WEBP'] as const;
const blank = sharp({ create: { width: 16, height: 8, channels: 3, background: '#456' } });
const plain = {
  PNG: await blank.png().toBuffer(),
  JPG: await blank.jpeg().toBuffer(),
  WEBP: await blank.webp().toBuffer(),
};

const task = {
  taskType: 'imageInference',
  positivePrompt: 'ein Fuchs, 狐 🦊: „rot“',
  negativePrompt: 'blurry',
  model: 'local:tiny@1',
  width: 256,
  height: 128,
  steps: 7,
  CFGScale: 2.5,
  scheduler: 'Euler a',
  strength: 0.5,
  lora: [{ model: 'local:ink@1', weight: 0.7 }],
  seedImage: 'c1b6e0d0-0000-4000-8000-000000000000',
};
const json = JSON.stringify(task).replace('{', '{"seed":9223372036854775809,');
const lines = 'a fox\nNegative prompt: blurry\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x768';
const ofLines = {
  ...{ positivePrompt: 'a fox', negativePrompt: 'blurry', lora: [], embeddings: [], others: [] },
  ...{ steps: 20, scheduler: 'Euler', CFGScale: 7, seed: '1', width: 512, height: 768 },
};

function chunk(type: string, data: Buffer | string, length = data.length): Buffer {
  const body = Buffer.concat([
    Buffer.alloc(4),
    Buffer.from(type),
    Buffer.from(data as string, 'latin1'),
    Buffer.alloc(4),
  ]);
  body.writeUInt32BE(length, 0);
  return body;
}

/** A PNG with these chunks behind its header. */
const png = (...chunks: Buffer[]) => Buffer.concat([plain.PNG.subarray(0, 33), ...chunks, plain.PNG.subarray(33)]);
const withLines = (text: string) => png(chunk('tEXt', `parameters\0${text}`));
const read = (text: string): FoundRecipe | undefined => readRecipe(withLines(text));

/** A TIFF block of either byte order with a comment. */
function exif(comment: Buffer, isLittle: boolean): Buffer {
  const block = Buffer.concat([Buffer.alloc(44), comment]);
  const short = (value: number, at: number) =>
    isLittle ? block.writeUInt16LE(value, at) : block.writeUInt16BE(value, at);
  const long = (value: number, at: number) =>
    isLittle ? block.writeUInt32LE(value, at) : block.writeUInt32BE(value, at);
  block.write(isLittle ? 'II' : 'MM');
  short(42, 2);
  long(8, 4);
  short(1, 8);
  for (const [at, tag, type, count, value] of [
    [10, 0x8769, 4, 1, 26],
    [28, 0x9286, 7, comment.length, 44],
  ] as const) {
    short(tag, at);
    short(type, at + 2);
    long(count, at + 4);
    long(value, at + 8);
  }
  short(1, 26);
  return block;
}

function jpg(block: Buffer): Buffer {
  const header = Buffer.from('\xff\xe1\0\0Exif\0\0', 'latin1');
  header.writeUInt16BE(block.length + 8, 2);
  return Buffer.concat([plain.JPG.subarray(0, 2), header, block, plain.JPG.subarray(2)]);
}

describe('the reader of settings in pictures', () => {
  test.each(formats)('reads the JSON of a %s of this server before its lines', (format) => {
    expect(readRecipe(embed(plain[format], format, { parameters: lines, json }))).toEqual({
      ...{ positivePrompt: task.positivePrompt, negativePrompt: 'blurry', model: 'local:tiny@1' },
      ...{ width: 256, height: 128, steps: 7, CFGScale: 2.5, scheduler: 'Euler a', strength: 0.5 },
      seed: '9223372036854775809',
      lora: [{ model: 'local:ink@1', weight: 0.7 }],
      embeddings: [],
      others: ['the picture it was made from'],
    });
  });

  test.each(formats)('reads the lines of a %s whose JSON is another program’s or damaged', (format) => {
    for (const other of ['{', '[]', 'null', '{"taskType":"other"}', '[['.repeat(50_000).slice(0, 20_000)]) {
      expect(readRecipe(embed(plain[format], format, { parameters: lines, json: other }))).toEqual(ofLines);
    }
    const umlauts = { parameters: lines.replace('fox', 'Füchschen 🦊 狐'), json: '{}' };
    expect(readRecipe(embed(plain[format], format, umlauts))?.positivePrompt).toBe('a Füchschen 🦊 狐');
  });

  test.each(formats)('finds nothing in a %s that says nothing', (format) => {
    expect(readRecipe(plain[format])).toBeUndefined();
  });

  test.each([
    [
      'several lines',
      'one\ntwo,\n\nthree\nNegative prompt: bad\nworse\nSteps: 2',
      { positivePrompt: 'one\ntwo,\n\nthree', negativePrompt: 'bad\nworse', steps: 2 },
    ],
    [
      'no negative prompt',
      'a cat\r\nSteps: 3, Seed: 18446744073709551615',
      { positivePrompt: 'a cat', negativePrompt: '', seed: '18446744073709551615' },
    ],
    ['no prompt', 'Steps: 3, Size: 64x64', { positivePrompt: '', width: 64, height: 64 }],
    [
      'quoted values',
      'x\nSteps: 4, Lora hashes: "a: 1, b: 2", Model: "local:x@1", VAE: "say \\"hi\\", you", Seed: 5',
      { model: 'local:x@1', vae: 'say "hi", you', seed: '5' },
    ],
    ['a quote that never ends', 'x\nSteps: 4, Model: "a, Seed: 5', { model: '"a', seed: '5' }],
    [
      'lines behind the settings',
      'x\nNegative prompt: y\nSteps: 4, Seed: 5\nTemplate: {a|b}\nNegative Template: y',
      { positivePrompt: 'x', negativePrompt: 'y', seed: '5' },
    ],
    [
      'a schedule apart from the sampler',
      'x\nSteps: 4, Sampler: DPM++ 2M, Schedule type: Karras',
      { scheduler: 'DPM++ 2M Karras' },
    ],
    [
      'a schedule of no importance',
      'x\nSteps: 4, Sampler: Euler a, Schedule type: Automatic',
      { scheduler: 'Euler a' },
    ],
    [
      'LoRAs in the prompt',
      'a <lora:ink:0.5>b <lora:local:wet@1:-1>, c\nSteps: 4',
      {
        positivePrompt: 'a b, c',
        lora: [
          { model: 'ink', weight: 0.5 },
          { model: 'local:wet@1', weight: -1 },
        ],
      },
    ],
    [
      'what the form has no field for',
      'x\nSteps: 4, Clip skip: 2, Hires upscale: 2, ControlNet 0: "a: b", Refiner: r',
      { others: ['CLIP skip', 'upscaling', 'ControlNet', 'refiner'] },
    ],
    ['the settings of image to image', 'x\nSteps: 4, Denoising strength: 0.35', { strength: 0.35 }],
    ['a random seed and no number', 'x\nSteps: 4, Seed: -1, CFG scale: many, Size: huge', { steps: 4, others: [] }],
  ])('reads lines with %s', (_, text, expected) => {
    expect(read(text)).toMatchObject(expected);
  });

  test('leaves out numbers that are none', () => {
    const found = read('x\nSteps: 4, Seed: -1, CFG scale: many, Size: huge')!;
    for (const name of ['seed', 'CFGScale', 'width', 'height'] as const) expect(found).not.toHaveProperty(name);
  });

  test.each([
    ['ASCII', Buffer.from(`ASCII\0\0\0${lines}`), true],
    ['no code', Buffer.from(`${'\0'.repeat(8)}${lines}\0\0`), false],
    ['UTF-16 little endian', Buffer.concat([Buffer.from('UNICODE\0'), Buffer.from(lines, 'utf16le')]), true],
    [
      'UTF-16 little endian in a big-endian block',
      Buffer.concat([Buffer.from('UNICODE\0'), Buffer.from(lines, 'utf16le')]),
      false,
    ],
    [
      'UTF-16 big endian in a little-endian block',
      Buffer.concat([Buffer.from('UNICODE\0'), Buffer.from(`${lines}\0`, 'utf16le').swap16()]),
      true,
    ],
  ])('reads a comment in %s', (_, comment, isLittle) => {
    expect(readRecipe(jpg(exif(comment, isLittle)))).toEqual(ofLines);
  });

  test('reads uncompressed UTF-8 text with a language, and text behind the pixels', () => {
    const utf8 = Buffer.from(`parameters\0\0\0de\0Einstellungen\0${lines}`);
    expect(readRecipe(png(chunk('iTXt', utf8)))).toEqual(ofLines);
    const end = plain.PNG.length - 12;
    const behind = Buffer.concat([
      plain.PNG.subarray(0, end),
      chunk('tEXt', `parameters\0${lines}`),
      plain.PNG.subarray(end),
    ]);
    expect(readRecipe(behind)).toEqual(ofLines);
  });

  const comment = Buffer.from(`ASCII\0\0\0${lines}`);
  const patched = (at: number, value: number) => {
    const block = exif(comment, false);
    block.writeUInt32BE(value, at);
    return jpg(block);
  };
  const hostile: [string, Buffer][] = [
    ['no bytes', Buffer.alloc(0)],
    ['a signature alone', plain.PNG.subarray(0, 8)],
    ['noise behind a PNG signature', Buffer.concat([plain.PNG.subarray(0, 8), Buffer.alloc(5000, 0xa7)])],
    ['a chunk longer than the file', png(chunk('tEXt', `parameters\0${lines}`, 0xffffffff))],
    ['a chunk without a keyword', png(chunk('tEXt', `\0${lines}`))],
    ['a chunk that is all keyword', png(chunk('tEXt', 'parameters'))],
    ['a text longer than texts may be', withLines(`${'x'.repeat(200_000)}\n${lines}`)],
    ['compressed text', png(chunk('iTXt', `parameters\0\x01\0\0\0${lines}`))],
    ['UTF-8 text without its fields', png(chunk('iTXt', 'parameters\0\0'))],
    ['a million chunks before the text', png(Buffer.alloc(12_000_000), chunk('tEXt', `parameters\0${lines}`))],
    ['a JPG cut within its segment', jpg(exif(comment, true)).subarray(0, 60)],
    [
      'a JPG of empty segments',
      Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.alloc(1_000_000, '\xff\xe1\0\0', 'latin1')]),
    ],
    ['a TIFF block of no byte order', jpg(Buffer.from(exif(comment, true).fill('X', 0, 2)))],
    ['a folder behind the end', patched(4, 0xfffffff0)],
    ['a comment behind the end', patched(36, 0xfffffff0)],
    ['a comment longer than the block', patched(32, 0x7fffffff)],
    ['a folder that points to itself', patched(18, 8)],
    ['a WEBP cut within its header', plain.WEBP.subarray(0, 14)],
    ['a WEBP whose chunk is longer than the file', Buffer.concat([plain.WEBP.subarray(0, 12), chunk('EXIF', 'MM')])],
    ['JSON nested too deeply', png(chunk('tEXt', `latentwire\0${'{"a":'.repeat(30_000)}`))],
    ['a task without a prompt', png(chunk('tEXt', 'latentwire\0{"taskType":"imageInference","positivePrompt":{}}'))],
    ['a comment of zeros before a letter', jpg(exif(Buffer.from(`UNICODE\0${'\0'.repeat(60_000)}x`), false))],
    ['a prompt without settings', withLines('just words, Negative prompt: and more')],
  ];
  test.each(hostile)('finds nothing in %s', (_, bytes) => {
    expect(readRecipe(bytes)).toBeUndefined();
  });

  test('takes only values of the right kind from a task', () => {
    const wrong = {
      ...{ taskType: 'imageInference', positivePrompt: 'x', negativePrompt: 5, model: {}, width: '1', height: null },
      ...{ steps: [], seed: 1.5, lora: [null, 5, { model: 5 }, { model: 'a', weight: 'b' }], embeddings: 'all' },
    };
    expect(readRecipe(png(chunk('tEXt', `latentwire\0${JSON.stringify(wrong)}`)))).toEqual({
      ...{ positivePrompt: 'x', negativePrompt: '', lora: [], embeddings: [], others: [] },
    });
  });

  test('reads only so many settings of a line made to be slow', () => {
    for (const piece of ['a:",', 'a:"\\', '"', ',', ':', ' ', '<lora:']) {
      const found = read(`${piece.repeat(20_000)}\nSteps: 4, ${piece.repeat(30_000)}, Seed: 1`.slice(0, 199_000));
      expect(found).not.toHaveProperty('seed');
      expect(found?.steps).toBe(4);
    }
  });

  test.each(formats)('takes a %s that is cut or changed anywhere', (format) => {
    const whole = embed(plain[format], format, { parameters: lines, json });
    for (let at = 0; at < whole.length; at += 3) {
      readRecipe(whole.subarray(0, at));
      const changed = Buffer.from(whole);
      changed[at]! ^= 0xff;
      readRecipe(changed);
    }
    expect(readRecipe(whole)).toBeDefined();
  });
});
