import { basename, join, resolve } from 'node:path';
import { foreignKind } from '../files/foreign.ts';
import { locateWeights, networkStem, textStem } from '../files/locateWeights.ts';
import { inspectOnnxFile } from '../files/onnxFile.ts';
import {
  inPart,
  isFile,
  isFolder,
  isObject,
  ModelError,
  mostTokenizerBytes,
  parsed,
  readJson,
  readText,
} from '../files/reading.ts';
import { readStoredTensors } from '../files/safetensors.ts';
import { readTokenizerFiles } from '../files/tokenizerFiles.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { ComponentSource } from './component.ts';
import {
  type Component,
  type ConfigPart,
  completeConfigs,
  type ModelConfigs,
  type ModelSettings,
  type PipelineClass,
  pipelineClasses,
  readSettings,
  type TokenizerName,
} from './configs.ts';
import { openPart } from './part.ts';
import { checkConfig } from './ranges.ts';
import { knowsPublishedWords } from './tokenizerSource.ts';

/**
 * A model in the diffusers layout: `model_index.json` and a folder for each component, with `<component>/model.onnx` or,
 * where that is missing, safetensors. `latentwire.json` may name another autoencoder (`"vae": "../other-vae"`) and other
 * tokenizers (`"tokenizer": "../folder/tokenizer"`), and correct the prediction type.
 *
 * @throws {ModelError} naming the part and the reason
 */
export async function openFolder(folder: string): Promise<Checkpoint> {
  const configs = await readModelConfigs(folder);
  const { vaePath, tokenizerPaths } = configs.settings;
  return {
    ...configs,
    path: folder,
    component: async (component) => {
      if (!configs.components.includes(component)) throw new ModelError(`This model has no ${component}.`);
      return inPart(component, async () =>
        vaePath !== undefined && component.startsWith('vae_')
          ? openPart(resolve(folder, vaePath), 'vae')
          : sourceOf(folder, component),
      );
    },
    tokenizer: async (name) => {
      const own = resolve(folder, tokenizerPaths?.[name] ?? name);
      const encoder = name === 'tokenizer' ? configs.textEncoder : configs.textEncoder2;
      if (!knowsPublishedWords(encoder.vocab_size) || tokenizerPaths?.[name] || (await isFolder(own))) {
        return { folder: own, padToken: undefined };
      }
      // SD 1's encoder and XL's first one are CLIP's own, with its activation; the others pad as OpenCLIP does.
      return { folder: undefined, padToken: encoder.hidden_act === 'quick_gelu' ? undefined : '!' };
    },
  };
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
  const scheduler = await readJson(join(folder, 'scheduler', 'scheduler_config.json'));
  if (!scheduler) throw new ModelError('The scheduler is missing: there is no scheduler/scheduler_config.json.');
  const settings = await readFolderSettings(folder);
  const { vaePath, configs: corrected = {} } = settings;
  const read = (component: Component) => inPart(component, () => readComponentConfig(folder, component));
  const lacksVae = vaePath === undefined && !(await holdsVae(folder));
  const unet = { ...(await read('unet')), ...corrected.unet };
  const vae = lacksVae
    ? { latent_channels: unet.out_channels }
    : vaePath
      ? (await inPart('vae', () => openPart(resolve(folder, vaePath), 'vae'))).config
      : await read('vae_decoder');
  const isXL = pipelineClasses[className] === 'sdxl';
  const lacksFirstEncoder = Array.isArray(index.text_encoder) && index.text_encoder[0] === null;
  const refiner = isXL && (index.requires_aesthetics_score === true || lacksFirstEncoder);
  return completeConfigs({
    className,
    refiner,
    index,
    settings,
    scheduler: { ...scheduler, ...corrected.scheduler },
    textEncoder: refiner ? {} : await read('text_encoder'),
    textEncoder2: isXL ? await read('text_encoder_2') : {},
    unet,
    vae: { ...vae, ...corrected.vae },
    lacksVae,
  });
}

async function holdsVae(folder: string): Promise<boolean> {
  const there = await Promise.all(['vae', 'vae_decoder', 'vae_encoder'].map((name) => isFolder(join(folder, name))));
  return there.includes(true);
}

/** What `latentwire.json` in a model folder says. */
export function readFolderSettings(folder: string): Promise<ModelSettings> {
  return readSettings(join(folder, 'latentwire.json'));
}

export async function readIndex(folder: string): Promise<Record<string, unknown>> {
  if (!(await isFolder(folder))) throw new ModelError(`There is no folder ${folder}.`);
  const index = await readJson(join(folder, 'model_index.json'));
  if (!index)
    throw new ModelError('The folder holds no model_index.json, so it is not a model in the diffusers layout.');
  return index;
}

/** Exporters rename the pipeline they exported: OnnxStableDiffusionPipeline, ORTStableDiffusionPipeline. */
export function classNameOf(index: Record<string, unknown>): string {
  return typeof index._class_name === 'string' ? index._class_name.replace(/^(Onnx|ORT)(?=[A-Z])/, '') : '';
}

function isPipelineClass(name: string): name is PipelineClass {
  return Object.hasOwn(pipelineClasses, name);
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

const componentClasses: Record<string, readonly string[]> = {
  text_encoder: ['CLIPTextModel', 'CLIPTextModelWithProjection'],
  text_encoder_2: ['CLIPTextModelWithProjection', 'CLIPTextModel'],
  unet: ['UNet2DConditionModel'],
  vae: ['AutoencoderKL'],
};

/** `<component>/model.onnx` wins over safetensors. */
async function sourceOf(folder: string, component: Component): Promise<ComponentSource> {
  const onnx = join(folder, component, 'model.onnx');
  if (await isFile(onnx)) return { kind: 'onnx', file: onnx };
  const part = component.startsWith('vae_') ? 'vae' : component;
  const stem = component.startsWith('text_encoder') ? textStem : networkStem;
  const file = await locateWeights(join(folder, part), stem, component);
  if (file === undefined) {
    throw new ModelError(
      `The ${component} is missing: there is neither ${component}/model.onnx nor ${part}/${stem}.safetensors.`,
    );
  }
  const own = await readJson(join(folder, part, 'config.json'));
  if (!own) throw new ModelError(`there is no ${part}/config.json.`);
  checkClass(own, componentClasses[part]!);
  const { configs = {} } = await readFolderSettings(folder);
  const config = { ...own, ...configs[part as keyof typeof configs] };
  checkConfig(part as ConfigPart, config);
  return { kind: 'safetensors', tensors: await readStoredTensors(file), config };
}

function checkClass(config: Record<string, unknown>, supported: readonly string[]): void {
  const given = config._class_name ?? (Array.isArray(config.architectures) ? config.architectures[0] : undefined);
  if (given === undefined || supported.includes(String(given))) return;
  throw new ModelError(`its config says ${String(given)}, which is not supported. Supported: ${supported.join(', ')}.`);
}

/**
 * Reads the files of a tokenizer.
 * @returns the highest id of its vocabulary
 * @throws {ModelError} where they are missing, unreadable, or not those of CLIP
 */
export async function checkTokenizer(folder: string, name: TokenizerName): Promise<number> {
  const described = await isFile(join(folder, 'tokenizer.json'));
  for (const needed of described ? [] : ['vocab.json', 'merges.txt']) {
    if (await isFile(join(folder, needed))) continue;
    throw new ModelError(`The ${name} is missing: there is no ${basename(folder)}/${needed}.`);
  }
  return inPart(name, async () => {
    if (described) await readJson(join(folder, 'tokenizer.json'), mostTokenizerBytes);
    else {
      await readJson(join(folder, 'vocab.json'), mostTokenizerBytes);
      await checkMerges(join(folder, 'merges.txt'));
    }
    const { vocab = {} } = (await readTokenizerFiles(folder)) ?? {};
    let highest = 0;
    for (const id of Object.values(vocab)) highest = Math.max(highest, id);
    return highest;
  });
}

/** Texts would be cut wrongly, but without an error, by what is no list of pairs. */
async function checkMerges(file: string): Promise<void> {
  const text = (await readText(file, mostTokenizerBytes)) ?? '';
  const kind = text.startsWith('#version') ? undefined : await foreignKind(file, 'merges');
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
  const odd = lines.find((line) => line.split(' ').length !== 2);
  if (kind === undefined && odd === undefined) return;
  const reason = kind ?? `one of its lines is ${JSON.stringify(odd?.slice(0, 60))}`;
  throw new ModelError(`${basename(file)} is not a list of pairs of tokens: ${reason}.`);
}
