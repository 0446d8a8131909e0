import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseLoraKey } from '../../runtime/addons/loraKeys.ts';
import type { LoraAlias } from '../../runtime/families/family.ts';
import { readStoredTensors } from '../../runtime/files/safetensors.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';
import { modelsFolder, type Recorded } from './goldens.ts';
import { readContents, writeSafetensors } from './singleFile.ts';

export interface TokenizerCase {
  prompt: string;
  text: string;
  ids: number[];
}

interface Goldens {
  tokenizer: { addedTokens: Record<string, number>; maxLength: number; padId: number; cases: TokenizerCase[] };
  vae: {
    image: Recorded;
    latentMean: Recorded;
    latentLogvar: Recorded;
    latents: Recorded;
    decoded: Recorded;
    patchifiedNormalized: Recorded;
    patchified: Recorded;
  };
  lora: { weight: number; outputOfTransformerCase: Recorded; kohyaOutputOfTransformerCase: Recorded };
}

interface ZImageCall {
  latents: Recorded;
  t: number;
  captionFeatures: Recorded;
  output: Recorded;
}

export interface ZImageGoldens extends Goldens {
  textEncoder: { embeddings: Recorded; takenHiddenState: Recorded; afterLastLayerAndNorm: Recorded };
  transformer: ZImageCall & { imagePositions: number[][]; captionPositions: number[][] };
  transformerWithoutPadding: ZImageCall;
  textToImage: RecordedRun;
  textToImageGuided: Omit<RecordedRun, 'initialNoise'> & {
    negativePrompt: string;
    finalWithCfgNormalization1: Recorded;
    'finalWithCfgTruncation0.3': Recorded;
  };
  imageToImage: Omit<RecordedRun, 'initialNoise'> & {
    source: string;
    strength: number;
    seed: number;
    noised: Recorded;
    image: string;
  };
  pictures: RecordedPicture[];
}

interface RecordedRun {
  prompt: string;
  guidanceScale: number;
  steps: number;
  sigmas: number[];
  initialNoise: Recorded;
  latents: Recorded[];
}

export interface RecordedPicture {
  prompt: string;
  negativePrompt?: string | null;
  guidanceScale: number;
  steps: number;
  width: number;
  height: number;
  sizeGiven?: boolean;
  references?: string[];
  seed: number;
  image: string;
}

export interface Flux2Goldens extends Goldens {
  textEncoder: { realTokens: number; embeddings: Recorded; last4Rows: Recorded; sumOfAll: number };
  transformer: {
    tokens: Recorded;
    latentHeight: number;
    latentWidth: number;
    text: Recorded;
    timestep: number;
    imageIds: number[][];
    textIds: number[][];
    output: Recorded;
  };
  sigmas: { imageTokens: number; steps: number; mu: number; sigmas: number[] }[];
  textToImage: RecordedRun;
  withReference: Omit<RecordedRun, 'initialNoise'> & {
    references: string[];
    referenceTokens: Recorded;
    referenceIds: number[][];
    stepsRecorded: number[];
  };
  withTwoReferences: {
    references: string[];
    steps: number;
    guidanceScale: number;
    referenceIdsOfSecond: number[][];
    finalDenormalizedUnpatchified: Recorded;
  };
  pictures: RecordedPicture[];
}

export type Flux2Model = 'tiny-flux2-klein' | 'tiny-flux2-klein-base';
export type TransformerModel = 'tiny-z-image' | Flux2Model | 'tiny-flux-dev' | 'tiny-flux-schnell' | 'tiny-sd3';

export function readTransformerGoldens(model: 'tiny-z-image'): ZImageGoldens;
export function readTransformerGoldens(model: Flux2Model): Flux2Goldens;
export function readTransformerGoldens(model: string): unknown {
  return readJsonArchive(model);
}

/** A compressed JSON file beside the tiny models, by its name without the endings. */
export function readJsonArchive<T>(name: string): T {
  return JSON.parse(gunzipSync(readFileSync(join(modelsFolder, `${name}.json.gz`))).toString('utf8')) as T;
}

export function folderOf(model: TransformerModel, part: string): string {
  return join(modelsFolder, model, part);
}

/** Ids of one row, and the mask that hides what fills it. */
export function rowFeeds(ids: readonly number[], length: number, pad: number): Record<string, Tensor> {
  const row = [...ids, ...new Array<number>(length - ids.length).fill(pad)];
  const mask = Int32Array.from(row, (_, at) => (at < ids.length ? 1 : 0));
  return {
    input_ids: int64s(row, [1, length]),
    attention_mask: { dtype: 'int32', dims: [1, length], data: mask },
  };
}

/** [positions, channels] → [channels, positions], or back with the sizes exchanged. */
export function turnedRows({ data }: Recorded, rows: number): Float32Array {
  const columns = data.length / rows;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) out[column * rows + row] = data[row * columns + column]!;
  }
  return out;
}

interface RecordedFile {
  sha256: string;
  metadata: Record<string, string> | null;
  /** Which tensors of the folder lie in each, one below the other: `part/name`, `part/name[from:to]` or `base64:…`. */
  tensors: [name: string, dtype: string, shape: number[], parts: string[]][];
}

const stems: Record<string, string> = {
  transformer: 'diffusion_pytorch_model',
  text_encoder: 'model',
  text_encoder_2: 'model',
  text_encoder_3: 'model',
  vae: 'diffusion_pytorch_model',
};

/**
 * Makes one of the files in the original layout again, byte by byte, from the folder with the same weights.
 *
 * @param name - such as `tiny-z-image/vae/ae`
 */
export async function writeTransformerFile(name: string, file: string): Promise<void> {
  const { sha256, metadata, tensors } = ['transformer-files', 'flux-files']
    .map((archive) => readJsonArchive<Record<string, RecordedFile>>(archive)[name])
    .find((recorded) => recorded !== undefined)!;
  const folder = join(modelsFolder, name.slice(0, name.indexOf('/')));
  const held = new Map<string, Awaited<ReturnType<typeof readContents>>>();
  const bytesOf = async (part: string): Promise<Uint8Array> => {
    if (part.startsWith('base64:')) return Buffer.from(part.slice(7), 'base64');
    const [, component, tensor, from, to] = /^([^/]+)\/([^[]+)(?:\[(\d+):(\d+)\])?$/.exec(part)!;
    const contents =
      held.get(component!) ?? (await readContents(join(folder, component!, `${stems[component!]}.safetensors`)));
    held.set(component!, contents);
    const { bytes, shape } = contents.get(tensor!)!;
    if (from === undefined) return bytes;
    const row = bytes.length / shape[0]!;
    return bytes.subarray(Number(from) * row, Number(to) * row);
  };
  const made: [string, { dtype: string; shape: number[]; bytes: Uint8Array }][] = [];
  for (const [tensor, dtype, shape, parts] of tensors) {
    made.push([tensor, { dtype, shape, bytes: Buffer.concat(await Promise.all(parts.map(bytesOf))) }]);
  }
  await writeSafetensors(file, made, metadata ?? undefined, 'compact');
  const digest = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  if (digest !== sha256) throw new Error(`The file ${name} came out differently: ${digest}.`);
}

/** The names of a module's LoRAs beside its own path, and its rows of what they name. */
type Aliases = (path: string) => readonly LoraAlias[];

/**
 * What a graph that takes LoRAs is fed with for one: the matrices of its file, and zeros for all other layers.
 *
 * @returns the feeds, and the layers of the file that no module of the graph has
 */
export async function loraFeeds(
  graph: Graph,
  file: string,
  weight: number,
  aliases: Aliases,
): Promise<{ feeds: Record<string, Tensor>; left: string[] }> {
  const layers = new Map<string, Partial<Record<string, { shape: readonly number[]; data: Float32Array }>>>();
  const bytes = readFileSync(file);
  for (const [key, { offset, length, shape }] of await readStoredTensors(file)) {
    const { layer, part } = parseLoraKey(key)!;
    const data = new Float32Array(new Uint8Array(bytes.subarray(offset, offset + length)).buffer);
    layers.set(layer, { ...layers.get(layer), [part]: { shape, data } });
  }
  const feeds: Record<string, Tensor> = {};
  const left = new Set(layers.keys());
  for (const { name, shape } of graph.inputs) {
    const [, path, part] = /^(.+)\.lora_(down|up)$/.exec(name) ?? [];
    if (path === undefined || part !== 'down') continue;
    const [inner, out] = [shape[0] as number, graph.inputs.find((each) => each.name === `${path}.lora_up`)!.shape[1]];
    const names = [{ name: path, rows: undefined }, ...aliases(path)].flatMap(({ name, rows }) => [
      { name: `transformer.${name}`, rows },
      { name: `diffusion_model.${name}`, rows },
      { name: `lora_unet_${name.replaceAll('.', '_')}`, rows },
    ]);
    const found = names.find((each) => layers.has(each.name));
    if (!found) {
      feeds[`${path}.lora_down`] = floats(new Float32Array(inner), [inner, 1]);
      feeds[`${path}.lora_up`] = floats(new Float32Array(out as number), [1, out as number]);
      continue;
    }
    left.delete(found.name);
    const { down, up, alpha } = layers.get(found.name)!;
    const rank = down!.shape[0]!;
    const scale = weight * (alpha ? alpha.data[0]! / rank : 1);
    const [from, to] = found.rows ?? [0, up!.shape[0]!];
    feeds[`${path}.lora_down`] = floats(turnedRows({ shape: [], data: [...down!.data] }, rank), [inner, rank]);
    const own = [...up!.data.subarray(from * rank, to * rank)].map((value) => value * scale);
    feeds[`${path}.lora_up`] = floats(turnedRows({ shape: [], data: own }, to - from), [rank, to - from]);
  }
  return { feeds, left: [...left] };
}
