import type { ImageFormat } from '../../protocol/events.ts';

/** Metadata of an image file. */
export interface Embedded {
  /** In AUTOMATIC1111's form. */
  parameters: string;
  /** JSON. */
  json: string;
}

/**
 * Writes metadata into an encoded image without touching its pixels: PNG text chunks `parameters` and `latentwire`, or
 * in JPG and WEBP an EXIF block with the parameters as UserComment and the JSON as ImageDescription.
 */
export function embed(bytes: Buffer, format: ImageFormat, texts: Embedded): Buffer {
  switch (format) {
    case 'PNG':
      return embedInPng(bytes, texts);
    case 'JPG':
      return embedInJpg(bytes, texts);
    case 'WEBP':
      return embedInWebp(bytes, texts);
  }
}

/**
 * PNG (third edition), 11.3.3: `tEXt` is Latin-1, `iTXt` is UTF-8. More readers support the first, so it is used where
 * possible.
 */
function embedInPng(bytes: Buffer, { parameters, json }: Embedded): Buffer {
  const signatureAndHeader = 8 + 25;
  return Buffer.concat([
    bytes.subarray(0, signatureAndHeader),
    textChunk('parameters', parameters),
    textChunk('latentwire', json),
    bytes.subarray(signatureAndHeader),
  ]);
}

function textChunk(keyword: string, text: string): Buffer {
  const isLatin = /^[\n\x20-\x7e\xa0-\xff]*$/.test(text);
  if (isLatin) return pngChunk('tEXt', Buffer.from(`${keyword}\0${text}`, 'latin1'));
  // Not compressed, without a language and without a translated keyword.
  return pngChunk('iTXt', Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, 'latin1'), Buffer.from(text)]));
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

// Node has zlib.crc32 from 22.2 on.
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Longest text of a JPG, whose segments have 16 bits of length. */
const maxSegmentBytes = 65_533;

/** A prompt of 10,000 four-byte characters does not fit; then nothing is embedded. */
function embedInJpg(bytes: Buffer, texts: Embedded): Buffer {
  const payload = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), exif(texts)]);
  if (payload.length > maxSegmentBytes) return bytes;
  const header = Buffer.from([0xff, 0xe1, 0, 0]);
  header.writeUInt16BE(payload.length + 2, 2);
  return Buffer.concat([bytes.subarray(0, 2), header, payload, bytes.subarray(2)]);
}

/**
 * RFC 9649: metadata needs the extended form, whose first chunk has the size of the picture and the list of features.
 */
function embedInWebp(bytes: Buffer, texts: Embedded): Buffer {
  const chunks = bytes.subarray(12);
  const type = chunks.toString('latin1', 0, 4);
  let body = chunks;
  if (type === 'VP8X') {
    body = Buffer.from(chunks);
    body[8]! |= exifFlag;
  } else {
    const { width, height, hasAlpha } = webpSize(chunks, type);
    const extended = Buffer.alloc(10);
    extended[0] = exifFlag | (hasAlpha ? 0x10 : 0);
    extended.writeUIntLE(width - 1, 4, 3);
    extended.writeUIntLE(height - 1, 7, 3);
    body = Buffer.concat([riffChunk('VP8X', extended), chunks]);
  }
  const whole = Buffer.concat([Buffer.from('WEBP'), body, riffChunk('EXIF', exif(texts))]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(whole.length);
  return Buffer.concat([Buffer.from('RIFF'), size, whole]);
}

const exifFlag = 0x08;

function webpSize(chunk: Buffer, type: string): { width: number; height: number; hasAlpha: boolean } {
  if (type === 'VP8L') {
    const bits = chunk.readUInt32LE(9);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1, hasAlpha: ((bits >>> 28) & 1) === 1 };
  }
  // The frame header of VP8 (RFC 6386, 9.1): three bytes, a start code of three, then 14 bits each.
  return { width: chunk.readUInt16LE(14) & 0x3fff, height: chunk.readUInt16LE(16) & 0x3fff, hasAlpha: false };
}

function riffChunk(type: string, data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.write(type, 0, 'latin1');
  header.writeUInt32LE(data.length, 4);
  return Buffer.concat([header, data, Buffer.alloc(data.length % 2)]);
}

const imageDescription = 0x010e;
const exifPointer = 0x8769;
const userComment = 0x9286;

/**
 * A TIFF block with two directories of one entry each besides the pointer (Exif 2.32, 4.6): the description in UTF-8,
 * which Exif 3.0 allows and readers accept; the comment in UTF-16 after its code, as other tools write and read it.
 */
function exif({ parameters, json }: Embedded): Buffer {
  const description = Buffer.from(`${json}\0`);
  const comment = Buffer.concat([Buffer.from('UNICODE\0', 'latin1'), Buffer.from(parameters, 'utf16le').swap16()]);
  const firstFolder = 8;
  const secondFolder = firstFolder + 2 + 2 * 12 + 4;
  const descriptionAt = secondFolder + 2 + 12 + 4;
  const commentAt = descriptionAt + description.length + (description.length % 2);
  const block = Buffer.alloc(commentAt + comment.length);
  block.write('MM\0*', 0, 'latin1');
  block.writeUInt32BE(firstFolder, 4);
  block.writeUInt16BE(2, firstFolder);
  // 2: text, 4: an offset, 7: bytes of no type.
  writeEntry(block, firstFolder + 2, imageDescription, 2, description.length, descriptionAt);
  writeEntry(block, firstFolder + 14, exifPointer, 4, 1, secondFolder);
  block.writeUInt16BE(1, secondFolder);
  writeEntry(block, secondFolder + 2, userComment, 7, comment.length, commentAt);
  description.copy(block, descriptionAt);
  comment.copy(block, commentAt);
  return block;
}

function writeEntry(block: Buffer, at: number, tag: number, type: number, count: number, value: number): void {
  block.writeUInt16BE(tag, at);
  block.writeUInt16BE(type, at + 2);
  block.writeUInt32BE(count, at + 4);
  block.writeUInt32BE(value, at + 8);
}
