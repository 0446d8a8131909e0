import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { foreignKind } from '../../runtime/files/foreign.ts';
import { modelFolder } from '../helpers/goldens.ts';

let scratch: string;
let made = 0;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'latentwire-foreign-'));
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'ab'.repeat(32)}\nsize 4265380512\n`;
const page = '<!DOCTYPE html>\n<html lang="en"><head><title>Log in</title></head><body>…</body></html>';

const files: [what: string, content: string | Buffer, reason: RegExp][] = [
  ['an empty file', '', /it is empty\. Download it again\.$/],
  ['a Git LFS pointer', pointer, /Git LFS pointer to the file of 4265380512 bytes.*git lfs pull/],
  ['a git-annex pointer', '/annex/objects/SHA256E-s12--ab.safetensors\n', /git-annex pointer.*git annex get/],
  ['a web page', page, /a web page titled "Log in".*Download the file again/],
  ['a web page after white space', `\r\n\t ${'<html><body>404</body></html>'}`, /a web page, probably a login page/],
  [
    'the error of a store',
    '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    /XML \("<Error><Code>Access/,
  ],
  ['an error in JSON', '{"error": "Access to this model is restricted."}', /it is JSON \("\{"error": "Access to/],
  ['an error in words', 'Entry not found', /it is text \("Entry not found"\)/],
  ['a short one in words', 'No', /it is text \("No"\)/],
  ['words in Japanese', '見つかりません'.repeat(400), /it is text \("見つかりません/],
  ['a checkpoint of PyTorch', zipOf('archive/data.pkl'), /PyTorch pickle under another name.*\.safetensors/],
  ['a pickle of old', Buffer.from('\x80\x02}q\x00(X\x05\x00\x00\x00alpha', 'latin1'), /PyTorch pickle/],
  ['a ZIP archive', zipOf('dream/readme.txt'), /a ZIP archive\. Unpack it first/],
  ['a gzip archive', gzipSync('words'), /a gzip archive/],
  ['a 7-Zip archive', Buffer.from('7z\xbc\xaf\x27\x1c\0\x04', 'latin1'), /a 7-Zip archive/],
  ['a tar archive', Buffer.concat([Buffer.alloc(257, 'x'), Buffer.from('ustar\x0000')]), /a tar archive/],
  ['a GGUF file', Buffer.from('GGUF\x03\0\0\0\0\0\0\0', 'latin1'), /a GGUF file\. Give it a name that ends in \.gguf/],
  ['a picture', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1'), /a picture \(PNG\)/],
  ['an ONNX graph', Buffer.from('\x08\x08\x12\x07pytorch', 'latin1'), /an ONNX graph.*unet\/model\.onnx/],
  ['a program', Buffer.from('\x7fELF\x02\x01\x01\0\0\0', 'latin1'), /a program/],
  ['nothing but zeros', Buffer.alloc(10_000), /begins with zeros.*interrupted/],
];

/** The beginning of a ZIP archive with one file in it. */
function zipOf(name: string): Buffer {
  const header = Buffer.alloc(30);
  header.write('PK\x03\x04', 'latin1');
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), Buffer.alloc(100, 7)]);
}

test.each(files)('%s in place of a safetensors file is called what it is', async (_, content, reason) => {
  const file = join(scratch, `${made++}.safetensors`);
  await writeFile(file, content);
  const described = await describeModel(file);
  expect(described).toMatchObject({ available: false });
  expect(described.reason).toMatch(reason);
  expect(described.reason).toMatch(/^\d+\.safetensors is not a usable safetensors file: .*\.$/);
});

test('bytes of no known kind are told by the header that they are not', async () => {
  const file = join(scratch, 'noise.safetensors');
  await writeFile(file, Buffer.from([7, 200, 31, 9, 80, 1, 255, 4, 6, 2, 200, 11]));
  expect((await describeModel(file)).reason).toMatch(/its header claims \d+ bytes, but the file has 12/);
});

async function folderWith(place: string, content: string | Buffer): Promise<string> {
  const folder = join(scratch, String(made++));
  await cp(modelFolder('tiny-sd15'), folder, { recursive: true });
  await mkdir(join(folder, place, '..'), { recursive: true });
  await writeFile(join(folder, place), content);
  return folder;
}

test.each<[place: string, content: string | Buffer, reason: RegExp]>([
  ['unet/diffusion_pytorch_model.safetensors', pointer, /^The unet cannot be used: .* is a Git LFS pointer/],
  ['vae/diffusion_pytorch_model.safetensors', page, /^The vae_encoder cannot be used: .* is a web page/],
  ['unet/model.onnx', pointer, /^The unet cannot be used: model\.onnx is not a usable ONNX model: it is a Git LFS/],
  ['unet/model.onnx', page, /^The unet cannot be used: model\.onnx .*it is a web page/],
  ['unet/model.onnx', '', /^The unet cannot be used: model\.onnx .*it is empty/],
  ['unet/config.json', page, /^The unet cannot be used: unet\/config\.json is not a JSON object: it is a web page/],
  ['unet/config.json', '{"in_channels": 4', /^The unet cannot be used: unet\/config\.json .*may be truncated/],
  ['model_index.json', pointer, /model_index\.json is not a JSON object: it is a Git LFS pointer/],
  ['tokenizer/vocab.json', pointer, /^The tokenizer cannot be used: tokenizer\/vocab\.json .*it is a Git LFS pointer/],
  ['tokenizer/merges.txt', pointer, /^The tokenizer cannot be used: merges\.txt .*it is a Git LFS pointer/],
  ['tokenizer/merges.txt', '#version: 0.2\ni n\nt h e\n', /merges\.txt .*one of its lines is "t h e"/],
  ['tokenizer/tokenizer.json', page, /^The tokenizer cannot be used: tokenizer\/tokenizer\.json .*it is a web page/],
  ['latentwire.json', Buffer.from('GGUF'), /latentwire\.json is not a JSON object: it is a GGUF file/],
  [
    'unet/diffusion_pytorch_model.safetensors.index.json',
    page,
    /^The unet cannot be used: .*index\.json is not readable JSON: it is a web page/,
  ],
])('in a folder, %s that is something else is called what it is', async (place, content, reason) => {
  const folder = await folderWith(place, content);
  if (place.endsWith('index.json') && place.startsWith('unet/')) {
    await rm(join(folder, 'unet/diffusion_pytorch_model.safetensors'));
  }
  const described = await describeModel(folder);
  expect(described).toMatchObject({ available: false });
  expect(described.reason).toMatch(reason);
});

test('a byte order mark before JSON is no harm', async () => {
  expect(await describeModel(await folderWith('latentwire.json', '\ufeff{"name": "Dream"}'))).toMatchObject({
    available: true,
    name: 'Dream',
  });
});

test('a whole safetensors file under another name is known', async () => {
  const file = join(modelFolder('tiny-sd15'), 'unet/diffusion_pytorch_model.safetensors');
  expect(await foreignKind(file)).toBe('it is a safetensors file');
  expect(await foreignKind(file, 'safetensors')).toBeUndefined();
});
