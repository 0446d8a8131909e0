import { open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { readSafetensorsHeader, SafetensorsError, type StoredTensor } from '../files/safetensors.ts';
import { toFloats } from '../tensors/decode.ts';

/** Vectors that stand for one word, in order: `data` is [count, width]. */
export interface WordVectors {
  count: number;
  width: number;
  data: Float32Array;
}

/** A textual inversion: a word of its own and what each text encoder reads in its place. */
export interface Embedding {
  /** The word, without angle brackets. */
  name: string;
  vectors: {
    text_encoder?: WordVectors;
    text_encoder_2?: WordVectors;
    [otherEncoder: string]: WordVectors | undefined;
  };
}

/** Longer ones fill more than one row of a text encoder; published ones have up to 75. */
const mostVectors = 75;

/**
 * Reads a textual inversion from a safetensors file in one of three layouts: `emb_params` of AUTOMATIC1111's web UI;
 * `clip_l` and `clip_g` for SDXL's two encoders; or one tensor named like its token, as diffusers writes it. Each is
 * [count, width], or [width] for one vector, in F32, F16 or BF16.
 *
 * The word is the token where diffusers wrote one, else `name` of the file's metadata, else the file's name without its
 * ending.
 *
 * @throws {SafetensorsError} naming the file and the reason
 */
export async function readEmbedding(file: string): Promise<Embedding> {
  const { tensors, metadata } = await readSafetensorsHeader(file);
  const refuse = (reason: string) => new SafetensorsError(`${basename(file)} is not a textual inversion: ${reason}.`);
  const stem = basename(file, extname(file));
  const given = metadata.name?.trim() || stem;
  const read = (name: string, tensor: StoredTensor) => readVectors(name, tensor, refuse);

  const [first, second] = [tensors.get('clip_l'), tensors.get('clip_g')];
  if (first || second) {
    const vectors: Embedding['vectors'] = {};
    if (first) vectors.text_encoder = await read('clip_l', first);
    if (second) vectors.text_encoder_2 = await read('clip_g', second);
    return { name: wordOf(given, refuse), vectors };
  }
  const parameters = tensors.get('emb_params');
  if (parameters)
    return { name: wordOf(given, refuse), vectors: { text_encoder: await read('emb_params', parameters) } };
  const [only] = tensors;
  if (!only || tensors.size > 1) {
    throw refuse(`it holds ${tensors.size} tensors, and neither emb_params nor clip_l and clip_g are among them`);
  }
  const [token, tensor] = only;
  return { name: wordOf(token, refuse), vectors: { text_encoder: await read(token, tensor) } };
}

function wordOf(name: string, refuse: (reason: string) => Error): string {
  const word = name
    .trim()
    .replace(/^<(.+)>$/u, '$1')
    .trim();
  if (word === '' || word.length > 200) throw refuse('its token is empty or longer than 200 characters');
  return word;
}

async function readVectors(
  name: string,
  { dtype, shape, file, offset, length }: StoredTensor,
  refuse: (reason: string) => Error,
): Promise<WordVectors> {
  const label = `the tensor "${name.slice(0, 120)}"`;
  const [count, width] = shape.length === 1 ? [1, shape[0]!] : (shape as [number, number]);
  if (shape.length < 1 || shape.length > 2 || width < 1 || width > 65_536 || count < 1 || count > mostVectors) {
    const allowed = `allowed is [count, width] with 1 to ${mostVectors} vectors`;
    throw refuse(`${label} has shape [${shape.join(', ')}]; ${allowed}`);
  }
  const bytes = new Uint8Array(length);
  const handle = await open(file, 'r');
  try {
    const { bytesRead } = await handle.read(bytes, 0, length, offset);
    if (bytesRead !== length) throw refuse(`${label} is truncated`);
  } finally {
    await handle.close();
  }
  const data = ['F32', 'F16', 'BF16'].includes(dtype) ? toFloats(dtype, bytes.buffer) : undefined;
  if (!data) throw refuse(`${label} is stored as ${dtype}; allowed are F32, F16 and BF16`);
  if (!data.every(Number.isFinite)) throw refuse(`${label} has NaN or infinite values`);
  return { count, width, data };
}
