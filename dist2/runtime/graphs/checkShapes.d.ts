import type { StoredTensors } from '../files/safetensors.ts';
/** The tensors of one kind of module, and how their sizes hang together. */
export interface Rule {
  /** The path of the module is the group; any tensor inside shows that the module is there. */
  module: RegExp;
  /** Leaves out modules with this tensor. */
  unless?: string;
  /**
   * The first axes of each tensor, by its path inside the module: equal letters are equal sizes, small ones within the
   * module and capital ones within the network. A tensor may only be missing where a question mark comes first.
   */
  sizes: Record<string, string>;
}
/**
 * Checks that the tensors of a network are all there and fit one another, so that weights lost, cut or turned by mistake
 * are found without loading them: a missing bias would not stop a run, only spoil its picture.
 *
 * @throws {ModelError} naming the first tensor that does not fit
 */
export declare function checkShapes(tensors: StoredTensors): void;
/** The same by other rules. @throws {ModelError} */
export declare function checkRules(tensors: StoredTensors, rules: readonly Rule[]): void;
