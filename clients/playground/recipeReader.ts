import { parseJson, StructureScan } from '../../protocol/json.ts';

/** The settings that a picture's file says it was made with. What the file does not say, or says wrongly, is absent. */
export interface FoundRecipe {
  positivePrompt: string;
  negativePrompt: string;
  /** An AIR in pictures of this server, any name in others. */
  model?: string;
  width?: number;
  height?: number;
  steps?: number;
  CFGScale?: number;
  scheduler?: string;
  /** Digits: a seed may be larger than a number holds. */
  seed?: string;
  strength?: number;
  vae?: string;
  lora: { model: string; weight: number }[];
  embeddings: { model: string; weight: number }[];
  /** What else it was made with, in words for people. */
  others: string[];
}

/** Texts that a file carries, not yet understood. */
interface Texts {
  /** The lines of AUTOMATIC1111. */
  parameters?: string | undefined;
  /** JSON of a task. */
  json?: string | undefined;
}

// Files come from anywhere. Every loop and every text has a bound, so that none of them can hold up the page.
const maxTextBytes = 200_000;
const maxChunks = 100_000;
const maxFolderEntries = 500;
const maxLineLength = 20_000;
const maxPairs = 200;
const maxCompanions = 50;

/**
 * Reads from a PNG, JPG or WEBP how it was made: from the JSON of this server, else from the lines that AUTOMATIC1111 and
 * many other tools write.
 *
 * @returns undefined where the file says nothing about that, or is damaged; never throws
 */
export function readRecipe(bytes: Uint8Array): FoundRecipe | undefined {
  try {
    const { parameters, json } = textsOf(bytes);
    return (json && fromJson(json)) || (parameters && fromLines(parameters)) || undefined;
  } catch {
    // A read past the end of a damaged file.
    return undefined;
  }
}

function textsOf(bytes: Uint8Array): Texts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 16) return {};
  if (view.getUint32(0) === 0x89504e47) return textsOfPng(bytes, view);
  if (view.getUint16(0) === 0xffd8) return textsOfJpg(bytes, view);
  if (latin(bytes, 0, 4) === 'RIFF' && latin(bytes, 8, 12) === 'WEBP') return textsOfWebp(bytes, view);
  return {};
}

function textsOfPng(bytes: Uint8Array, view: DataView): Texts {
  const found: Texts = {};
  for (let at = 8, chunks = 0; at + 12 <= bytes.length && chunks < maxChunks; chunks++) {
    const start = at + 8;
    const end = start + view.getUint32(at);
    if (end > bytes.length) break;
    const type = latin(bytes, at + 4, start);
    if ((type === 'tEXt' || type === 'iTXt') && end - start <= maxTextBytes) {
      const [keyword, text] = keyedText(bytes.subarray(start, end), type);
      if (keyword === 'parameters') found.parameters ??= text;
      if (keyword === 'latentwire') found.json ??= text;
    }
    if (type === 'IEND') break;
    at = end + 4;
  }
  return found;
}

/** PNG (third edition), 11.3.3. Compressed text is left alone: hardly a tool writes it. */
function keyedText(data: Uint8Array, type: 'tEXt' | 'iTXt'): [keyword: string, text: string | undefined] {
  const keywordEnd = data.indexOf(0);
  if (keywordEnd < 1 || keywordEnd > 79) return ['', undefined];
  const keyword = latin(data, 0, keywordEnd);
  if (type === 'tEXt') return [keyword, latin(data, keywordEnd + 1, data.length)];
  const isCompressed = data[keywordEnd + 1] !== 0;
  const languageEnd = data.indexOf(0, keywordEnd + 3);
  const translationEnd = languageEnd < 0 ? -1 : data.indexOf(0, languageEnd + 1);
  if (isCompressed || translationEnd < 0) return [keyword, undefined];
  return [keyword, utf8(data.subarray(translationEnd + 1))];
}

function textsOfJpg(bytes: Uint8Array, view: DataView): Texts {
  for (let at = 2, segments = 0; at + 4 <= bytes.length && segments < maxChunks; segments++) {
    const marker = view.getUint16(at);
    // What follows the start of scan is the picture.
    if (marker >> 8 !== 0xff || marker === 0xffda || marker === 0xffd9) break;
    const end = at + 2 + view.getUint16(at + 2);
    if (marker === 0xffe1 && end <= bytes.length && latin(bytes, at + 4, at + 10) === 'Exif\0\0') {
      return textsOfExif(bytes.subarray(at + 10, end));
    }
    at = Math.max(end, at + 4);
  }
  return {};
}

function textsOfWebp(bytes: Uint8Array, view: DataView): Texts {
  for (let at = 12, chunks = 0; at + 8 <= bytes.length && chunks < maxChunks; chunks++) {
    const start = at + 8;
    const length = view.getUint32(at + 4, true);
    if (start + length > bytes.length) break;
    if (latin(bytes, at, at + 4) === 'EXIF') {
      const block = bytes.subarray(start, start + length);
      // Some tools leave the header of a JPG's segment before it.
      return textsOfExif(latin(block, 0, 6) === 'Exif\0\0' ? block.subarray(6) : block);
    }
    at = start + length + (length % 2);
  }
  return {};
}

/** A TIFF block (Exif 2.32, 4.6): the description in its first folder, the comment in the one that this points to. */
function textsOfExif(block: Uint8Array): Texts {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const order = latin(block, 0, 2);
  if (order !== 'MM' && order !== 'II') return {};
  const isLittle = order === 'II';
  const first = folderOf(block, view, view.getUint32(4, isLittle), isLittle);
  const description = first.get(0x010e)?.value;
  const pointer = first.get(0x8769)?.offset;
  const comment = pointer === undefined ? undefined : folderOf(block, view, pointer, isLittle).get(0x9286)?.value;
  return {
    json: description && utf8(description),
    parameters: comment && commentText(comment, isLittle),
  };
}

interface FolderEntry {
  /** The four bytes of the entry as a number. */
  offset: number;
  /** Absent where it is not wholly in the block, or longer than a text may be. */
  value: Uint8Array | undefined;
}

function folderOf(block: Uint8Array, view: DataView, at: number, isLittle: boolean): Map<number, FolderEntry> {
  const folder = new Map<number, FolderEntry>();
  const count = Math.min(view.getUint16(at, isLittle), maxFolderEntries);
  for (let index = 0; index < count && at + 2 + (index + 1) * 12 <= block.length; index++) {
    const entry = at + 2 + index * 12;
    const length = view.getUint32(entry + 4, isLittle);
    const offset = view.getUint32(entry + 8, isLittle);
    // Up to four bytes stand in the entry itself.
    const start = length <= 4 ? entry + 8 : offset;
    const fits = length <= maxTextBytes && start + length <= block.length;
    folder.set(view.getUint16(entry, isLittle), {
      offset,
      value: fits ? block.subarray(start, start + length) : undefined,
    });
  }
  return folder;
}

/** Eight bytes name the encoding of a comment; tools disagree about the byte order of UTF-16, so the text itself decides. */
function commentText(comment: Uint8Array, isLittle: boolean): string | undefined {
  const code = latin(comment, 0, 8);
  const text = comment.subarray(8);
  if (code === 'ASCII\0\0\0' || code === '\0\0\0\0\0\0\0\0') return utf8(text);
  if (code !== 'UNICODE\0') return undefined;
  // The settings are Latin letters, whose upper byte is zero.
  let zeros = isLittle ? -0.5 : 0.5;
  for (const [at, byte] of text.entries()) if (byte === 0) zeros += at % 2 === 0 ? 1 : -1;
  return new TextDecoder(zeros > 0 ? 'utf-16be' : 'utf-16le').decode(upToZeros(text, 2));
}

function latin(bytes: Uint8Array, start: number, end: number): string {
  return new TextDecoder('latin1').decode(bytes.subarray(start, end));
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(upToZeros(bytes, 1));
}

/** Without the zeros that end a text. */
function upToZeros(bytes: Uint8Array, unit: 1 | 2): Uint8Array {
  let end = bytes.length - (bytes.length % unit);
  while (end >= unit && bytes[end - 1] === 0 && bytes[end - unit] === 0) end -= unit;
  return bytes.subarray(0, end);
}

/** Parameters of a task that the form has no field for, or that name another picture. */
const otherParameters = {
  positivePrompt2: 'second prompt',
  negativePrompt2: 'second negative prompt',
  clipSkip: 'CLIP skip',
  imageGuidanceScale: 'image guidance',
  shift: 'shift',
  refiner: 'refiner',
  seedImage: 'the picture it was made from',
  maskImage: 'mask',
  outpaint: 'extension',
};

function fromJson(text: string): FoundRecipe | undefined {
  let task: unknown;
  try {
    if (new StructureScan({ maxValues: 10_000, maxDepth: 20 }).exceeds(new TextEncoder().encode(text)))
      return undefined;
    task = parseJson(text);
  } catch {
    return undefined;
  }
  if (typeof task !== 'object' || task === null || Array.isArray(task)) return undefined;
  const { taskType, ...values } = task as Record<string, unknown>;
  if (taskType !== 'imageInference' || typeof values.positivePrompt !== 'string') return undefined;
  const { model, scheduler, vae, seed } = values;
  const named = Object.entries(otherParameters).filter(([name]) => values[name] !== undefined && values[name] !== '');
  return {
    positivePrompt: values.positivePrompt,
    negativePrompt: textIn(values.negativePrompt) ?? '',
    ...present({
      model: textIn(model),
      scheduler: textIn(scheduler),
      vae: textIn(vae),
      width: numberIn(values.width),
      height: numberIn(values.height),
      steps: numberIn(values.steps),
      CFGScale: numberIn(values.CFGScale),
      strength: numberIn(values.strength),
      seed: typeof seed === 'bigint' || Number.isSafeInteger(seed) ? digitsIn(String(seed)) : undefined,
    }),
    lora: companionsIn(values.lora),
    embeddings: companionsIn(values.embeddings),
    others: named.map(([, words]) => words),
  };
}

function companionsIn(list: unknown): { model: string; weight: number }[] {
  if (!Array.isArray(list)) return [];
  return list.slice(0, maxCompanions).flatMap((one: unknown) => {
    const { model, weight = 1 } = (one ?? {}) as Record<string, unknown>;
    const isRight = typeof model === 'string' && model !== '' && numberIn(weight) !== undefined;
    return isRight ? [{ model, weight: weight as number }] : [];
  });
}

/** With the space before it, and what shows that this space is not needed after it. */
const loraTag = /([ \t]?)<lora:([^<>\n]{1,300})>(?=([\s,]|$)?)/g;

/**
 * AUTOMATIC1111's form: the prompt, `Negative prompt: …`, and a line of settings. Extensions append lines like `Template: …`,
 * so the settings are the last line that begins as they do.
 */
function fromLines(text: string): FoundRecipe | undefined {
  const lines = text.split(/\r?\n/);
  const settingsAt = lines.findLastIndex((line) => /^\s*Steps: ?\d/.test(line));
  if (settingsAt < 0) return undefined;
  const settings = pairsOf(lines[settingsAt]!);
  const prompts = lines.slice(0, settingsAt);
  const marker = 'Negative prompt:';
  const negativeAt = prompts.findIndex((line) => line.startsWith(marker));
  const positive = (negativeAt < 0 ? prompts : prompts.slice(0, negativeAt)).join('\n').trim();
  const negative = negativeAt < 0 ? '' : prompts.slice(negativeAt).join('\n').slice(marker.length).trim();
  const lora: FoundRecipe['lora'] = [];
  const positivePrompt = positive.replace(loraTag, (tag, space: string, inside: string, after?: string) => {
    const colon = inside.lastIndexOf(':');
    const weight = colon > 0 ? numberIn(Number(inside.slice(colon + 1))) : undefined;
    if (lora.length >= maxCompanions) return tag;
    lora.push(weight === undefined ? { model: inside, weight: 1 } : { model: inside.slice(0, colon), weight });
    return after === undefined ? space : '';
  });
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(settings.get('Size') ?? '') ?? [];
  const schedule = settings.get('Schedule type');
  const sampler = settings.get('Sampler');
  const isNamed = schedule && !/^(automatic|normal)$/i.test(schedule) && !sampler?.endsWith(schedule);
  const number = (name: string) => {
    const value = settings.get(name);
    return value ? numberIn(Number(value)) : undefined;
  };
  return {
    positivePrompt: positivePrompt.trim(),
    negativePrompt: negative,
    ...present({
      model: settings.get('Model') || undefined,
      width: width ? Number(width) : undefined,
      height: height ? Number(height) : undefined,
      steps: number('Steps'),
      CFGScale: number('CFG scale'),
      scheduler: sampler && (isNamed ? `${sampler} ${schedule}` : sampler),
      seed: digitsIn(settings.get('Seed') ?? ''),
      strength: number('Denoising strength'),
      vae: settings.get('VAE') || undefined,
    }),
    lora,
    embeddings: [],
    others: [
      ...((number('Clip skip') ?? 1) > 1 ? ['CLIP skip'] : []),
      ...(settings.has('Hires upscale') || settings.has('Hires resize') ? ['upscaling'] : []),
      ...([...settings.keys()].some((name) => name.startsWith('ControlNet')) ? ['ControlNet'] : []),
      ...(settings.has('Refiner') ? ['refiner'] : []),
    ],
  };
}

/** `Name: value, Name: "quoted, as JSON"`. */
function pairsOf(line: string): Map<string, string> {
  const text = line.slice(0, maxLineLength);
  const pairs = new Map<string, string>();
  const pair = /\s*([^:,"]{1,60}):\s*("(?:\\.|[^"\\])*"(?=\s*(?:,|$))|[^,]*)(?:\s*,|$)/y;
  for (let count = 0; count < maxPairs && pair.lastIndex < text.length; count++) {
    const [whole, name, value] = pair.exec(text) ?? [];
    if (!whole) break;
    if (!pairs.has(name!)) pairs.set(name!, unquoted(value!.trim()));
  }
  return pairs;
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function numberIn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function digitsIn(value: string): string | undefined {
  return /^\d{1,20}$/.test(value) ? value : undefined;
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function present<T extends object>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>;
}
