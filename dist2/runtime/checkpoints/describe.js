import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { tokenizerOf } from '../families/family.js';
import { architectureOfScaling, architectureOfTextWidth, familyOfArchitecture, networkOf } from '../families/index.js';
import { inspectOnnxFile } from '../files/onnxFile.js';
import { inPart, isFile, isFolder, isPickle, ModelError, pickleReason, readJson } from '../files/reading.js';
import { readSafetensorsHeader } from '../files/safetensors.js';
import { writeTinyDecoder } from '../graphs/autoencoderTiny.js';
import { checkShapes } from '../graphs/checkShapes.js';
import { openCheckpoint } from './checkpoint.js';
import { componentLabel, isEncoder } from './configs.js';
import { classNameOf, readFolderSettings, readIndex } from './folder.js';
import { recognise } from './kinds.js';
import { openPart, partClasses } from './part.js';
import { readSettings } from './settings.js';
/**
 * Says what a folder or file holds, reading configs and headers only: no native code, and never an exception. Every part
 * is checked as far as that allows (configs, headers, offsets, names and shapes of tensors), so that a broken model is
 * found when the server starts and not in the middle of a task.
 *
 * @param path - absolute
 */
export async function describeModel(path) {
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
export function emptyDescription(path) {
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
    defaultStrength: 0.8,
    guidanceRule: 'above 1',
    input: 'latents',
    mostReferences: 0,
    defaultScheduler: '',
    tags: [],
  };
}
async function describeFolder(description, folder) {
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
  const kind = Object.keys(partClasses).find((each) => partClasses[each].includes(description.className));
  if (!kind) {
    const supported = Object.values(partClasses).flat().join(', ');
    throw new ModelError(
      `config.json says ${description.className || 'nothing about what it is'}; a folder without model_index.json must hold one of: ${supported}.`,
    );
  }
  await describePart(description, kind);
}
async function describeFile(description, file) {
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
  description.family = familyOfArchitecture(architecture);
  description.precision = precisionOf(tensors);
  description.sizeBytes = (await stat(file)).size;
}
function applySettings(description, settings) {
  if (settings.name) description.name = settings.name;
  if (settings.description) description.description = settings.description;
  if (settings.license) description.license = settings.license;
  description.tags = settings.tags ?? [];
}
async function describeCheckpoint(description) {
  const checkpoint = await openCheckpoint(description.folder);
  const { settings, configs, family, latentScale } = checkpoint;
  applySettings(description, settings);
  description.className = checkpoint.className;
  description.family = family.name;
  description.architecture = family.architecture(checkpoint);
  if (checkpoint.refiner) description.refiner = true;
  if (checkpoint.lacksVae) description.lacksVae = true;
  description.sizeMultiple = Math.max(latentScale, family.sizeMultiple ?? 0);
  description.guidanceRule = family.guidanceRule(checkpoint);
  description.input = checkpoint.input;
  description.mostReferences = family.mostReferences ?? 0;
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
    description.reason = 'It holds no autoencoder (VAE), so a task has to name one beside it.';
  } else if (typeof configs.vae.scaling_factor !== 'number' && !description.folder.endsWith('.safetensors')) {
    description.reason = `No config gives the autoencoder's scaling factor, so that of the family is assumed, ${checkpoint.scalingFactor}.`;
  }
  const kinds = new Set();
  const counted = new Map();
  const wordsOf = new Map();
  for (const component of checkpoint.components) {
    const part = await inspect(checkpoint, component);
    kinds.add(part.kind);
    for (const [file, bytes] of part.files) counted.set(file, bytes);
    if (component === 'denoiser') description.precision = part.precision;
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
  for (const encoder of checkpoint.components.filter(isEncoder)) {
    const name = tokenizerOf(encoder);
    const { folder } = await checkpoint.tokenizer(name);
    if (folder === undefined) continue;
    const highest = await family.networks[encoder].checkTokenizer(folder, name);
    const words = wordsOf.get(encoder);
    if (words === undefined || highest < words) continue;
    throw new ModelError(
      `The ${name} cannot be used: it has ids up to ${highest}, but the text encoder knows ${words} words; it belongs to another model.`,
    );
  }
}
/** Sizes by default must be ones that the model takes. */
function checkDefaults({ defaultWidth, defaultHeight, sizeMultiple }) {
  for (const [field, value] of Object.entries({ defaultWidth, defaultHeight })) {
    if (value % sizeMultiple === 0) continue;
    throw new ModelError(
      `The settings say ${field}: ${value}; it must be a multiple of ${sizeMultiple} for this model.`,
    );
  }
}
async function describePart(description, kind) {
  description.kind = kind;
  const { tensors, config } = await openPart(description.folder, kind);
  // A single file says no class; its kind has a first one.
  description.className ||= partClasses[kind][0];
  description.architecture =
    kind === 'controlNet'
      ? architectureOfTextWidth(config.cross_attention_dim)
      : architectureOfScaling(config.scaling_factor);
  description.family = familyOfArchitecture(description.architecture);
  if (typeof config.latent_channels === 'number') description.latentChannels = config.latent_channels;
  description.precision = precisionOf(tensors);
  for (const bytes of (await sizesOf(tensors)).values()) description.sizeBytes += bytes;
  await checkPart(kind, config, tensors, 'network');
}
/** Its graph is written only to be checked. */
async function checkPart(kind, config, tensors, name) {
  await inPart(name, () => {
    writePart(kind, config, tensors);
    checkShapes(tensors);
  });
}
function writePart(kind, config, tensors) {
  if (kind === 'tinyVae') {
    writeTinyDecoder(config, tensors);
    return;
  }
  for (const name of kind === 'vae' ? ['vae_encoder', 'vae_decoder'] : ['controlNet']) {
    const network = networkOf(name, config._class_name);
    network?.write(config, tensors, {});
    network?.check?.(config, tensors);
  }
}
function inspect(checkpoint, component) {
  const network = checkpoint.family.networks[component];
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
      files: await sizesOf(source.tensors),
      words: isEncoder(component) ? checkpoint.family.networks[component]?.wordsOf(source.tensors) : undefined,
    };
  });
}
function checkInputs(onnx, { input }) {
  const names = onnx.inputs.map(({ name }) => name);
  if (names.includes(input)) return;
  throw new ModelError(`model.onnx has no input ${input}; its inputs are ${names.join(', ')}.`);
}
async function sizesOf(tensors) {
  const files = new Map();
  for (const file of new Set([...tensors.values()].map((tensor) => tensor.file))) {
    files.set(file, (await stat(file)).size);
  }
  return files;
}
function onnxPrecision({ weightBytes }) {
  const names = {
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
function precisionOf(tensors) {
  const bytes = new Map();
  for (const { dtype, length } of tensors.values()) bytes.set(dtype, (bytes.get(dtype) ?? 0) + length);
  const [largest] = [...bytes].sort(([, a], [, b]) => b - a);
  const names = { F32: 'float32', F16: 'float16', BF16: 'bfloat16', F64: 'float64' };
  return names[largest?.[0] ?? ''] ?? largest?.[0] ?? 'unknown';
}
//# sourceMappingURL=describe.js.map
