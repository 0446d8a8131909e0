import type { StoredTensor, StoredTensors } from '../files/safetensors.ts';
import { type LoraPart } from './loraKeys.ts';
/** The LoRA cannot be used, or not with this model; the message is a sentence. */
export declare class LoraError extends Error {
  readonly name = 'LoraError';
}
export type StoredParts = Partial<Record<LoraPart, StoredTensor>>;
/**
 * How the change of a module's weight W [out, columns] is stored, where the columns of a convolution are its channels times
 * its window:
 *
 * - `lowRank` (LoRA, LoCon): ΔW = up · down; with `mid`, down is [rank, in] and mid [rank, rank, height, width].
 * - `hadamard` (LoHa, Hyeon-Woo 2022): ΔW = (w1_a · w1_b) ⊙ (w2_a · w2_b); with cores `t1` and `t2` in Tucker's form, whose
 *   w1_a and w2_a lie transposed.
 * - `kronecker` (LoKr, Edalati 2022): ΔW = w1 ⊗ w2, each whole or a product of two.
 * - `difference`: ΔW itself.
 * - `none`: nothing but a change of the bias.
 */
export type LayerKind = 'lowRank' | 'hadamard' | 'kronecker' | 'difference' | 'none';
/** What the shapes in the header say of one layer. */
export interface StoredLayer {
  kind: LayerKind;
  parts: StoredParts;
  /** Rows of ΔW; 0 where it has none. */
  out: number;
  columns: number;
  /** Of the whole weight, where the file tells its axes apart. */
  window?: readonly number[];
  /** What alpha is divided by; undefined where there is no rank and ΔW is as it is stored. */
  rank?: number;
  /** Columns of `up` as it is fed to a graph: exact, so the smaller side of W where the stored form has no lower rank. */
  fedRank: number;
}
/** What a graph takes as the file's change: its layers, and tensors that mean nothing here. */
export interface StoredLora {
  layers: ReadonlyMap<string, StoredLayer>;
  /** Names of tensors that are no part of a layer. */
  unused: readonly string[];
}
/** Whether any name in a file is that of an adapter's tensor, be it of a kind that can be computed or not. */
export declare function holdsLora(tensors: StoredTensors): boolean;
/**
 * The layers of a file under its own names for them. All is checked that can be without the model: which tensors belong
 * together, their types, and that their shapes fit each other.
 *
 * @param name - of the file, for complaints
 * @throws {LoraError} naming the file, and the layer where it is one
 */
export declare function collectLayers(tensors: StoredTensors, name: string): StoredLora;
