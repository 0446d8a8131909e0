import { open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type AutoencoderKLConfig, writeVaeDecoder, writeVaeEncoder } from '../graphs/autoencoderKL.ts';
import type { Written } from '../graphs/builder.ts';
import { type ClipTextConfig, type ClipTextForm, writeClipText } from '../graphs/clipText.ts';
import { type UNet2DConditionConfig, type UNetForm, writeUNet2DCondition } from '../graphs/unet2DCondition.ts';
import type { Graph, GraphSource } from '../onnx/graph.ts';
import type { Provider } from '../onnx/providers.ts';
import { inspectOnnxFile, type OnnxFile } from './onnxFile.ts';
import { readStoredTensors, type StoredTensors } from './safetensors.ts';

/** The kinds of pipeline a model folder may ask for in `model_index.json`, and the family that runs each. */
export const pipelineClasses = {
  StableDiffusionPipeline: 'sd',
  StableDiffusionImg2ImgPipeline: 'sd',
  StableDiffusionInpaintPipeline: 'sd',
  LatentConsistencyModelPipeline: 'sd',
  StableDiffusionXLPipeline: 'sdxl',
  StableDiffusionXLImg2ImgPipeline: 'sdxl',
  StableDiffusionXLInpaintPipeline: 'sdxl',
} as const;

export type PipelineClass = keyof typeof pipelineClasses;
export type Family = (typeof pipelineClasses)[PipelineClass];

export type Component = 'text_encoder' | 'text_encoder_2' | 'unet' | 'vae_encoder' | 'vae_decoder';

const componentsOf: Record<Family, readonly Component[]> = {
  sd: ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'],
  sdxl: ['text_encoder', 'text_encoder_2', 'unet', 'vae_encoder', 'vae_decoder'],
};

/** The published factor of each family's autoencoder; used only where the model's own configs do not say it. */
const scalingFactors: Record<Family, number> = { sd: 0.18215, sdxl: 0.13025 };

/** What a model folder holds and, if it cannot be used, why. */
export interface ModelDescription {
  /** Absolute path. */
  folder: string;
  name: string;
  description?: string;
  license?: string;
  /** `_class_name` of `model_index.json`, without the prefixes that exporters add; empty if unreadable. */
  className: string;
  family: Family | 'unknown';
  /** Absent: a checkpoint. */
  kind?: 'checkpoint' | 'lora' | 'embedding' | 'controlNet' | 'vae' | 'tinyVae';
  /** What it was made for: `sd1x`, `sd2x`, `sdxl`, or `unknown`. */
  architecture?: string;
  /** A checkpoint that only goes on with what another has begun. */
  refiner?: true;
  /** The tiny decoder that its `latentwire.json` names. */
  tinyDecoder?: string;
  /** Channels of its latents, where a config says it. */
  latentChannels?: number;
  available: boolean;
  /** Why it is not available, or what was assumed; a sentence. */
  reason?: string;
  layout: 'onnx' | 'safetensors' | 'mixed';
  /** How the UNet's weights are stored: float32, float16, bfloat16, … */
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
  tags: string[];
}

/** `latentwire.json` in a model folder; every field is optional. */
export interface ModelSettings {
  name?: string;
  description?: string;
  license?: string;
  tags?: string[];
  /** Pixels. */
  defaultWidth?: number;
  defaultHeight?: number;
  defaultSteps?: number;
  defaultGuidanceScale?: number;
  /** Name or AIR of the tiny decoder for its previews. */
  tinyDecoder?: string;
  /** One [r, g, b] for each latent channel; scaled latents to RGB in [-1, 1]. */
  latentRgbFactors?: number[][];
  latentRgbBias?: number[];
}

/** The JSON files of a model folder, parsed; absent ones are empty objects. */
export interface ModelConfigs {
  className: PipelineClass;
  family: Family;
  index: Record<string, unknown>;
  settings: ModelSettings;
  scheduler: Record<string, unknown>;
  textEncoder: Record<string, unknown>;
  textEncoder2: Record<string, unknown>;
  unet: Record<string, unknown>;
  vae: Record<string, unknown>;
  /** Latents for the UNet are the autoencoder's, minus `shiftFactor`, times this. */
  scalingFactor: number;
  shiftFactor: number;
  /** Pixels on each side of one latent position; 8 for all published models. */
  vaeScale: number;
}

/** The model cannot be used; the message is a sentence naming the part and the reason. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
}

/**
 * Says what a model folder holds, reading files only: no native code, and never an exception. Every part is checked as
 * far as that allows (configs, headers, offsets, names and shapes of tensors), so that a broken model is found when the
 * server starts and not in the middle of a task.
 */
export async function describeModel(folder: string): Promise<ModelDescription> {
  const description: ModelDescription = {
    folder,
    name: basename(folder),
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
  try {
    await fillDescription(description, folder);
    description.available = true;
  } catch (error) {
    description.reason = error instanceof Error ? error.message : String(error);
  }
  return description;
}

async function fillDescription(description: ModelDescription, folder: string): Promise<void> {
  const settings = await readSettings(folder);
  if (settings.name) description.name = settings.name;
  if (settings.description) description.description = settings.description;
  if (settings.license) description.license = settings.license;
  description.tags = settings.tags ?? [];
  if (settings.tinyDecoder) description.tinyDecoder = settings.tinyDecoder;
  const index = await readIndex(folder);
  description.className = classNameOf(index);
  const configs = await readModelConfigs(folder);
  description.family = configs.family;
  description.sizeMultiple = configs.vaeScale;
  const sampleSize = configs.unet.sample_size;
  const [height, width] = Array.isArray(sampleSize) ? sampleSize : [sampleSize, sampleSize];
  const usual = configs.family === 'sdxl' ? 1024 : 512;
  const pixels = (latents: unknown) =>
    typeof latents === 'number' && latents > 0 ? latents * configs.vaeScale : usual;
  description.defaultWidth = settings.defaultWidth ?? pixels(width);
  description.defaultHeight = settings.defaultHeight ?? pixels(height);
  description.defaultSteps = settings.defaultSteps ?? 20;
  description.defaultGuidanceScale = settings.defaultGuidanceScale ?? (configs.family === 'sdxl' ? 5 : 7.5);
  description.defaultScheduler = typeof configs.scheduler._class_name === 'string' ? configs.scheduler._class_name : '';
  if (typeof configs.vae.scaling_factor !== 'number') {
    description.reason = `No config gives the autoencoder's scaling factor, so that of the family is assumed, ${configs.scalingFactor}.`;
  }

  const kinds = new Set<string>();
  const counted = new Set<string>();
  for (const component of componentsOf[configs.family]) {
    const part = await inspectComponent(folder, component);
    kinds.add(part.kind);
    for (const [file, bytes] of part.files) {
      if (!counted.has(file)) description.sizeBytes += bytes;
      counted.add(file);
    }
    if (component === 'unet') description.precision = part.precision;
  }
  const taken = configs.unet.in_channels;
  const latents = configs.vae.latent_channels;
  if (typeof taken === 'number' && typeof latents === 'number' && taken !== latents) {
    throw new ModelError(
      `The unet takes ${taken} channels, but the autoencoder has ${latents}: models for inpainting or editing are not supported by ${configs.className}.`,
    );
  }
  description.layout = kinds.size > 1 ? 'mixed' : kinds.has('onnx') ? 'onnx' : 'safetensors';
  for (const tokenizer of configs.family === 'sdxl' ? ['tokenizer', 'tokenizer_2'] : ['tokenizer']) {
    await checkTokenizer(folder, tokenizer);
  }
}

/**
 * Loads one component of a model. Where both exist, `<component>/model.onnx` wins over safetensors, for which a graph is
 * written here.
 *
 * @throws {ModelError} naming the part and the reason, or onnxruntime's own complaint
 */
export async function openComponent(folder: string, component: Component, provider: Provider): Promise<Graph> {
  const label = `${basename(folder)}/${component}`;
  const located = await locate(folder, component);
  let source: GraphSource;
  if (located.kind === 'onnx') {
    await inPart(component, () => inspectOnnxFile(located.file));
    source = { file: located.file, label: `${label}/model.onnx` };
  } else {
    const written = await inPart(component, async () => {
      const tensors = await readStoredTensors(located.file);
      const config = await readComponentConfig(folder, component);
      return writeComponent(component, config, tensors, {
        attention: provider.attention ?? defaultAttention(provider),
      });
    });
    source = await sourceOf(written, label);
  }
  // Imported only now, so that describing models needs no native code.
  const { Graph } = await import('../onnx/graph.ts');
  return Graph.open(source, provider);
}

/** Where nobody has tried it, fused attention is only trusted on the CPU. */
function defaultAttention(provider: Provider): 'fused' | 'plain' {
  return provider.name === 'cpu' ? 'fused' : 'plain';
}

/**
 * Writes the graph of a component for the weights given.
 *
 * @param form - precision, kind of attention, form of a UNet's `timestep`, and which states a text encoder gives
 */
export function writeComponent(
  component: Component,
  config: Record<string, unknown>,
  tensors: StoredTensors,
  form: UNetForm & ClipTextForm = {},
): Written {
  switch (component) {
    case 'text_encoder':
    case 'text_encoder_2':
      return writeClipText(config as ClipTextConfig, tensors, form);
    case 'unet':
      return writeUNet2DCondition(config as UNet2DConditionConfig, tensors, form);
    case 'vae_encoder':
      return writeVaeEncoder(config as AutoencoderKLConfig, tensors, form);
    case 'vae_decoder':
      return writeVaeDecoder(config as AutoencoderKLConfig, tensors, form);
  }
}

/**
 * How the weights reach onnxruntime: read into memory and handed over with the graph. A file of 4 GiB and more does not
 * fit one buffer.
 */
async function sourceOf(written: Written, label: string): Promise<GraphSource> {
  const externalData = [];
  for (const file of written.files) {
    const { size } = await stat(file);
    if (size >= 2 ** 32) {
      throw new ModelError(
        `${label}: ${basename(file)} has ${size} bytes; files of 4 GiB and more cannot be loaded yet.`,
      );
    }
    externalData.push({ path: basename(file), data: await readLargeFile(file, size) });
  }
  return { bytes: written.bytes, externalData, label };
}

/** `readFile` refuses more than 2 GiB at once. */
async function readLargeFile(file: string, size: number): Promise<Uint8Array> {
  if (size < 2 ** 31 - 1) return readFile(file);
  const handle = await open(file, 'r');
  try {
    const data = Buffer.allocUnsafeSlow(size);
    for (let filled = 0; filled < size; ) {
      const { bytesRead } = await handle.read(data, filled, Math.min(2 ** 30, size - filled), filled);
      if (bytesRead === 0) throw new ModelError(`${basename(file)} became shorter while it was read.`);
      filled += bytesRead;
    }
    return data;
  } finally {
    await handle.close();
  }
}

/** Reads and parses every JSON file of a model folder. */
export async function readModelConfigs(folder: string): Promise<ModelConfigs> {
  const index = await readIndex(folder);
  const className = classNameOf(index);
  if (!isPipelineClass(className)) {
    const supported = Object.keys(pipelineClasses).join(', ');
    throw new ModelError(
      className === ''
        ? `model_index.json has no _class_name. Supported: ${supported}.`
        : `model_index.json asks for a ${className}, which is not supported. Supported: ${supported}.`,
    );
  }
  const family = pipelineClasses[className];
  const read = (component: Component) => inPart(component, () => readComponentConfig(folder, component));
  const vae = await read('vae_decoder');
  const own = vae.scaling_factor;
  const blocks = vae.block_out_channels;
  const scheduler = await readJson(join(folder, 'scheduler', 'scheduler_config.json'));
  if (!scheduler) throw new ModelError('The scheduler is missing: there is no scheduler/scheduler_config.json.');
  return {
    className,
    family,
    index,
    settings: await readSettings(folder),
    scheduler,
    textEncoder: await read('text_encoder'),
    textEncoder2: family === 'sdxl' ? await read('text_encoder_2') : {},
    unet: await read('unet'),
    vae,
    scalingFactor: typeof own === 'number' ? own : scalingFactors[family],
    shiftFactor: typeof vae.shift_factor === 'number' ? vae.shift_factor : 0,
    vaeScale: Array.isArray(blocks) && blocks.length > 0 ? 2 ** (blocks.length - 1) : 8,
  };
}

/**
 * The config of a component: beside its graph or its weights (the autoencoder's also in `vae/`), else what the ONNX file
 * carries in its metadata, else nothing.
 */
async function readComponentConfig(folder: string, component: Component): Promise<Record<string, unknown>> {
  const folders = component.startsWith('vae_') ? [component, 'vae_decoder', 'vae_encoder', 'vae'] : [component];
  for (const name of folders) {
    const config = await readJson(join(folder, name, 'config.json'));
    if (config) return config;
  }
  const onnx = join(folder, component, 'model.onnx');
  if (!(await isFile(onnx))) return {};
  const { metadata, inputs } = await inspectOnnxFile(onnx);
  const config: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(metadata)) config[key] = parsed(value);
  if (isObject(config.config)) Object.assign(config, config.config);
  const channels = inputs.find(({ name }) => name === 'sample' || name === 'latent_sample')?.shape[1];
  if (component === 'unet' && typeof channels === 'number') config.in_channels ??= channels;
  if (component === 'vae_decoder' && typeof channels === 'number') config.latent_channels ??= channels;
  return config;
}

interface Inspected {
  kind: 'onnx' | 'safetensors';
  precision: string;
  /** Bytes by absolute path. */
  files: Map<string, number>;
}

async function inspectComponent(folder: string, component: Component): Promise<Inspected> {
  const located = await locate(folder, component);
  return inPart(component, async () => {
    if (located.kind === 'onnx') {
      const onnx = await inspectOnnxFile(located.file);
      checkInputs(onnx, component);
      return { kind: 'onnx', precision: onnxPrecision(onnx), files: new Map([[located.file, onnx.sizeBytes]]) };
    }
    const config = await readJson(join(folder, componentFolder(component), 'config.json'));
    if (!config) throw new ModelError(`there is no ${componentFolder(component)}/config.json.`);
    checkClass(component, config);
    const tensors = await readStoredTensors(located.file);
    // Written only to be checked: it takes milliseconds, and says which tensor or setting does not fit.
    writeComponent(component, config, tensors);
    const files = new Map<string, number>();
    for (const file of new Set([...tensors.values()].map((tensor) => tensor.file)))
      files.set(file, (await stat(file)).size);
    return { kind: 'safetensors', precision: storedPrecision(tensors), files };
  });
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

const componentClasses: Record<string, readonly string[]> = {
  text_encoder: ['CLIPTextModel', 'CLIPTextModelWithProjection'],
  text_encoder_2: ['CLIPTextModelWithProjection', 'CLIPTextModel'],
  unet: ['UNet2DConditionModel'],
  vae: ['AutoencoderKL'],
};

function checkClass(component: Component, config: Record<string, unknown>): void {
  const supported = componentClasses[componentFolder(component)]!;
  const given = config._class_name ?? (Array.isArray(config.architectures) ? config.architectures[0] : undefined);
  if (given !== undefined && !supported.includes(String(given))) {
    throw new ModelError(
      `its config says ${String(given)}, which is not supported. Supported: ${supported.join(', ')}.`,
    );
  }
}

type Located = { kind: 'onnx' | 'safetensors'; file: string };

async function locate(folder: string, component: Component): Promise<Located> {
  const onnx = join(folder, component, 'model.onnx');
  if (await isFile(onnx)) return { kind: 'onnx', file: onnx };
  const part = componentFolder(component);
  const stem = component.startsWith('text_encoder') ? 'model' : 'diffusion_pytorch_model';
  const candidates = [
    `${stem}.safetensors`,
    `${stem}.safetensors.index.json`,
    `${stem}.fp16.safetensors`,
    `${stem}.safetensors.index.fp16.json`,
  ];
  for (const candidate of candidates) {
    const file = join(folder, part, candidate);
    if (await isFile(file)) return { kind: 'safetensors', file };
  }
  const names: string[] = await readdir(join(folder, part)).catch(() => []);
  const pickled = names.find((name) => /\.(bin|pt|pth|ckpt|pkl)$/.test(name));
  if (pickled) {
    throw new ModelError(
      `The ${component} has only ${part}/${pickled}: pickled weights can run code when opened and are refused. Use safetensors or ONNX.`,
    );
  }
  throw new ModelError(
    `The ${component} is missing: there is neither ${component}/model.onnx nor ${part}/${candidates[0]}.`,
  );
}

function componentFolder(component: Component): string {
  return component.startsWith('vae_') ? 'vae' : component;
}

async function checkTokenizer(folder: string, name: string): Promise<void> {
  const files: string[] = await readdir(join(folder, name)).catch(() => []);
  if (files.includes('tokenizer.json')) return;
  for (const needed of ['vocab.json', 'merges.txt']) {
    if (!files.includes(needed)) throw new ModelError(`The ${name} is missing: there is no ${name}/${needed}.`);
  }
  await inPart(name, () => readJson(join(folder, name, 'vocab.json')));
}

async function readIndex(folder: string): Promise<Record<string, unknown>> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw new ModelError(`There is no folder ${folder}.`);
  const index = await readJson(join(folder, 'model_index.json'));
  if (!index)
    throw new ModelError('The folder holds no model_index.json, so it is not a model in the diffusers layout.');
  return index;
}

/** Exporters rename the pipeline they exported: OnnxStableDiffusionPipeline, ORTStableDiffusionPipeline. */
function classNameOf(index: Record<string, unknown>): string {
  return typeof index._class_name === 'string' ? index._class_name.replace(/^(Onnx|ORT)(?=[A-Z])/, '') : '';
}

function isPipelineClass(name: string): name is PipelineClass {
  return Object.hasOwn(pipelineClasses, name);
}

async function readSettings(folder: string): Promise<ModelSettings> {
  const raw = (await readJson(join(folder, 'latentwire.json'))) ?? {};
  const settings: ModelSettings = {};
  for (const key of ['name', 'description', 'license', 'tinyDecoder'] as const) {
    const value = raw[key];
    if (typeof value === 'string') settings[key] = value;
  }
  for (const key of ['defaultWidth', 'defaultHeight', 'defaultSteps', 'defaultGuidanceScale'] as const) {
    const value = raw[key];
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) settings[key] = value;
  }
  if (Array.isArray(raw.tags)) settings.tags = raw.tags.filter((tag): tag is string => typeof tag === 'string');
  const triples = raw.latentRgbFactors;
  if (Array.isArray(triples) && triples.every(isTriple)) settings.latentRgbFactors = triples;
  if (isTriple(raw.latentRgbBias)) settings.latentRgbBias = raw.latentRgbBias;
  return settings;
}

function isTriple(value: unknown): value is number[] {
  return Array.isArray(value) && value.length === 3 && value.every((item) => typeof item === 'number');
}

/** Undefined when the file does not exist; a sentence naming it when it cannot be read or is not a JSON object. */
async function readJson(file: string): Promise<Record<string, unknown> | undefined> {
  const name = `${basename(dirname(file))}/${basename(file)}`;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new ModelError(`${name} cannot be read: ${code}.`, { cause });
  }
  const value = parsed(text);
  if (!isObject(value)) throw new ModelError(`${name} is not a JSON object (it may be truncated).`);
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Puts the name of the part before any complaint about it. */
async function inPart<T>(part: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (reason.startsWith(`The ${part}`)) throw cause;
    const sentence = reason.endsWith('.') ? reason : `${reason}.`;
    throw new ModelError(`The ${part} cannot be used: ${sentence}`, { cause });
  }
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

function storedPrecision(tensors: StoredTensors): string {
  const bytes = new Map<string, number>();
  for (const { dtype, length } of tensors.values()) bytes.set(dtype, (bytes.get(dtype) ?? 0) + length);
  const [largest] = [...bytes].sort(([, a], [, b]) => b - a);
  const names: Record<string, string> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16', F64: 'float64' };
  return names[largest?.[0] ?? ''] ?? largest?.[0] ?? 'unknown';
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
