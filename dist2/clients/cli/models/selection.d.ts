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
/**
 * Which files of a repository are needed: of a diffusers pipeline the configs, tokenizers and one set of weights of each
 * component; of a network of its own (ControlNet, VAE) its config and weights; else the one `.safetensors` file.
 * Throws a sentence where there is nothing to take, or too much.
 *
 * @param modelIndex - the repository's `model_index.json`, parsed, if it has one
 */
export declare function select(
  files: readonly string[],
  modelIndex: Record<string, unknown> | undefined,
  { variant, include, exclude }: Wishes,
): Selection;
/** The shards that an index names, beside it. Throws a sentence where one is not there. */
export declare function shardsOf(indexPath: string, text: string, files: readonly string[]): string[];
