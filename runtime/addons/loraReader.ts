import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { StoredTensor } from '../files/safetensors.ts';
import { decodeValues, multiplyRows, readBytes } from '../files/values.ts';
import type { LoraPart } from './loraKeys.ts';
import { LoraError, type StoredLayer } from './loraLayers.ts';

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

/** A matrix [rows, columns], row by row. */
interface Matrix {
  rows: number;
  columns: number;
  data: Float32Array;
}

/** A product [rows, inner] · [inner, columns]; undefined stands for the identity. */
interface Product {
  left: Matrix | undefined;
  right: Matrix | undefined;
  rows: number;
  inner: number;
  columns: number;
}

/** Opens each file once, however many tensors are read. */
export class TensorReader implements AsyncDisposable {
  private readonly handles = new Map<string, FileHandle>();
  private readonly name: string;

  /** @param name - of the LoRA, for complaints */
  constructor(name: string) {
    this.name = name;
  }

  /** @throws {LoraError} where the type holds no numbers: none of floats, blocks, I32 and I64 */
  async floats(tensor: StoredTensor): Promise<Float32Array> {
    const { dtype, file, shape, scale } = tensor;
    let handle = this.handles.get(file);
    if (!handle) {
      handle = await open(file, 'r');
      this.handles.set(file, handle);
    }
    const read = handle;
    const decode = async (part: StoredTensor) =>
      decodeValues(
        part.dtype,
        await readBytes(read, part).catch((cause: Error) => {
          throw new LoraError(cause.message, { cause });
        }),
      );
    const values = await decode(tensor);
    const factors = scale && (await decode(scale));
    if (values && factors) multiplyRows(values, factors, values.length / (shape[0] ?? 1));
    if (values) return values;
    throw new LoraError(
      `${this.name} cannot be used: ${basename(file)} has values of ${dtype}, which are not supported.`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.handles.values()) await handle.close();
  }
}

/** Reads one layer of a file, and turns it into the form that graphs are fed with. */
export class LayerReader {
  private readonly name: string;
  private readonly layer: string;
  private readonly stored: StoredLayer;
  private readonly weight: StoredTensor | undefined;
  private readonly tensors: TensorReader;

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
  ) {
    this.tensors = tensors;
    this.name = name;
    this.layer = layer;
    this.stored = stored;
    this.weight = weight;
  }

  /** @param scaleOf - the scale of a layer without an alpha of its own, by its rank */
  async read(scaleOf: (rank: number) => number): Promise<LoraLayer> {
    this.checkFit();
    const { kind, out, columns, rank, parts } = this.stored;
    const change: LoraLayer = {
      down: new Float32Array(0),
      up: new Float32Array(0),
      rank: 0,
      downShape: [],
      upShape: [],
      scale: await this.scale(rank, scaleOf),
    };
    if (kind === 'difference' && this.stored.window?.length === 0) change.vector = await this.values('diff');
    else if (kind !== 'none') this.setProduct(change, await this.product());
    if (parts.upBias) change.bias = (await this.values('upBias')).map((value) => value * change.scale);
    if (parts.diffBias) change.bias = await this.values('diffBias');
    if (parts.doraScale ?? parts.magnitude) await this.decompose(change, out, columns);
    return change;
  }

  private async scale(rank: number | undefined, scaleOf: (rank: number) => number): Promise<number> {
    // What is whole is stored as it is meant, whatever alpha a trainer wrote beside it.
    if (rank === undefined) return 1;
    const { alpha } = this.stored.parts;
    const scale = alpha ? (await this.tensors.floats(alpha))[0]! / rank : scaleOf(rank);
    if (!Number.isFinite(scale)) {
      throw new LoraError(`${this.name} cannot be used: the alpha of "${this.layer}" is not a number.`);
    }
    return scale;
  }

  /** Of the size of the module's weight, as far as that is known. */
  private checkFit(): void {
    if (!this.weight) return;
    const { kind, out, columns, window, parts } = this.stored;
    const [weightOut = 0, ...rest] = this.weight.shape;
    const refuse = (what: string) =>
      new LoraError(
        `${this.name} is for another model: at "${this.layer}" ${what}, and this model's weight is [${this.weight?.shape.join(', ')}].`,
      );
    if (parts.diffBias && sizeOf(parts.diffBias.shape) !== weightOut) {
      throw refuse(`it changes a bias of ${sizeOf(parts.diffBias.shape)} numbers`);
    }
    if (kind === 'none') return;
    // A linear layer and a 1×1 convolution have one shape here: the same numbers in the same order.
    const flat = (sizes: readonly number[]) => (sizes.length === 1 ? [...sizes, 1, 1] : sizes).join();
    const sameWindow = window === undefined || flat(window) === flat(rest);
    if (out === weightOut && columns === sizeOf(rest) && sameWindow) return;
    if (kind === 'lowRank' && !parts.mid) {
      throw refuse(
        `its matrices have the shapes [${parts.down!.shape}] and [${parts.up!.shape}]`.replaceAll(',', ', '),
      );
    }
    throw refuse(`it changes a weight of [${[out, ...(window ?? [columns])].join(', ')}]`);
  }

  /** The change as a product, of a lower rank than W has where the stored form allows it. */
  private async product(): Promise<Product> {
    const { kind, out, columns, fedRank } = this.stored;
    const isLow = fedRank < Math.min(out, columns);
    switch (kind) {
      case 'lowRank': {
        const [down, up] = [await this.matrix('down'), await this.matrix('up')];
        return productOf(up, this.stored.parts.mid ? withCore(await this.values('mid'), down, up.columns) : down);
      }
      case 'hadamard': {
        const [one, two] = [await this.hadamardFactor(1), await this.hadamardFactor(2)];
        if (isLow) return productOf(rowwise(one.left!, two.left!), columnwise(one.right!, two.right!));
        const [first, second] = [whole(one), whole(two)];
        return dense({ ...first, data: first.data.map((value, i) => value * second.data[i]!) });
      }
      case 'kronecker': {
        const [one, two] = [await this.kroneckerFactor(1), await this.kroneckerFactor(2)];
        if (!isLow) return dense(kronecker(whole(one), whole(two)));
        return productOf(
          kronecker(one.left ?? identity(one.inner), two.left ?? identity(two.inner)),
          kronecker(one.right ?? identity(one.inner), two.right ?? identity(two.inner)),
        );
      }
      default:
        return dense(await this.matrix('diff'));
    }
  }

  private async hadamardFactor(side: 1 | 2): Promise<Product> {
    const [a, b] = [await this.matrix(`hada_w${side}_a`), await this.matrix(`hada_w${side}_b`)];
    return this.cored(a, b, `hada_t${side}`);
  }

  private async kroneckerFactor(side: 1 | 2): Promise<Product> {
    if (this.stored.parts[`lokr_w${side}`]) {
      const matrix = await this.matrix(`lokr_w${side}`);
      const { rows, columns } = matrix;
      return rows < columns
        ? { left: undefined, right: matrix, rows, inner: rows, columns }
        : { left: matrix, right: undefined, rows, inner: columns, columns };
    }
    const [a, b] = [await this.matrix(`lokr_w${side}_a`), await this.matrix(`lokr_w${side}_b`)];
    return this.cored(a, b, side === 2 ? 'lokr_t2' : undefined);
  }

  /** a · b or, in Tucker's form, aᵀ · core · b. */
  private async cored(a: Matrix, b: Matrix, core: LoraPart | undefined): Promise<Product> {
    if (core === undefined || !this.stored.parts[core]) return productOf(a, b);
    return productOf(transposed(a), withCore(await this.values(core), b, a.rows));
  }

  private setProduct(change: LoraLayer, { left, right, inner }: Product): void {
    const { out, columns, window } = this.stored;
    const [, ...rest] = this.weight?.shape ?? [out, ...(window ?? [columns])];
    change.rank = inner;
    change.down = right?.data ?? change.down;
    change.up = left?.data ?? change.up;
    change.downShape = [inner, ...rest];
    change.upShape = [out, inner, ...(rest.length > 1 ? [1, 1] : [])];
    if (!left) change.identity = 'up';
    else if (!right) change.identity = 'down';
  }

  /**
   * DoRA (Liu 2024): W' = m · (W + ΔW) / ‖W + ΔW‖ = s · (W + ΔW), with one magnitude m and norm for each row of W (PEFT), or
   * for each channel that W reads (LyCORIS, where its magnitudes are [1, in]). So W' - W = (s - 1) · W + s · ΔW: the first
   * is a change of what W gives or is given, the second is of ΔW's rank. At a weight other than 1 that much of the
   * difference is added, as ComfyUI and AUTOMATIC1111's web UI do.
   */
  private async decompose(change: LoraLayer, out: number, columns: number): Promise<void> {
    if (!this.weight) {
      throw new LoraError(`${this.name} cannot be used: the weight that "${this.layer}" changes is unknown.`);
    }
    const { doraScale, magnitude } = this.stored.parts;
    const [, channels = 1] = this.weight.shape;
    const shape = doraScale?.shape ?? [];
    const byChannel = shape.length > 1 && shape[0] === 1 && shape[1] === channels && sizeOf(shape) === channels;
    const wanted = byChannel ? channels : out;
    const given = await this.values(doraScale ? 'doraScale' : 'magnitude');
    if (given.length !== wanted) {
      throw new LoraError(
        `${this.name} is for another model: "${this.layer}" has ${given.length} magnitudes (${(doraScale ?? magnitude)!.shape.join(' × ')}) for a weight of [${this.weight.shape.join(', ')}].`,
      );
    }
    const squares = new Float64Array(wanted);
    const weight = await this.wholeWeight(this.weight);
    const window = columns / channels;
    const row = new Float64Array(columns);
    for (let o = 0; o < out; o++) {
      changedRow(row, weight, change, o);
      for (let c = 0; c < columns; c++) {
        const at = byChannel ? Math.floor(c / window) : o;
        squares[at] = squares[at]! + row[c]! ** 2;
      }
    }
    const factors = Float32Array.from(given, (m, i) => m / Math.sqrt(squares[i]!));
    if (!factors.every(Number.isFinite)) {
      throw new LoraError(`${this.name} cannot be used: a norm at "${this.layer}" is 0.`);
    }
    if (byChannel) {
      scaleColumns(change, factors, columns, window);
      change.inputChange = factors.map((factor) => factor - 1);
    } else {
      scaleRows(change, factors, columns);
      change.outputChange = factors.map((factor) => factor - 1);
    }
  }

  /** Row by row. */
  private async wholeWeight(tensor: StoredTensor): Promise<Float32Array> {
    const data = await this.tensors.floats(tensor);
    if (!tensor.transposed) return data;
    const [rows = 0, columns = 0] = tensor.shape;
    return transposed({ rows: columns, columns: rows, data }).data;
  }

  private async matrix(part: LoraPart): Promise<Matrix> {
    const [rows = 0, ...rest] = this.stored.parts[part]!.shape;
    return { rows, columns: sizeOf(rest), data: await this.values(part) };
  }

  private async values(part: LoraPart): Promise<Float32Array> {
    const values = await this.tensors.floats(this.stored.parts[part]!);
    if (values.every(Number.isFinite)) return values;
    throw new LoraError(`${this.name} cannot be used: "${this.layer}" has NaN or infinite values.`);
  }
}

/** W + scale · up · down, of which one row is asked. */
function changedRow(row: Float64Array, weight: Float32Array, change: LoraLayer, o: number): void {
  const { up, down, rank, scale, identity: is } = change;
  const columns = row.length;
  const first = o * columns;
  for (let c = 0; c < columns; c++) row[c] = weight[first + c]!;
  if (is) {
    const full = is === 'up' ? down : up;
    for (let c = 0; c < columns; c++) row[c] = row[c]! + scale * full[first + c]!;
    return;
  }
  for (let r = 0; r < rank; r++) {
    const factor = scale * up[o * rank + r]!;
    const from = r * columns;
    for (let c = 0; c < columns; c++) row[c] = row[c]! + factor * down[from + c]!;
  }
}

function scaleRows(change: LoraLayer, factors: Float32Array, columns: number): void {
  const [full, width] =
    change.identity === 'up' ? [change.down, columns] : [change.up, change.identity ? columns : change.rank];
  for (let i = 0; i < full.length; i++) full[i] = full[i]! * factors[Math.floor(i / width)]!;
}

function scaleColumns(change: LoraLayer, factors: Float32Array, columns: number, window: number): void {
  const full = change.identity === 'down' ? change.up : change.down;
  for (let i = 0; i < full.length; i++) full[i] = full[i]! * factors[Math.floor((i % columns) / window)]!;
}

function productOf(left: Matrix, right: Matrix): Product {
  return { left, right, rows: left.rows, inner: left.columns, columns: right.columns };
}

/** A whole matrix as a product with the identity on its smaller side. */
function dense(matrix: Matrix): Product {
  const { rows, columns } = matrix;
  return rows <= columns
    ? { left: undefined, right: matrix, rows, inner: rows, columns }
    : { left: matrix, right: undefined, rows, inner: columns, columns };
}

function identity(size: number): Matrix {
  const data = new Float32Array(size * size);
  for (let i = 0; i < size; i++) data[i * size + i] = 1;
  return { rows: size, columns: size, data };
}

function whole({ left, right, rows, inner, columns }: Product): Matrix {
  if (!left || !right) return (left ?? right)!;
  const data = new Float32Array(rows * columns);
  const sum = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    sum.fill(0);
    for (let i = 0; i < inner; i++) {
      const factor = left.data[row * inner + i]!;
      for (let c = 0; c < columns; c++) sum[c] = sum[c]! + factor * right.data[i * columns + c]!;
    }
    data.set(sum, row * columns);
  }
  return { rows, columns, data };
}

function transposed({ rows, columns, data }: Matrix): Matrix {
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = data[row * columns + column]!;
  }
  return { rows: columns, columns: rows, data: turned };
}

/** [i, r · window] = Σ_j core[i, j, window] · right[j, r]: the channels that a core [outer, j, height, width] reads. */
function withCore(core: Float32Array, right: Matrix, outer: number): Matrix {
  const { rows: within, columns: channels, data } = right;
  const window = core.length / (outer * within);
  const columns = channels * window;
  const made = new Float32Array(outer * columns);
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < within; j++) {
      for (let r = 0; r < channels; r++) {
        const factor = data[j * channels + r]!;
        for (let k = 0; k < window; k++) {
          const at = i * columns + r * window + k;
          made[at] = made[at]! + core[(i * within + j) * window + k]! * factor;
        }
      }
    }
  }
  return { rows: outer, columns, data: made };
}

/** [row, i · j] = a[row, i] · b[row, j]. With `columnwise`, (a·c) ⊙ (b·d) is one product. */
function rowwise(a: Matrix, b: Matrix): Matrix {
  const columns = a.columns * b.columns;
  const data = new Float32Array(a.rows * columns);
  let at = 0;
  for (let row = 0; row < a.rows; row++) {
    for (let i = 0; i < a.columns; i++) {
      for (let j = 0; j < b.columns; j++) data[at++] = a.data[row * a.columns + i]! * b.data[row * b.columns + j]!;
    }
  }
  return { rows: a.rows, columns, data };
}

/** [i · j, column] = a[i, column] · b[j, column]. */
function columnwise(a: Matrix, b: Matrix): Matrix {
  const { columns } = a;
  const data = new Float32Array(a.rows * b.rows * columns);
  let at = 0;
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.rows; j++) {
      for (let c = 0; c < columns; c++) data[at++] = a.data[i * columns + c]! * b.data[j * columns + c]!;
    }
  }
  return { rows: a.rows * b.rows, columns, data };
}

/** [i · p, j · q] = a[i, j] · b[p, q]. */
function kronecker(a: Matrix, b: Matrix): Matrix {
  const [rows, columns] = [a.rows * b.rows, a.columns * b.columns];
  const data = new Float32Array(rows * columns);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.columns; j++) {
      const factor = a.data[i * a.columns + j]!;
      if (factor === 0) continue;
      for (let p = 0; p < b.rows; p++) {
        const at = (i * b.rows + p) * columns + j * b.columns;
        for (let q = 0; q < b.columns; q++) data[at + q] = factor * b.data[p * b.columns + q]!;
      }
    }
  }
  return { rows, columns, data };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * The part of a layer that changes some rows of its weight, for files that join several modules in one layer.
 *
 * @param rows - from the first up to but without the second
 * @throws {LoraError} where the layer has fewer rows, or changes what cannot be divided
 */
export function rowsOfLayer(layer: LoraLayer, rows: readonly [from: number, to: number], label: string): LoraLayer {
  const [from, to] = rows;
  const out = layer.identity === 'up' ? layer.rank : (layer.upShape[0] ?? 0);
  if (to > out) throw new LoraError(`${label} is for another model: it has ${out} rows, and this model takes ${to}.`);
  if (layer.inputChange || layer.outputChange || layer.vector) {
    throw new LoraError(`${label} cannot be used: a DoRA of several joined layers is not supported.`);
  }
  const bias = layer.bias && { bias: layer.bias.slice(from, to) };
  if (layer.identity === 'up') {
    const width = layer.down.length / layer.rank;
    const rank = to - from;
    const down = layer.down.slice(from * width, to * width);
    return { ...layer, ...bias, down, rank, downShape: [rank, ...layer.downShape.slice(1)], upShape: [rank, rank] };
  }
  const up = layer.up.slice(from * layer.rank, to * layer.rank);
  return { ...layer, ...bias, up, upShape: [to - from, ...layer.upShape.slice(1)] };
}
