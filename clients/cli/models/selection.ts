import path from 'node:path';
import { isWeightsFile } from '../../../runtime/index.ts';

export interface Wishes {
  /** Such as `fp16`. Default: the weights without a variant. */
  variant?: string | undefined;
  /** Patterns; where there are any, they choose, and not the rules below. */
  include: readonly string[];
  exclude: readonly string[];
}

export interface Selection {
  /** Paths of the repository. */
  paths: string[];
  /** Those of `paths` that name shards, which have to be fetched too. */
  shardIndexes: string[];
  /** What it becomes: a folder of these files, or one file. */
  layout: 'folder' | 'file';
}

/** Components of a pipeline that are never run here. */
const unused = new Set(['safety_checker', 'feature_extractor', 'image_encoder']);

const pickled = /\.(bin|ckpt|pt|pth|pkl)$/i;

/**
 * The needed files of a repository: of a diffusers pipeline the configs, tokenizers and one set of weights of each
 * component; of a network of its own (ControlNet, VAE) its config and weights; else the one `.safetensors` or `.gguf` file.
 * Throws a sentence if there is no model, or more than one.
 *
 * @param modelIndex - the repository's `model_index.json`, parsed, if it has one
 */
export function select(
  files: readonly string[],
  modelIndex: Record<string, unknown> | undefined,
  { variant, include, exclude }: Wishes,
): Selection {
  const offered = files.filter((file) => !exclude.some((pattern) => matches(file, pattern)));
  if (include.length > 0) {
    const paths = offered.filter((file) => include.some((pattern) => matches(file, pattern)));
    if (paths.length === 0) throw new Error(`No file matches --include ${include.join(', ')}. ${listed(files)}`);
    return chosen(paths);
  }
  if (modelIndex !== undefined) return ofPipeline(offered, modelIndex, variant);
  if (offered.includes('config.json')) {
    const weights = weightsIn(offered, '', variant);
    if (weights !== undefined) return folder(['config.json', ...licences(offered), ...weights.paths], weights.index);
  }
  const single = offered.filter(isWeightsFile);
  if (single.length === 1) return { paths: single, shardIndexes: [], layout: 'file' };
  if (single.length > 1) throw new Error(`There are several models. Choose one with --include. ${listed(single)}`);
  const pickles = offered.filter((file) => pickled.test(file));
  throw new Error(
    pickles.length > 0
      ? `The repository has only pickled weights (${pickles[0]}). They are refused, because opening a pickle can run code. Look for a repository with safetensors.`
      : 'The repository has neither a diffusers pipeline nor a .safetensors or .gguf file.',
  );
}

/** The shards that an index names, beside it. Throws a sentence where one is not there. */
export function shardsOf(indexPath: string, text: string, files: readonly string[]): string[] {
  let map: unknown;
  try {
    map = (JSON.parse(text) as { weight_map?: unknown } | null)?.weight_map;
  } catch (cause) {
    throw new Error(`${indexPath} is not JSON.`, { cause });
  }
  if (typeof map !== 'object' || map === null) throw new Error(`${indexPath} has no weight_map.`);
  return [...new Set(Object.values(map))].map((shard) => {
    const at = path.posix.join(path.posix.dirname(indexPath), String(shard));
    if (String(shard).includes('/') || !files.includes(at)) {
      throw new Error(`${indexPath} names ${JSON.stringify(shard)}, which is not beside it.`);
    }
    return at;
  });
}

function ofPipeline(
  files: readonly string[],
  modelIndex: Record<string, unknown>,
  variant: string | undefined,
): Selection {
  const paths = ['model_index.json', ...files.filter((file) => file === 'latentwire.json'), ...licences(files)];
  const indexes: string[] = [];
  const variants = new Set<string>();
  const components = Object.entries(modelIndex)
    // {"unet": ["diffusers", "UNet2DConditionModel"], "safety_checker": [null, null], "_class_name": "…"}
    .filter(([name, value]) => Array.isArray(value) && typeof value[1] === 'string' && !unused.has(name))
    .map(([name]) => name);
  for (const component of components) {
    paths.push(...files.filter((file) => isSetting(file, component)));
    if (/^(scheduler|tokenizer(_\d+)?)$/.test(component)) continue;
    const weights = weightsIn(files, component, variant);
    if (weights !== undefined) {
      paths.push(...weights.paths);
      if (weights.index !== undefined) indexes.push(weights.index);
      if (weights.variant !== '') variants.add(weights.variant);
      continue;
    }
    const graphs = files.filter((file) => isGraph(file, component));
    if (graphs.length > 0) paths.push(...graphs);
    else throw new Error(missing(files, component));
  }
  if (components.length === 0) throw new Error('model_index.json names no components.');
  if (variant !== undefined && !variants.has(variant)) {
    const there = [...new Set(components.flatMap((name) => [...setsIn(files, name).keys()]))].filter(Boolean);
    throw new Error(`There are no weights of the variant ${variant}. Variants: ${there.join(', ') || 'none'}.`);
  }
  return { paths, shardIndexes: indexes, layout: 'folder' };
}

/** Files such as `config.json`, `merges.txt` and `scheduler_config.json`, right in the folder of a component. */
function isSetting(file: string, component: string): boolean {
  const name = nameIn(file, component);
  return name !== undefined && /\.(json|txt)$/.test(name) && !/\.index\./.test(name);
}

/** What `optimum` exports, with its external data. */
function isGraph(file: string, component: string): boolean {
  return /^(model\.onnx(_data)?|weights\.pb)$/.test(nameIn(file, component) ?? '');
}

function nameIn(file: string, folder: string): string | undefined {
  const [dir, name] = [path.posix.dirname(file), path.posix.basename(file)];
  return dir === (folder === '' ? '.' : folder) ? name : undefined;
}

interface WeightSet {
  variant: string;
  paths: string[];
  /** Names the shards, which are not in `paths` yet. */
  index?: string;
}

/** The set of weights to take from a folder: the wished variant, else that without one, else the only or likeliest. */
function weightsIn(files: readonly string[], folder: string, wished: string | undefined): WeightSet | undefined {
  const sets = setsIn(files, folder);
  // Weights before averaging are for training on.
  const order = [wished, '', 'fp16', ...[...sets.keys()].filter((name) => name !== 'non_ema'), 'non_ema'];
  for (const variant of order) {
    const found = variant === undefined ? undefined : sets.get(variant);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The sets of weights of a folder by variant ('' for none): `STEM[.VARIANT].safetensors`, or an index of shards, which
 * has carried the variant in each of the three places that its name offers.
 */
function setsIn(files: readonly string[], folder: string): Map<string, WeightSet> {
  const sets = new Map<string, WeightSet>();
  for (const file of files) {
    const [stem = '', ...words] = (nameIn(file, folder) ?? '').split('.');
    const [variant = '', ...more] = words.filter((word) => !['safetensors', 'index', 'json'].includes(word));
    const rest = words.filter((word) => word !== variant).join('.');
    // A shard: only its index counts.
    if (!['model', 'diffusion_pytorch_model'].includes(stem) || more.length > 0 || /-of-\d+$/.test(variant)) continue;
    // One file is simpler than its shards.
    if (rest === 'safetensors') sets.set(variant, { variant, paths: [file] });
    else if (rest === 'safetensors.index.json' && !sets.has(variant)) {
      sets.set(variant, { variant, paths: [file], index: file });
    }
  }
  return sets;
}

function missing(files: readonly string[], component: string): string {
  const pickle = files.find((file) => path.posix.dirname(file) === component && pickled.test(file));
  return pickle === undefined
    ? `The repository has no weights for its ${component}.`
    : `The ${component} has only ${pickle}. Pickled weights are refused, because opening them can run code. Look for a revision with safetensors.`;
}

function licences(files: readonly string[]): string[] {
  return files.filter((file) => /^LICEN[CS]E[\w.-]*$/i.test(file));
}

function folder(paths: string[], index: string | undefined): Selection {
  return { paths, shardIndexes: index === undefined ? [] : [index], layout: 'folder' };
}

function chosen(paths: string[]): Selection {
  const pickle = paths.find((file) => pickled.test(file));
  if (pickle !== undefined) throw new Error(`${pickle} is refused: it is a pickle, and opening a pickle can run code.`);
  const [only] = paths;
  const single = paths.length === 1 && only !== undefined && isWeightsFile(only);
  const shardIndexes = paths.filter((file) => /\.safetensors\..*json$/.test(file) && file.includes('.index.'));
  return { paths, shardIndexes, layout: single ? 'file' : 'folder' };
}

/** `*` is anything, in folders too; a pattern without a slash also means the name of a file in any folder. */
function matches(file: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const whole = new RegExp(`^${source}$`);
  return whole.test(file) || (!pattern.includes('/') && whole.test(path.posix.basename(file)));
}

function listed(files: readonly string[]): string {
  const shown = files.slice(0, 20).join(', ');
  return `Files: ${shown}${files.length > 20 ? `, and ${files.length - 20} more` : ''}.`;
}
