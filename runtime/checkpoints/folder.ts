import { join, resolve } from 'node:path';
import {
  type Component,
  type Config,
  type ConfigPart,
  type EncoderName,
  encoderNames,
  type Family,
  type ModelConfigs,
  type ModelSettings,
  tokenizerOf,
} from '../families/family.ts';
import { familyOfPipeline, supportedPipelines } from '../families/index.ts';
import { checkConfig } from '../families/ranges.ts';
import { locateWeights, networkStem, textStem } from '../files/locateWeights.ts';
import { inspectOnnxFile } from '../files/onnxFile.ts';
import { inPart, isFile, isFolder, isObject, ModelError, parsed, readJson } from '../files/reading.ts';
import { readStoredTensors } from '../files/safetensors.ts';
import type { Checkpoint, PartPlaces } from './checkpoint.ts';
import { completeConfigs, componentLabel, isEncoder } from './configs.ts';
import { openPart } from './part.ts';
import { readSettings } from './settings.ts';
import type { ComponentSource } from './source.ts';

/**
 * A model in the diffusers layout: `model_index.json` and a folder for each component, with `<component>/model.onnx` or,
 * where that is missing, safetensors. `latentwire.json` may name another autoencoder (`"vae": "../other-vae"`) and other
 * tokenizers (`"tokenizer": "../folder/tokenizer"`), and correct the prediction type.
 *
 * @throws {ModelError} naming the part and the reason
 */
export async function openFolder(folder: string, places: PartPlaces): Promise<Checkpoint> {
  const configs = await readModelConfigs(folder, places);
  const { family } = configs;
  const { vaePath, tokenizerPaths } = configs.settings;
  return {
    ...configs,
    path: folder,
    component: async (component) => {
      if (!configs.components.includes(component)) throw new ModelError(`This model has no ${component}.`);
      return inPart(componentLabel(configs, component), async () =>
        vaePath !== undefined && component.startsWith('vae_')
          ? openPart(resolve(folder, vaePath), 'vae')
          : sourceOf(folder, family, component),
      );
    },
    tokenizer: async (name) => {
      const own = resolve(folder, tokenizerPaths?.[name] ?? name);
      const encoder = encoderNames.find((each) => tokenizerOf(each) === name)!;
      const { vocab_size: rows, hidden_act: activation } = configs.configs[encoder];
      const { publishedWords = Number.POSITIVE_INFINITY } = family.networks[encoder] ?? {};
      if (!(Number(rows) >= publishedWords) || tokenizerPaths?.[name] || (await isFolder(own))) {
        return { folder: own, padToken: undefined };
      }
      // SD 1's encoder and XL's first one are CLIP's own, with its activation; the others pad as OpenCLIP does.
      return { folder: undefined, padToken: activation === 'quick_gelu' ? undefined : '!' };
    },
  };
}

/** Reads and parses every JSON file of a model folder. */
export async function readModelConfigs(
  folder: string,
  { textEncoders, vae: otherVae }: PartPlaces,
): Promise<ModelConfigs> {
  if (textEncoders) {
    throw new ModelError('The folder has its own text encoders. Only a model in files can have others.');
  }
  const index = await readIndex(folder);
  const className = classNameOf(index);
  const family = familyOfPipeline(className);
  if (!family) {
    const supported = supportedPipelines().join(', ');
    throw new ModelError(
      className === ''
        ? `model_index.json has no _class_name. Supported: ${supported}.`
        : `model_index.json asks for a ${className}, which is not supported. Supported: ${supported}.`,
    );
  }
  const scheduler = await readJson(join(folder, 'scheduler', 'scheduler_config.json'));
  if (!scheduler) throw new ModelError('The scheduler is missing: there is no scheduler/scheduler_config.json.');
  const settings = await readFolderSettings(folder);
  if (otherVae !== undefined) settings.vaePath = otherVae;
  const { vaePath, configs: corrected = {} } = settings;
  const read = (component: Component) =>
    inPart(componentLabel({ family }, component), () => readComponentConfig(folder, family, component));
  const lacksVae = vaePath === undefined && !(await holdsVae(folder));
  const denoiser = { ...(await read('denoiser')), ...corrected.denoiser };
  const vae = lacksVae
    ? { latent_channels: denoiser.out_channels }
    : vaePath
      ? (await inPart('vae', () => openPart(resolve(folder, vaePath), 'vae'))).config
      : await read('vae_decoder');
  const refiner = family.isRefiner?.(index) === true;
  const has = (encoder: EncoderName) => !isAbsent(index[encoder]);
  const facts = { className, index, refiner, configs: noConfigs };
  const encoders = family.encoders(facts, has);
  const configOf = async (encoder: EncoderName) =>
    encoders.includes(encoder) ? { ...(await read(encoder)), ...corrected[encoder] } : {};
  return completeConfigs({
    family,
    className,
    refiner,
    index,
    settings,
    lacksVae,
    has,
    configs: {
      scheduler: { ...scheduler, ...corrected.scheduler },
      text_encoder: await configOf('text_encoder'),
      text_encoder_2: await configOf('text_encoder_2'),
      text_encoder_3: await configOf('text_encoder_3'),
      denoiser,
      vae: { ...vae, ...corrected.vae },
    },
  });
}

const noConfigs: ModelConfigs['configs'] = {
  scheduler: {},
  text_encoder: {},
  text_encoder_2: {},
  text_encoder_3: {},
  denoiser: {},
  vae: {},
};

/** An index names each part as [library, class], and parts that the model lacks as [null, null]. */
function isAbsent(entry: unknown): boolean {
  return entry === undefined || (Array.isArray(entry) && entry[0] === null);
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
  if (!index) throw new ModelError('The folder has no model_index.json, so it is not a model in the diffusers layout.');
  return index;
}

/** Exporters rename the pipeline they exported: OnnxStableDiffusionPipeline, ORTStableDiffusionPipeline. */
export function classNameOf(index: Record<string, unknown>): string {
  return typeof index._class_name === 'string' ? index._class_name.replace(/^(Onnx|ORT)(?=[A-Z])/, '') : '';
}

/**
 * The config of a component: beside its graph or its weights (the autoencoder's also in `vae/`), else what the ONNX file
 * carries in its metadata, else nothing.
 */
async function readComponentConfig(folder: string, family: Family, component: Component): Promise<Config> {
  const own = componentLabel({ family }, component);
  const folders = component.startsWith('vae_') ? [own, 'vae_decoder', 'vae_encoder', 'vae'] : [own];
  for (const name of folders) {
    const config = await readJson(join(folder, name, 'config.json'));
    if (config) return config;
  }
  const onnx = join(folder, own, 'model.onnx');
  if (!(await isFile(onnx))) return {};
  const { metadata, inputs } = await inspectOnnxFile(onnx);
  const config: Config = {};
  for (const [key, value] of Object.entries(metadata)) config[key] = parsed(value);
  if (isObject(config.config)) Object.assign(config, config.config);
  const channels = inputs.find(({ name }) => name === 'sample' || name === 'latent_sample')?.shape[1];
  if (component === 'denoiser' && typeof channels === 'number') config.in_channels ??= channels;
  if (component === 'vae_decoder' && typeof channels === 'number') config.latent_channels ??= channels;
  return config;
}

/** `<component>/model.onnx` wins over safetensors. */
async function sourceOf(folder: string, family: Family, component: Component): Promise<ComponentSource> {
  const label = componentLabel({ family }, component);
  const onnx = join(folder, label, 'model.onnx');
  if (await isFile(onnx)) return { kind: 'onnx', file: onnx };
  const part = component.startsWith('vae_') ? 'vae' : label;
  const stem = isEncoder(component) ? textStem : networkStem;
  const file = await locateWeights(join(folder, part), stem, label);
  if (file === undefined) {
    throw new ModelError(
      `The ${label} is missing: there is neither ${label}/model.onnx nor ${part}/${stem}.safetensors.`,
    );
  }
  const own = await readJson(join(folder, part, 'config.json'));
  if (!own) throw new ModelError(`there is no ${part}/config.json.`);
  checkClass(own, family.networks[component]?.classes ?? []);
  const { configs = {} } = await readFolderSettings(folder);
  const configPart: ConfigPart = component.startsWith('vae_') ? 'vae' : (component as ConfigPart);
  const config = { ...own, ...configs[configPart] };
  checkConfig(configPart, config);
  return { kind: 'safetensors', tensors: await readStoredTensors(file), config };
}

function checkClass(config: Record<string, unknown>, supported: readonly string[]): void {
  const given = config._class_name ?? (Array.isArray(config.architectures) ? config.architectures[0] : undefined);
  if (given === undefined || supported.includes(String(given))) return;
  throw new ModelError(`its config says ${String(given)}, which is not supported. Supported: ${supported.join(', ')}.`);
}
