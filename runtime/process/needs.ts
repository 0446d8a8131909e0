import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { openCheckpoint, partFilesOf } from '../checkpoints/checkpoint.ts';
import { isEncoder } from '../checkpoints/configs.ts';
import { openImagePrompts } from '../checkpoints/imagePrompts.ts';
import { upscalerSizesOf } from '../checkpoints/upscaler.ts';
import { encoderNames } from '../families/family.ts';
import { locateWeights, networkStem, textStem } from '../files/locateWeights.ts';
import { matrixOf, widenedBytes } from '../files/packing.ts';
import { isGguf, readWeightsHeader } from '../files/weights.ts';
import type { UpscalerSizes } from '../graphs/upscaler.ts';
import { type HeldWeights, LANCZOS, type ModelParts, type RunRequest } from '../messages.ts';
import type { ModelTraits } from '../pipelines/calls.ts';
import { noWidths, type Widths, widthsOf, widthsOfExported } from './working.ts';

/** Bytes of weights, estimated from the files. */
export interface Weight {
  /** In the stored form. */
  stored: number;
  /** With every floating point number widened to float32, as the CPU computes. */
  widened: number;
  /** Number of weights. */
  count: number;
  /** Widths that determine the memory per pixel. */
  widths: Widths;
  /** Of a network that enlarges pictures. */
  upscaler?: UpscalerSizes | undefined;
  /** Of a whole model that could be opened: what decides about its branches. */
  traits?: Pick<ModelTraits, 'family' | 'input' | 'guidanceRule'>;
}

/** The models of a request: the main model and its refiner, or the network that enlarges. */
export function modelsOf(request: RunRequest): string[] {
  if (request.kind === 'upscale') return request.model === LANCZOS ? [] : [request.model];
  const { model, refiner } = request;
  return [...new Set([model, ...(refiner ? [refiner.model] : [])])];
}

/** The parts that were chosen for one of its models. */
export function partsOf(request: RunRequest, path: string): ModelParts {
  if (request.kind === 'upscale') return {};
  const { model, parts, refiner } = request;
  return (path === model ? parts : path === refiner?.model ? refiner.parts : undefined) ?? {};
}

/** Every folder and file that a request needs, the models first. */
export function filesOf(request: RunRequest): string[] {
  if (request.kind === 'upscale') return modelsOf(request);
  const { controlNets = [], imagePrompts = [], loras = [], embeddings = [], vae, previews } = request;
  return [
    ...new Set([
      ...modelsOf(request),
      ...modelsOf(request).flatMap((model) => partFilesOf(partsOf(request, model))),
      ...[...controlNets, ...imagePrompts].map(({ model }) => model),
      ...[...loras, ...embeddings].map(({ path }) => path),
      ...(vae === undefined ? [] : [vae]),
      ...(previews?.tinyDecoder === undefined ? [] : [previews.tinyDecoder]),
    ]),
  ];
}

/** Components of a model's folder; others, such as a safety checker, are never loaded. */
const componentFolders = [
  ...encoderNames,
  'image_encoder',
  'image_embedder',
  'unet',
  'transformer',
  'vae_encoder',
  'vae_decoder',
  'vae',
];

/**
 * Estimates the memory of models and their parts. Reads only names, sizes and headers, and headers only once for an
 * unchanged file. Unreadable files count as 0: the run reports the error.
 */
export class Scales {
  private readonly known = new Map<string, Weight & { size: number; mtimeMs: number }>();
  private readonly weights: HeldWeights;

  /** @param weights - form of the weights in memory */
  constructor(weights: HeldWeights = 'auto') {
    this.weights = weights;
  }

  /**
   * @param path - absolute; a folder of a model or of a single network, or one file
   * @param parts - of a model, chosen by name: they weigh by themselves
   */
  async weigh(path: string, parts: ModelParts = {}): Promise<Weight> {
    const sum: Weight = { stored: 0, widened: 0, count: 0, widths: { ...noWidths } };
    const names = await namesIn(path);
    const isModel = names === undefined || names.includes('model_index.json');
    // Of one that cannot be opened, the run says why.
    const model = isModel ? await openCheckpoint(path, parts).catch(() => undefined) : undefined;
    if (model) {
      const { family, input } = model;
      sum.traits = { family: family.name, input, guidanceRule: family.guidanceRule(model) };
    }
    const chosen = partFilesOf(parts);
    for (const file of await weightFiles(path, names, model?.partFiles)) {
      if (chosen.some((part) => file === part || dirname(file) === part)) continue;
      const { stored, widened, count, widths, upscaler } = await this.weighFile(file);
      if (upscaler) sum.upscaler = upscaler;
      sum.count += count;
      sum.stored += stored;
      sum.widened += widened;
      for (const network of Object.keys(widths) as (keyof Widths)[]) sum.widths[network] += widths[network];
    }
    return sum;
  }

  /**
   * Estimates what the heaviest network of a model weighs, or its text encoders together: what has to be in memory at once
   * where the networks take turns. The model as a whole where its files cannot be opened.
   */
  async weighPhase(path: string, parts: ModelParts | undefined, whole: Weight): Promise<Weight> {
    try {
      const checkpoint = await openCheckpoint(path, parts);
      const phases = { texts: 0, largest: 0 };
      for (const component of checkpoint.components) {
        const source = await checkpoint.component(component);
        // How an exported graph is divided is not known without loading it.
        if (source.kind === 'onnx') return whole;
        let bytes = 0;
        for (const tensor of source.tensors.values()) bytes += widenedBytes(tensor, this.weights);
        if (isEncoder(component)) phases.texts += bytes;
        else phases.largest = Math.max(phases.largest, bytes);
      }
      const widened = Math.max(phases.texts, phases.largest);
      return { ...whole, widened, stored: Math.min(whole.stored, widened) };
    } catch {
      return whole;
    }
  }

  private async weighFile(file: string): Promise<Weight> {
    try {
      const { size, mtimeMs } = await stat(file);
      const known = this.known.get(file);
      if (known?.size === size && known.mtimeMs === mtimeMs) return known;
      const weight = { stored: size, ...(await readWeight(file, size, this.weights)), size, mtimeMs };
      this.known.set(file, weight);
      return weight;
    } catch {
      return { stored: 0, widened: 0, count: 0, widths: noWidths };
    }
  }
}

/** The weight files that are loaded: one form of each component. */
async function weightFiles(
  path: string,
  names: readonly string[] | undefined,
  partFiles: readonly string[] | undefined,
): Promise<string[]> {
  if (!names) {
    const others = partFiles ?? (await openImagePrompts(path).catch(() => undefined))?.partFiles ?? [];
    return [path, ...others];
  }
  if (!names.includes('model_index.json')) return chosenOf(path, names);
  const chosen: string[] = [];
  let hasOnnxDecoder = false;
  for (const folder of componentFolders.filter((name) => names.includes(name))) {
    if (folder === 'vae' && hasOnnxDecoder) continue;
    const files = await chosenOf(join(path, folder), (await namesIn(join(path, folder))) ?? []);
    hasOnnxDecoder ||= folder === 'vae_decoder' && files.length > 0;
    chosen.push(...files);
  }
  return chosen;
}

/** ONNX before safetensors; of those, the file that would be loaded. */
async function chosenOf(folder: string, names: readonly string[]): Promise<string[]> {
  const onnx = names.filter((name) => /^model\.onnx|\.onnx[._]data$|^weights\.pb$/.test(name));
  if (onnx.length > 0) return onnx.map((name) => join(folder, name));
  const stem = /^(text|image)_encoder/.test(basename(folder)) ? textStem : networkStem;
  const file = await locateWeights(folder, stem, basename(folder)).catch(() => undefined);
  if (file === undefined) return [];
  return file.endsWith('.json') ? shardsOf(file) : [file];
}

async function shardsOf(index: string): Promise<string[]> {
  try {
    const { weight_map: shards } = JSON.parse(await readFile(index, 'utf8')) as { weight_map: Record<string, string> };
    return [...new Set(Object.values(shards))].map((name) => join(dirname(index), name));
  } catch {
    return [];
  }
}

async function readWeight(file: string, size: number, weights: HeldWeights): Promise<Omit<Weight, 'stored'>> {
  // ONNX graphs keep their exported precision.
  if (!file.endsWith('.safetensors') && !isGguf(file)) {
    return { widened: size, count: size / 4, widths: await widthsOfExported(file) };
  }
  const { tensors } = await readWeightsHeader(file);
  let [widened, count] = [0, 0];
  for (const tensor of tensors.values()) {
    const [rows, columns] = matrixOf(tensor);
    widened += widenedBytes(tensor, weights);
    count += rows * columns;
  }
  return { widened, count, widths: widthsOf(tensors), upscaler: upscalerSizesOf(tensors) };
}

/** Undefined if it is not a folder. */
async function namesIn(path: string): Promise<string[] | undefined> {
  return readdir(path).catch(() => undefined);
}
