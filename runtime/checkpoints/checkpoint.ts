import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { inspectOnnxFile, type OnnxFile } from '../files/onnxFile.ts';
import { inPart, isFile, isFolder, isPickle, ModelError, pickleReason, readJson } from '../files/reading.ts';
import { readSafetensorsHeader, type StoredTensors } from '../files/safetensors.ts';
import { type AutoencoderTinyConfig, writeTinyDecoder } from '../graphs/autoencoderTiny.ts';
import { type ControlNetConfig, writeControlNet } from '../graphs/controlNet.ts';
import { type ComponentSource, type SafetensorsSource, writeComponent } from './component.ts';
import {
  type Component,
  type Family,
  type ModelConfigs,
  type ModelSettings,
  readSettings,
  type TokenizerName,
  type TokenizerSource,
} from './configs.ts';
import { checkTokenizer, classNameOf, openFolder, readFolderSettings, readIndex } from './folder.ts';
import { type Architecture, architectureOfWidth, type Kind, recognise } from './kinds.ts';
import { openPart, type PartKind, partClasses } from './part.ts';
import { checkShapes } from './shapes.ts';
import { openSingleFile } from './singleFile.ts';

export { ModelError } from '../files/reading.ts';
export type { ComponentSource } from './component.ts';
export type { Component, ModelConfigs } from './configs.ts';
export type { Architecture, Kind } from './kinds.ts';
export { openPart } from './part.ts';

/** A whole model as it lies on disk: what its files say, and where the weights are. */
export interface Checkpoint extends ModelConfigs {
  /** As given to `openCheckpoint`. */
  readonly path: string;
  /** @throws {ModelError} naming the part and the reason, also for components that this model does not have */
  component(component: Component): Promise<ComponentSource>;
  /** @throws {ModelError} where there is none, saying what to provide */
  tokenizer(name: TokenizerName): Promise<TokenizerSource>;
}

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
  family: Family | 'unknown';
  available: boolean;
  /** Why it is not available, or what was assumed; a sentence. */
  reason?: string;
  /** Present and true for a model without an autoencoder: each request has to name one. */
  lacksVae?: boolean;
  /** Present and true for an SDXL refiner, which only continues what another model began. */
  refiner?: boolean;
  layout: 'onnx' | 'safetensors' | 'mixed';
  /** How the UNet's (or the part's) weights are stored: float32, float16, bfloat16, … */
  precision: string;
  /** Bytes of all weights on disk. */
  sizeBytes: number;
  /** Smallest step of width and height, in pixels. */
  sizeMultiple: number;
  defaultWidth: number;
  defaultHeight: number;
  defaultSteps: number;
  defaultGuidanceScale: number;
  /** `_class_name` of the model's own scheduler. */
  defaultScheduler: string;
  /** Channels of the latents that it makes or takes, where a config says it. */
  latentChannels?: number;
  /** Name or AIR of the tiny decoder that its settings choose for previews. */
  tinyDecoder?: string;
  /** Absolute path of the tiny decoder that it brings, the subfolder `tiny_decoder`. */
  ownTinyDecoder?: string;
  tags: string[];
}

/**
 * Opens a whole model: a folder in the diffusers layout or one safetensors file in the original one. Reads configs and
 * headers, never weights.
 *
 * @param path - absolute
 * @throws {ModelError | SafetensorsError} a sentence with the reason
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  if (await isFolder(path)) return openFolder(path);
  if (isPickle(path)) throw new ModelError(`${basename(path)} cannot be used: ${pickleReason}`);
  if (!(await isFile(path))) throw new ModelError(`There is no folder or file ${path}.`);
  return openSingleFile(path);
}

/**
 * Says what a folder or file holds, reading configs and headers only: no native code, and never an exception. Every part
 * is checked as far as that allows (configs, headers, offsets, names and shapes of tensors), so that a broken model is
 * found when the server starts and not in the middle of a task.
 *
 * @param path - absolute
 */
export async function describeModel(path: string): Promise<ModelDescription> {
  const description = emptyDescription(path);
  try {
    if (await isFolder(path)) await describeFolder(description, path);
    else await describeFile(description, path);
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
    name: basename(path).replace(/\.safetensors$/i, ''),
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
    defaultScheduler: '',
    tags: [],
  };
}

async function describeFolder(description: ModelDescription, folder: string): Promise<void> {
  const hasIndex = await isFile(join(folder, 'model_index.json'));
  const config = hasIndex ? undefined : await readJson(join(folder, 'config.json'));
  applySettings(description, await readFolderSettings(folder));
  if (!config) {
    const pickled = hasIndex ? undefined : (await readdir(folder)).find(isPickle);
    if (pickled)
      throw new ModelError(`The folder has no model_index.json, and its ${pickled} cannot help: ${pickleReason}`);
    description.className = classNameOf(await readIndex(folder));
    return describeCheckpoint(description);
  }
  description.className = typeof config._class_name === 'string' ? config._class_name : '';
  const kind = (Object.keys(partClasses) as PartKind[]).find((each) => partClasses[each] === description.className);
  if (!kind) {
    const supported = Object.values(partClasses).join(', ');
    throw new ModelError(
      `config.json says ${description.className || 'nothing about what it is'}; a folder without model_index.json must hold one of: ${supported}.`,
    );
  }
  await describePart(description, kind);
}

async function describeFile(description: ModelDescription, file: string): Promise<void> {
  const name = basename(file);
  if (isPickle(name)) throw new ModelError(`${name} cannot be used: ${pickleReason}`);
  if (!(await isFile(file))) throw new ModelError(`There is no folder or file ${file}.`);
  const { tensors, metadata } = await readSafetensorsHeader(file);
  const { kind, architecture, reason, note } = recognise(name, tensors, metadata);
  description.kind = kind;
  if (reason !== undefined) throw new ModelError(reason);
  if (kind === 'checkpoint') return describeCheckpoint(description);
  const title = metadata['modelspec.title'];
  if (title) description.name = title;
  applySettings(description, await readSettings(`${file}.json`));
  if (kind === 'vae') return describePart(description, kind);
  if (note !== undefined) description.reason = note;
  description.architecture = architecture;
  description.family = familyOf(architecture);
  description.precision = precisionOf(tensors);
  description.sizeBytes = (await stat(file)).size;
}

function applySettings(description: ModelDescription, settings: ModelSettings): void {
  if (settings.name) description.name = settings.name;
  if (settings.description) description.description = settings.description;
  if (settings.license) description.license = settings.license;
  description.tags = settings.tags ?? [];
}

async function describeCheckpoint(description: ModelDescription): Promise<void> {
  const checkpoint = await openCheckpoint(description.folder);
  const { settings, unet, vae, family } = checkpoint;
  applySettings(description, settings);
  description.className = checkpoint.className;
  description.family = family;
  description.architecture = architectureOf(checkpoint);
  if (checkpoint.refiner) description.refiner = true;
  if (checkpoint.lacksVae) description.lacksVae = true;
  description.sizeMultiple = checkpoint.vaeScale;
  if (typeof vae.latent_channels === 'number') description.latentChannels = vae.latent_channels;
  if (settings.tinyDecoder) description.tinyDecoder = settings.tinyDecoder;
  const sampleSize = unet.sample_size;
  const [height, width] = Array.isArray(sampleSize) ? sampleSize : [sampleSize, sampleSize];
  const usual = family === 'sdxl' ? 1024 : 512;
  const pixels = (latents: unknown) =>
    typeof latents === 'number' && latents > 0 ? latents * checkpoint.vaeScale : usual;
  description.defaultWidth = settings.defaultWidth ?? pixels(width);
  description.defaultHeight = settings.defaultHeight ?? pixels(height);
  description.defaultSteps = settings.defaultSteps ?? 20;
  description.defaultGuidanceScale = settings.defaultGuidanceScale ?? (family === 'sdxl' ? 5 : 7.5);
  checkDefaults(description);
  const scheduler = checkpoint.scheduler._class_name;
  description.defaultScheduler = typeof scheduler === 'string' ? scheduler : '';
  // A single file never says it, and the family's is the published one.
  if (checkpoint.lacksVae) {
    description.reason = 'It holds no autoencoder (VAE), so a task has to name one beside it.';
  } else if (typeof vae.scaling_factor !== 'number' && !description.folder.endsWith('.safetensors')) {
    description.reason = `No config gives the autoencoder's scaling factor, so that of the family is assumed, ${checkpoint.scalingFactor}.`;
  }

  const kinds = new Set<string>();
  const counted = new Map<string, number>();
  const wordsOf = new Map<Component, number>();
  for (const component of checkpoint.components) {
    const part = await inspect(component, await checkpoint.component(component));
    kinds.add(part.kind);
    for (const [file, bytes] of part.files) counted.set(file, bytes);
    if (component === 'unet') description.precision = part.precision;
    if (part.words !== undefined) wordsOf.set(component, part.words);
  }
  const tinyDecoder = join(description.folder, 'tiny_decoder');
  if (await isFolder(tinyDecoder)) {
    const { tensors, config } = await openPart(tinyDecoder, 'tinyVae');
    await checkPart('tinyVae', config, tensors, 'tiny_decoder');
    for (const [file, bytes] of await sizesOf(tensors)) counted.set(file, bytes);
    description.ownTinyDecoder = tinyDecoder;
  }
  for (const bytes of counted.values()) description.sizeBytes += bytes;
  description.layout = kinds.size > 1 ? 'mixed' : kinds.has('onnx') ? 'onnx' : 'safetensors';
  for (const name of checkpoint.tokenizers) {
    const { folder } = await checkpoint.tokenizer(name);
    if (folder === undefined) continue;
    const highest = await checkTokenizer(folder, name);
    const words = wordsOf.get(name === 'tokenizer' ? 'text_encoder' : 'text_encoder_2');
    if (words === undefined || highest < words) continue;
    throw new ModelError(
      `The ${name} cannot be used: it has ids up to ${highest}, but the text encoder knows ${words} words; it belongs to another model.`,
    );
  }
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
  description.className = partClasses[kind];
  description.architecture =
    kind === 'controlNet'
      ? architectureOfWidth(config.cross_attention_dim)
      : config.scaling_factor === 0.13025
        ? 'sdxl'
        : 'unknown';
  description.family = familyOf(description.architecture);
  if (typeof config.latent_channels === 'number') description.latentChannels = config.latent_channels;
  description.precision = precisionOf(tensors);
  for (const bytes of (await sizesOf(tensors)).values()) description.sizeBytes += bytes;
  await checkPart(kind, config, tensors, 'network');
}

/** Its graph is written only to be checked, as `checkGraph` does it. */
async function checkPart(
  kind: PartKind,
  config: Record<string, unknown>,
  tensors: StoredTensors,
  name: string,
): Promise<void> {
  await inPart(name, () => {
    writePart(kind, config, tensors);
    checkShapes(tensors);
  });
}

function writePart(kind: PartKind, config: Record<string, unknown>, tensors: StoredTensors): void {
  switch (kind) {
    case 'vae':
      writeComponent('vae_encoder', config, tensors);
      writeComponent('vae_decoder', config, tensors);
      break;
    case 'controlNet':
      writeControlNet(config as ControlNetConfig, tensors);
      break;
    case 'tinyVae':
      writeTinyDecoder(config as AutoencoderTinyConfig, tensors);
      break;
  }
}

function familyOf(architecture: Architecture): Family | 'unknown' {
  if (architecture === 'unknown') return 'unknown';
  return architecture === 'sdxl' ? 'sdxl' : 'sd';
}

function architectureOf({ family, unet }: ModelConfigs): Architecture {
  if (family === 'sdxl') return 'sdxl';
  const told = architectureOfWidth(unet.cross_attention_dim);
  if (told !== 'unknown') return told;
  if (unet.use_linear_projection === undefined) return 'unknown';
  return unet.use_linear_projection === true ? 'sd2x' : 'sd1x';
}

interface Inspected {
  kind: 'onnx' | 'safetensors';
  precision: string;
  /** Bytes by absolute path. */
  files: Map<string, number>;
  /** That a text encoder knows, where that is told. */
  words?: number | undefined;
}

function inspect(component: Component, source: ComponentSource): Promise<Inspected> {
  return inPart(component, async () => {
    if (source.kind === 'onnx') {
      const onnx = await inspectOnnxFile(source.file);
      checkInputs(onnx, component);
      return { kind: 'onnx', precision: onnxPrecision(onnx), files: new Map([[source.file, onnx.sizeBytes]]) };
    }
    checkGraph(component, source);
    return {
      kind: 'safetensors',
      precision: precisionOf(source.tensors),
      files: await sizesOf(source.tensors),
      words: embeddingOf(source.tensors, 'token_embedding')?.[0],
    };
  });
}

/** Writes the graph only to check it: it takes milliseconds, and says which tensor or setting does not fit. */
function checkGraph(component: Component, { config, tensors }: SafetensorsSource): void {
  writeComponent(component, config, tensors);
  checkShapes(tensors);
  checkSizes(component, config, tensors);
  // Without it CLIP is whole, but SDXL lacks what its UNet is told of the text as a whole.
  if (component === 'text_encoder_2' && !tensors.has('text_projection.weight')) {
    throw new ModelError('the weights have no tensor "text_projection.weight".');
  }
}

function embeddingOf(tensors: StoredTensors, name: string): readonly number[] | undefined {
  return ['text_model.', '']
    .map((root) => tensors.get(`${root}embeddings.${name}.weight`)?.shape)
    .find((shape) => shape !== undefined);
}

/** Numbers of a config by which memory is reserved, or inputs are made, must be those of the weights. */
function checkSizes(component: Component, config: Record<string, unknown>, tensors: StoredTensors): void {
  const sizes: Record<string, number | undefined> = {};
  if (component === 'unet') {
    sizes.in_channels = tensors.get('conv_in.weight')?.shape[1];
    sizes.out_channels = tensors.get('conv_out.weight')?.shape[0];
  } else if (component === 'vae_decoder') {
    sizes.latent_channels = tensors.get('decoder.conv_in.weight')?.shape[1];
  } else if (component.startsWith('text_encoder')) {
    const positions = embeddingOf(tensors, 'position_embedding')?.[0] ?? 0;
    const given = config.max_position_embeddings ?? 77;
    if (Number(given) > positions) {
      throw new ModelError(`its config says max_position_embeddings: ${given}, but the weights have ${positions}.`);
    }
  }
  for (const [field, size] of Object.entries(sizes)) {
    const given = config[field];
    if (size === undefined || given === undefined || given === null || given === size) continue;
    throw new ModelError(`its config says ${field}: ${given}, but the weights have ${size}.`);
  }
}

/** Inputs without which a graph cannot be what its folder says. */
const neededInputs: Record<Component, string> = {
  text_encoder: 'input_ids',
  text_encoder_2: 'input_ids',
  unet: 'timestep',
  vae_encoder: 'sample',
  vae_decoder: 'latent_sample',
};

function checkInputs(onnx: OnnxFile, component: Component): void {
  const names = onnx.inputs.map(({ name }) => name);
  if (names.includes(neededInputs[component])) return;
  throw new ModelError(`model.onnx has no input ${neededInputs[component]}; its inputs are ${names.join(', ')}.`);
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
  const names: Record<string, string> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16', F64: 'float64' };
  return names[largest?.[0] ?? ''] ?? largest?.[0] ?? 'unknown';
}
