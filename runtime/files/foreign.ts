import { open } from 'node:fs/promises';

/** What a file was expected to be. */
export type Wanted = 'safetensors' | 'gguf' | 'onnx' | 'json' | 'merges';

/** How much of a file is looked at. */
const looked = 4096;

/**
 * What a file is that is not what it was expected to be, told by its first bytes, and what to do about it: "it is a web
 * page …. Download the file again". Undefined where they do not tell, or the file cannot be read.
 *
 * @param wanted - what it turned out not to be; nothing in particular where it is left away
 */
export async function foreignKind(file: string, wanted?: Wanted): Promise<string | undefined> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    const start = Buffer.alloc(Math.min(size, looked));
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    return foreignBytes(start.subarray(0, bytesRead), wanted);
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

const signatures: readonly (readonly [at: number, bytes: string, what: string])[] = [
  [0, 'GGUF', 'a GGUF file. Give it a name that ends in .gguf'],
  [0, 'lmgg', 'a GGML file, which is not supported. Get the model as .safetensors'],
  [0, '\x89HDF', 'an HDF5 file (Keras), which is not supported. Get the model as .safetensors'],
  [0, '\x1f\x8b', 'a gzip archive. Unpack it first'],
  [0, '7z\xbc\xaf\x27\x1c', 'a 7-Zip archive. Unpack it first'],
  [0, 'Rar!', 'a RAR archive. Unpack it first'],
  [0, '\xfd7zXZ', 'an xz archive. Unpack it first'],
  [0, '\x28\xb5\x2f\xfd', 'a Zstandard archive. Unpack it first'],
  [0, 'BZh', 'a bzip2 archive. Unpack it first'],
  [257, 'ustar', 'a tar archive. Unpack it first'],
  [0, '\x89PNG', 'a picture (PNG), not a model'],
  [0, '\xff\xd8\xff', 'a picture (JPEG), not a model'],
  [0, 'RIFF', 'a RIFF file (a picture, sound or video), not a model'],
  [0, 'GIF8', 'a picture (GIF), not a model'],
  [4, 'ftyp', 'a video, not a model'],
  [0, '%PDF', 'a PDF document, not a model'],
  [0, '\x7fELF', 'a program, not a model'],
  [0, 'MZ', 'a program, not a model'],
];

const pickle = 'a PyTorch pickle under another name. Opening a pickle can run code. Get the model as .safetensors';

function foreignBytes(start: Buffer, wanted: Wanted | undefined): string | undefined {
  if (start.length === 0) return 'it is empty. Download it again';
  if (start.every((byte) => byte === 0)) {
    return 'it begins with zeros, probably because a download was interrupted. Download it again';
  }
  const latin = start.toString('latin1');
  if (latin.startsWith('PK\x03\x04')) {
    return /\/data\.pkl|\.data\/|archive\/version/.test(latin)
      ? `it is ${pickle}`
      : 'it is a ZIP archive. Unpack it first';
  }
  const [first = 0, second = 0, third = 0] = start;
  if (first === 0x80 && second >= 2 && second <= 5) return `it is ${pickle}`;
  const found = signatures.find(([at, bytes]) => latin.startsWith(bytes, at));
  if (found) return `it is ${found[2]}`;
  // A version from 3 to 15 of ONNX, then the name of the exporter or the graph.
  if (wanted !== 'onnx' && first === 8 && second >= 3 && second <= 15 && (third === 0x12 || third === 0x3a)) {
    return 'it is an ONNX graph. A model with ONNX graphs is a folder in the diffusers layout, with unet/model.onnx';
  }
  // Eight bytes of length, then the header.
  if (wanted !== 'safetensors' && start.length > 10 && start.readUInt32LE(4) === 0 && /^\{\s*"/.test(latin.slice(8))) {
    return 'it is a safetensors file';
  }
  return textKind(start, wanted);
}

function textKind(start: Buffer, wanted: Wanted | undefined): string | undefined {
  const text = new TextDecoder('utf-8').decode(start).trimStart();
  // A character of several bytes may be cut at the end of what was read.
  if (/\ufffd(?!$)/.test(text) || start.some(isControl)) return undefined;
  if (text === '') return 'it has only white space. Download it again';
  if (text.startsWith('version https://git-lfs.github.com/')) {
    const bytes = /^size (\d+)$/m.exec(text)?.[1];
    const meant = bytes === undefined ? 'the file' : `the file of ${bytes} bytes`;
    return `it is a Git LFS pointer to ${meant}, which was not downloaded. Run \`git lfs pull\` in its folder, or download it again`;
  }
  if (/^(\/annex\/objects\/|\.\.?\/(\.\.\/)*\.git\/annex\/)/.test(text)) {
    return 'it is a git-annex pointer to a file that was not downloaded. Run `git annex get` on it';
  }
  if (/^(<!doctype html|<html|<head|<body|<!--)/i.test(text)) {
    const title = /<title[^>]*>([^<]*)<\/title>/i.exec(text)?.[1]?.trim();
    const named = title ? ` titled ${quoted(title)}` : '';
    return `it is a web page${named}, probably a login page, instead of the file. Download the file again`;
  }
  if (text.startsWith('<?xml')) {
    return `it is XML (${quoted(text.replace(/^<\?xml[^>]*>\s*/, ''))}), probably an error message of the download. Download the file again`;
  }
  if (/^[{[]/.test(text)) {
    if (wanted === 'json') return undefined;
    return `it is JSON (${quoted(text)}), not a model. Download the file again`;
  }
  if (wanted === 'merges') return undefined;
  return `it is text (${quoted(text)}), probably an error message of the download. Download the file again`;
}

/** Other than tabs and ends of lines and pages. */
function isControl(byte: number): boolean {
  return byte < 9 || (byte > 13 && byte < 32) || byte === 127;
}

function quoted(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > 60 ? `"${line.slice(0, 60)}…"` : `"${line}"`;
}
