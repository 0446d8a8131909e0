import type { StoredTensor } from '../files/safetensors.ts';
import { type StoredLayer } from './loraLayers.ts';
/**
 * What is done to one module: W' = W + weight · scale · up · down, and what else its kind of adapter changes.
 *
 * A change that is not of low rank has one of its matrices full and the other one the identity, which is not stored.
 */
export interface LoraLayer {
  /** [rank, in] or [rank, in, height, width]. */
  down: Float32Array;
  /** [out, rank] or [out, rank, 1, 1]. */
  up: Float32Array;
  /** 0 where the weight is not changed by a product. */
  rank: number;
  downShape: readonly number[];
  upShape: readonly number[];
  /** alpha / rank; 1 where the file gives no alpha. */
  scale: number;
  /** Which of the two is the identity; its array is empty. */
  identity?: 'down' | 'up';
  /** DoRA: how much of W's own output is added to it, for each row. Already multiplied into `up` or `down`. */
  outputChange?: Float32Array;
  /** The same for each channel that is read. */
  inputChange?: Float32Array;
  /** Added to the bias, [out]. */
  bias?: Float32Array;
  /** Added to the weight of a normalization, [channels]. */
  vector?: Float32Array;
}
/** Opens each file once, however many tensors are read. */
export declare class TensorReader implements AsyncDisposable {
  private readonly handles;
  private readonly name;
  /** @param name - of the LoRA, for complaints */
  constructor(name: string);
  /** @throws {LoraError} where the type is none of F32, F64, F16, BF16, I32 and I64 */
  floats({ dtype, file, offset, length }: StoredTensor): Promise<Float32Array>;
  [Symbol.asyncDispose](): Promise<void>;
}
/** Reads one layer of a file, and turns it into the form that graphs are fed with. */
export declare class LayerReader {
  private readonly name;
  private readonly layer;
  private readonly stored;
  private readonly weight;
  private readonly tensors;
  /**
   * @param name - of the file, for complaints
   * @param layer - what the file calls the layer
   * @param weight - of the module; undefined where it is not known, so that the layer is checked when it is fed
   */
  constructor(
    name: string,
    layer: string,
    stored: StoredLayer,
    weight: StoredTensor | undefined,
    tensors: TensorReader,
  );
  /** @param scaleOf - the scale of a layer without an alpha of its own, by its rank */
  read(scaleOf: (rank: number) => number): Promise<LoraLayer>;
  private scale;
  /** Of the size of the module's weight, as far as that is known. */
  private checkFit;
  /** The change as a product, of a lower rank than W has where the stored form allows it. */
  private product;
  private hadamardFactor;
  private kroneckerFactor;
  /** a · b or, in Tucker's form, aᵀ · core · b. */
  private cored;
  private setProduct;
  /**
   * DoRA (Liu 2024): W' = m · (W + ΔW) / ‖W + ΔW‖ = s · (W + ΔW), with one magnitude m and norm for each row of W (PEFT), or
   * for each channel that W reads (LyCORIS, where its magnitudes are [1, in]). So W' - W = (s - 1) · W + s · ΔW: the first
   * is a change of what W gives or is given, the second is of ΔW's rank. At a weight other than 1 that much of the
   * difference is added, as ComfyUI and AUTOMATIC1111's web UI do.
   */
  private decompose;
  /** Row by row. */
  private wholeWeight;
  private matrix;
  private values;
}
/**
 * The part of a layer that changes some rows of its weight, for files that join several modules in one layer.
 *
 * @param rows - from the first up to but without the second
 * @throws {LoraError} where the layer has fewer rows, or changes what cannot be divided
 */
export declare function rowsOfLayer(
  layer: LoraLayer,
  rows: readonly [from: number, to: number],
  label: string,
): LoraLayer;
