import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type Architecture,
  type Component,
  type Config,
  type DenoiserInput,
  type GuidanceRule,
  type ModelSettings,
  type NetworkKind,
  tokenizerOf,
} from '../families/family.ts';
import {
  architectureOfControlNet,
  architectureOfScaling,
  familyOfArchitecture,
  familyOfFile,
  imagePromptKindOf,
  networkOf,
} from '../families/index.ts';
import { isWeightsFile, weightsStem } from '../files/names.ts';
import { inspectOnnxFile, type OnnxFile } from '../files/onnxFile.ts';
import { ROUNDING_ERROR, roundedAnew } from '../files/packing.ts';
import { inPart, isFile, isFolder, isPickle, ModelError, pickleReason, readJson } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { readWeightsHeader } from '../files/weights.ts';
import { type AutoencoderTinyConfig, writeTinyDecoder } from '../graphs/autoencoderTiny.ts';
import { checkShapes } from '../graphs/checkShapes.ts';
import type { UpscalerSizes } from '../graphs/upscaler.ts';
import { type Checkpoint, openCheckpoint, type PartPlaces, partFilesOf } from './checkpoint.ts';
import { componentLabel, isEncoder } from './configs.ts';
import { classNameOf, readFolderSettings, readIndex } from './folder.ts';
import { openImagePrompts } from './imagePrompts.ts';
import { type Kind, recognise } from './kinds.ts';
import { openPart, type PartKind, partClasses } from './part.ts';
import { readSettings } from './settings.ts';
import { openUpscaler } from './upscaler.ts';

/** What a folder or file of the models directory holds and, if it cannot be used, why. */
export interface ModelDescription {
  /** Absolute path, of a folder or of a file. */
  folder: string;
  kind: Kind;
  /** Told by the width of the text states; tiny and cropped models by their structure. */
  architecture: Architecture;
  name: string;
  description?: string;
  license?: string;
  /**
   * `_class_name` of `model_index.json`, without the prefixes that exporters add, or of a part's `config.json`; empty if
   * unreadable. A single file has that of the pipeline it fits.
   */
  className: string;
  /** Name of the family that runs it, or `unknown`. */
  family: string;
  available: boolean;
  /** Why it is not available, or what was assumed; a sentence. */
  reason?: string;
  /** Present and true for a model without an autoencoder: each request has to name one. */
  lacksVae?: boolean;
  /** Present and true for a refiner, which only continues what another model began. */
  refiner?: boolean;
  layout: 'onnx' | 'safetensors' | 'mixed';
  /** How the denoiser's (or the part's) weights are stored: float32, float16, bfloat16, … */
  precision: string;
  /** Bytes of all weights on disk. */
  sizeBytes: number;
  /** Smallest step of width and height, in pixels. */
  sizeMultiple: number;
  defaultWidth: number;
  defaultHeight: number;
  defaultSteps: number;
  defaultGuidanceScale: number;
  defaultStrength: number;
  /** When a task for it has an unconditional branch. */
  guidanceRule: GuidanceRule;
  /** What its denoiser is given beside the text. */
  input: DenoiserInput;
  /** Most pictures that a prompt may refer to; 0 for models without references. */
  mostReferences: number;
  /** Whether inpainting leaves the pixels that the mask keeps as they are. */
  keepsPixels: boolean;
  /** How its steps can be spared. */
  caches: readonly ('deepCache' | 'fbCache')[];
  /** Pixels that each of them may have; larger ones are scaled down. */
  mostReferencePixels?: number;
  /** `_class_name` of the model's own scheduler. */
  defaultScheduler: string;
  /** Channels of the latents that it makes or takes, where a config says it. */
  latentChannels?: number;
  /** Name or AIR of the tiny decoder that its settings choose for previews. */
  tinyDecoder?: string;
  /** Absolute path of the tiny decoder that it brings, the subfolder `tiny_decoder`. */
  ownTinyDecoder?: string;
  /** Of a network that enlarges pictures. */
  upscaler?: UpscalerSizes;
  tags: string[];
}

/**
 * Says what a folder or file holds, reading configs and headers only: no native code, and never an exception. Every part
 * is checked as far as that allows (configs, headers, offsets, names and shapes of tensors), so that a broken model is
 * found when the server starts and not in the middle of a task.
 *
 * @param path - absolute
 */
export async function describeModel(path: string, places: PartPlaces = {}): Promise<ModelDescription> {
  const description = emptyDescription(path);
  try {
    if (await isFolder(path)) await describeFolder(description, path, places);
    else await describeFile(description, path, places);
    if (description.kind !== 'checkpoint' && partFilesOf(places).length > 0) {
      throw new ModelError('Only a checkpoint can have text encoders and an autoencoder.');
    }
    description.available = true;
  } catch (error) {
    description.reason = error instanceof Error ? error.message : String(error);
  }
  return description;
}

/** What is said of something before it is read: nothing, and that it is not available. */
export function emptyDescription(path: string): ModelDescription {
  return {
    folder: path,
    kind: 'checkpoint',
    architecture: 'unknown',
    name: weightsStem(basename(path)),
    className: '',
    family: 'unknown',
    available: false,
    layout: 'safetensors',
    precision: 'unknown',
    sizeBytes: 0,
    sizeMultiple: 8,
    defaultWidth: 512,
    defaultHeight: 512,
    defaultSteps: 20,
    defaultGuidanceScale: 7.5,
    defaultStrength: 0.8,
    guidanceRule: 'above 1',
    input: 'latents',
    mostReferences: 0,
    keepsPixels: true,
    caches: [],
    defaultScheduler: '',
    tags: [],
  };
}

async function describeFolder(description: ModelDescription, folder: string, places: PartPlaces): Promise<void> {
  const hasIndex = await isFile(join(folder, 'model_index.json'));
  const config = hasIndex ? undefined : await readJson(join(folder, 'config.json'));
  applySettings(description, await readFolderSettings(folder));
  if (!config) {
    const pickled = hasIndex ? undefined : (await readdir(folder)).find(isPickle);
    if (pickled)
      throw new ModelError(`The folder has no model_index.json, and ${pickled} cannot be used: ${pickleReason}`);
    description.className = classNameOf(await readIndex(folder));
    const imagePrompt = imagePromptKindOf(description.className);
    if (imagePrompt) return describeImagePrompts(description, imagePrompt.architecture);
    return describeCheckpoint(description, places);
  }
  description.className = typeof config._class_name === 'string' ? config._class_name : '';
  const kind = (Object.keys(partClasses) as PartKind[]).find((each) =>
    partClasses[each].includes(description.className),
  );
  if (!kind) {
    const supported = Object.values(partClasses).flat().join(', ');
    throw new ModelError(
      `config.json says ${description.className || 'no _class_name'}; a folder without model_index.json must hold one of: ${supported}.`,
    );
  }
  await describePart(description, kind);
}

async function describeFile(description: ModelDescription, file: string, places: PartPlaces): Promise<void> {
  const name = basename(file);
  if (isPickle(name)) throw new ModelError(`${name} cannot be used: ${pickleReason}`);
  if (!(await isFile(file))) throw new ModelError(`There is no folder or file ${file}.`);
  const { tensors, metadata } = await readWeightsHeader(file);
  const { kind, architecture, reason, note } = recognise(name, tensors, metadata);
  description.kind = kind;
  if (reason !== undefined) throw new ModelError(reason);
  if (kind === 'checkpoint') {
    // Told also of what cannot be used.
    description.family = familyOfFile(tensors)?.name ?? 'unknown';
    return describeCheckpoint(description, places);
  }
  const title = metadata['modelspec.title'];
  if (title) description.name = title;
  applySettings(description, await readSettings(`${file}.json`));
  if (kind === 'vae') return describePart(description, kind);
  if (kind === 'ipAdapter') return describeImagePrompts(description, architecture, places.besides);
  if (kind === 'upscaler') await describeUpscaler(description);
  if (note !== undefined) description.reason = note;
  description.architecture = architecture;
  description.family = familyOfArchitecture(architecture);
  description.precision = precisionOf(tensors);
  description.sizeBytes = (await stat(file)).size;
}

function applySettings(description: ModelDescription, settings: ModelSettings): void {
  if (settings.name) description.name = settings.name;
  if (settings.description) description.description = settings.description;
  if (settings.license) description.license = settings.license;
  description.tags = settings.tags ?? [];
}

async function describeCheckpoint(description: ModelDescription, places: PartPlaces): Promise<void> {
  const checkpoint = await openCheckpoint(description.folder, places);
  const { settings, configs, family } = checkpoint;
  applySettings(description, settings);
  description.className = checkpoint.className;
  description.family = family.name;
  description.architecture = family.architecture(checkpoint);
  if (checkpoint.refiner) description.refiner = true;
  if (checkpoint.lacksVae) description.lacksVae = true;
  description.sizeMultiple = checkpoint.sizeMultiple;
  description.guidanceRule = family.guidanceRule(checkpoint);
  description.input = checkpoint.input;
  const { deepCache, firstBlockCache } = family.takes;
  description.caches = [
    ...(deepCache ? (['deepCache'] as const) : []),
    ...(firstBlockCache ? (['fbCache'] as const) : []),
  ];
  description.keepsPixels = family.keepsPixels ?? true;
  description.mostReferences = checkpoint.input === 'latents' ? (family.mostReferences ?? 0) : 0;
  if (family.mostReferencePixels !== undefined) description.mostReferencePixels = family.mostReferencePixels;
  if (typeof configs.vae.latent_channels === 'number') description.latentChannels = configs.vae.latent_channels;
  if (settings.tinyDecoder) description.tinyDecoder = settings.tinyDecoder;
  const defaults = family.defaults(checkpoint);
  description.defaultWidth = settings.defaultWidth ?? defaults.width;
  description.defaultHeight = settings.defaultHeight ?? defaults.height;
  description.defaultSteps = settings.defaultSteps ?? defaults.steps;
  description.defaultGuidanceScale = settings.defaultGuidanceScale ?? defaults.guidanceScale;
  description.defaultStrength = defaults.strength;
  checkDefaults(description);
  const scheduler = configs.scheduler._class_name;
  description.defaultScheduler = typeof scheduler === 'string' ? scheduler : '';
  // A single file never says it, and the family's is the published one.
  if (checkpoint.lacksVae) {
    description.reason = 'It has no autoencoder (VAE), so a task must name one.';
  } else if (
    typeof configs.vae.scaling_factor !== 'number' &&
    // An autoencoder that normalizes by its own statistics has none.
    family.latents.scalingFactor !== 1 &&
    !isWeightsFile(description.folder)
  ) {
    description.reason = `No config has the autoencoder's scaling factor. The default of its family is used: ${checkpoint.scalingFactor}.`;
  }

  if (checkpoint.partFiles?.length) {
    description.reason = [description.reason, putTogether(checkpoint.partFiles)].filter(Boolean).join(' ');
  }

  const kinds = new Set<string>();
  const counted = new Map<string, number>();
  const wordsOf = new Map<Component, number>();
  const rounded = new Map<Component, string>();
  for (const component of checkpoint.components) {
    const part = await inspect(checkpoint, component);
    kinds.add(part.kind);
    for (const [file, bytes] of part.files) counted.set(file, bytes);
    if (component === 'denoiser') description.precision = part.precision;
    if (part.words !== undefined) wordsOf.set(component, part.words);
    if (part.rounded !== undefined) rounded.set(component, part.rounded);
  }
  const tinyDecoder = join(description.folder, 'tiny_decoder');
  if (await isFolder(tinyDecoder)) {
    const { tensors, config } = await openPart(tinyDecoder, 'tinyVae');
    await checkPart('tinyVae', config, tensors, 'tiny_decoder');
    for (const [file, bytes] of await sizesOf(tensors)) counted.set(file, bytes);
    description.ownTinyDecoder = tinyDecoder;
  }
  for (const bytes of counted.values()) description.sizeBytes += bytes;
  if (rounded.size > 0) {
    const parts = [...rounded]
      .map(([component, dtype]) => `${componentLabel(checkpoint, component)} (${dtype})`)
      .join(' and ');
    const note = `The weights of its ${parts} are rounded to 8 bits, with a relative error of ${100 * ROUNDING_ERROR} %.`;
    description.reason = [description.reason, note].filter(Boolean).join(' ');
  }
  description.layout = kinds.size > 1 ? 'mixed' : kinds.has('onnx') ? 'onnx' : 'safetensors';
  for (const encoder of checkpoint.components.filter(isEncoder)) {
    const name = tokenizerOf(encoder);
    const { folder } = await checkpoint.tokenizer(name);
    if (folder === undefined) continue;
    const highest = await family.networks[encoder]!.checkTokenizer(folder, name);
    const words = wordsOf.get(encoder);
    if (words === undefined || highest < words) continue;
    throw new ModelError(
      `The ${name} cannot be used: it has ids up to ${highest}, but the text encoder knows ${words} words. It belongs to another model.`,
    );
  }
}

function putTogether(files: readonly string[]): string {
  return `It uses the files ${files.map((file) => basename(file)).join(', ')}.`;
}

/** Sizes by default must be ones that the model takes. */
function checkDefaults({ defaultWidth, defaultHeight, sizeMultiple }: ModelDescription): void {
  for (const [field, value] of Object.entries({ defaultWidth, defaultHeight })) {
    if (value % sizeMultiple === 0) continue;
    throw new ModelError(
      `The settings say ${field}: ${value}; it must be a multiple of ${sizeMultiple} for this model.`,
    );
  }
}

async function describePart(description: ModelDescription, kind: PartKind): Promise<void> {
  description.kind = kind;
  const { tensors, config } = await openPart(description.folder, kind);
  // A single file says no class; its kind has a first one.
  description.className ||= partClasses[kind][0]!;
  description.architecture =
    kind === 'controlNet' ? architectureOfControlNet(config) : architectureOfScaling(config.scaling_factor);
  description.family = familyOfArchitecture(description.architecture);
  if (typeof config.latent_channels === 'number') description.latentChannels = config.latent_channels;
  description.precision = precisionOf(tensors);
  for (const bytes of (await sizesOf(tensors)).values()) description.sizeBytes += bytes;
  await checkPart(kind, config, tensors, 'network');
}

async function describeUpscaler(description: ModelDescription): Promise<void> {
  const { className, sizes } = await openUpscaler(description.folder);
  description.className = className;
  description.upscaler = sizes;
}

/** What makes words of pictures. */
async function describeImagePrompts(
  description: ModelDescription,
  architecture: Architecture,
  besides?: readonly string[],
): Promise<void> {
  description.kind = 'ipAdapter';
  description.architecture = architecture;
  description.family = familyOfArchitecture(architecture);
  const { kind, encoder, embedder, partFiles } = await openImagePrompts(description.folder, besides);
  description.className = kind.pipeline ?? '';
  if (partFiles) description.reason = putTogether(partFiles);
  description.precision = precisionOf(embedder.tensors);
  for (const { tensors } of [encoder, embedder]) {
    for (const bytes of (await sizesOf(tensors)).values()) description.sizeBytes += bytes;
  }
}

/** Its graph is written only to be checked. */
async function checkPart(
  kind: PartKind,
  config: Record<string, unknown>,
  tensors: StoredTensors,
  name: string,
): Promise<void> {
  await inPart(name, () => writePart(kind, config, tensors));
}

function writePart(kind: PartKind, config: Config, tensors: StoredTensors): void {
  if (kind === 'tinyVae') {
    writeTinyDecoder(config as AutoencoderTinyConfig, tensors);
    checkShapes(tensors);
    return;
  }
  for (const name of kind === 'vae' ? (['vae_encoder', 'vae_decoder'] as const) : (['controlNet'] as const)) {
    const network = networkOf(name, config._class_name);
    network?.write(config, tensors, {});
    network?.check?.(config, tensors);
  }
}

interface Inspected {
  kind: 'onnx' | 'safetensors';
  precision: string;
  /** Bytes by absolute path. */
  files: Map<string, number>;
  /** That a text encoder knows, where that is told. */
  words?: number | undefined;
  /** How weights are stored that are held in 8 bits only after rounding. */
  rounded?: string | undefined;
}

function inspect(checkpoint: Checkpoint, component: Component): Promise<Inspected> {
  const network = checkpoint.family.networks[component]!;
  return inPart(componentLabel(checkpoint, component), async () => {
    const source = await checkpoint.component(component);
    if (source.kind === 'onnx') {
      const onnx = await inspectOnnxFile(source.file);
      checkInputs(onnx, network);
      return { kind: 'onnx', precision: onnxPrecision(onnx), files: new Map([[source.file, onnx.sizeBytes]]) };
    }
    // Writing takes milliseconds, and says which tensor or setting does not fit.
    network.write(source.config, source.tensors, {});
    network.check?.(source.config, source.tensors);
    return {
      kind: 'safetensors',
      precision: precisionOf(source.tensors),
      rounded: roundedAnew(source.tensors),
      files: await sizesOf(source.tensors),
      words: isEncoder(component) ? checkpoint.family.networks[component]?.wordsOf(source.tensors) : undefined,
    };
  });
}

function checkInputs(onnx: OnnxFile, { input }: NetworkKind): void {
  const names = onnx.inputs.map(({ name }) => name);
  if (names.includes(input)) return;
  throw new ModelError(`model.onnx has no input ${input}; its inputs are ${names.join(', ')}.`);
}

async function sizesOf(tensors: StoredTensors): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  for (const file of new Set([...tensors.values()].map((tensor) => tensor.file))) {
    files.set(file, (await stat(file)).size);
  }
  return files;
}

function onnxPrecision({ weightBytes }: OnnxFile): string {
  const names: Record<number, string> = {
    1: 'float32',
    2: 'uint8',
    3: 'int8',
    10: 'float16',
    11: 'float64',
    16: 'bfloat16',
  };
  const [largest] = [...weightBytes].sort(([, a], [, b]) => b - a);
  return names[largest?.[0] ?? 0] ?? 'unknown';
}

function precisionOf(tensors: StoredTensors): string {
  const bytes = new Map<string, number>();
  for (const { dtype, length } of tensors.values()) bytes.set(dtype, (bytes.get(dtype) ?? 0) + length);
  const [largest] = [...bytes].sort(([, a], [, b]) => b - a);
  const names: Record<string, string> = {
    ...{ F32: 'float32', F16: 'float16', BF16: 'bfloat16', F64: 'float64' },
    ...{ F8_E4M3: 'float8 (e4m3)', F8_E5M2: 'float8 (e5m2)' },
  };
  return names[largest?.[0] ?? ''] ?? largest?.[0] ?? 'unknown';
}
