import type { StoredTensor, StoredTensors } from '../files/safetensors.ts';
import { type LoraPart, otherKindOf, parseLoraKey } from './loraKeys.ts';

/** The LoRA cannot be used, or not with this model; the message is a sentence. */
export class LoraError extends Error {
  override readonly name = 'LoraError';
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

/**
 * How many values may be fed for all layers together: 4 GiB. Adapters of whole matrices need as much as the model itself,
 * and what is fed is kept beside it.
 */
const mostFed = 2 ** 30;

/** What a graph takes as the file's change: its layers, and tensors that mean nothing here. */
export interface StoredLora {
  layers: ReadonlyMap<string, StoredLayer>;
  /** Names of tensors that are no part of a layer. */
  unused: readonly string[];
}

/** Whether any name in a file is that of an adapter's tensor, be it of a kind that can be computed or not. */
export function holdsLora(tensors: StoredTensors): boolean {
  for (const name of tensors.keys()) {
    const part = parseLoraKey(name)?.part;
    if ((part !== undefined && part !== 'alpha') || otherKindOf(name) !== undefined) return true;
  }
  return false;
}

/**
 * The layers of a file under its own names for them. All is checked that can be without the model: which tensors belong
 * together, their types, and that their shapes fit each other.
 *
 * @param name - of the file, for complaints
 * @throws {LoraError} naming the file, and the layer where it is one
 */
export function collectLayers(tensors: StoredTensors, name: string): StoredLora {
  const found = new Map<string, StoredParts>();
  const unused: string[] = [];
  for (const [key, tensor] of tensors) {
    const kind = otherKindOf(key);
    if (kind !== undefined) {
      throw new LoraError(
        `${name} cannot be used: it is ${kind}; supported are LoRA, LoCon, LoHa, LoKr, DoRA and whole differences.`,
      );
    }
    const parsed = parseLoraKey(key);
    if (!parsed) {
      unused.push(key);
      continue;
    }
    const parts = found.get(parsed.layer) ?? {};
    if (parts[parsed.part]) {
      throw new LoraError(`${name} cannot be used: it contains several adapters ("${key}" is a second one).`);
    }
    parts[parsed.part] = tensor;
    found.set(parsed.layer, parts);
  }
  const layers = new Map<string, StoredLayer>();
  let fed = 0;
  for (const [layer, parts] of found) {
    const { alpha: _, ...rest } = parts;
    if (Object.keys(rest).length === 0) {
      // An alpha alone scales nothing; some trainers leave those of layers that they did not train.
      continue;
    }
    const stored = checkLayer(layer, parts, name);
    layers.set(layer, stored);
    fed += stored.fedRank * (stored.out + stored.columns);
  }
  if (layers.size === 0) {
    throw new LoraError(
      `${name} contains no LoRA: no tensor has a name like "….lora_down.weight" or "….lora_A.weight".`,
    );
  }
  if (fed > mostFed) {
    const size = (fed / 2 ** 28).toFixed(1);
    throw new LoraError(
      `${name} cannot be used: its changes are not of low rank and would take ${size} GiB of memory; allowed are ${mostFed / 2 ** 28} GiB.`,
    );
  }
  return { layers, unused };
}

/** Types whose values are read; whole numbers only for an alpha. */
const computable = ['F32', 'F16', 'BF16', 'F64'];

function checkLayer(layer: string, parts: StoredParts, name: string): StoredLayer {
  const refuse = (reason: string) => new LoraError(`${name} cannot be used: "${layer}" ${reason}.`);
  for (const [part, { dtype, shape }] of Object.entries(parts)) {
    if (computable.includes(dtype) || (part === 'alpha' && (dtype === 'I32' || dtype === 'I64'))) continue;
    throw refuse(`is stored as ${dtype} (${part}, [${shape.join(', ')}]); supported are F32, F16, BF16 and F64`);
  }
  if (/token_embedding|position_embedding/.test(layer))
    throw refuse('changes the embeddings of tokens, which is not supported');
  const { alpha } = parts;
  if (alpha && sizeOf(alpha.shape) !== 1) throw refuse(`has an alpha of ${sizeOf(alpha.shape)} numbers`);
  const has = (prefix: string) => Object.keys(parts).some((part) => part.startsWith(prefix));
  const kinds = [parts.down || parts.up || parts.mid, has('hada_'), has('lokr_'), parts.diff].filter(Boolean).length;
  if (kinds > 1) throw refuse('has adapters of several kinds');
  const change = parts.diff
    ? difference(parts.diff)
    : has('hada_')
      ? hadamard(parts, refuse)
      : has('lokr_')
        ? kronecker(parts, refuse)
        : parts.down || parts.up
          ? lowRank(parts, refuse)
          : { kind: 'none' as const, out: 0, columns: 0, fedRank: 0 };
  const stored = { ...change, parts };
  if (parts.upBias && (stored.kind !== 'lowRank' || sizeOf(parts.upBias.shape) !== stored.out)) {
    throw refuse(`has a bias of ${sizeOf(parts.upBias.shape)} values without a weight`);
  }
  checkMagnitude(stored, refuse);
  if (stored.kind === 'none' && !parts.diffBias) throw refuse('has only parts of its change');
  return stored;
}

type Change = Omit<StoredLayer, 'parts'>;
type Refuse = (reason: string) => LoraError;

function lowRank({ down, up, mid }: StoredParts, refuse: Refuse): Change {
  if (!down || !up) throw refuse('has only one of its two matrices');
  const [rank = 0, inner = 0, ...kernel] = down.shape;
  const [out = 0, upRank, ...upKernel] = up.shape;
  const matrices = [down, up].every(({ shape }) => shape.length === 2 || shape.length === 4);
  if (mid) {
    const [outer, within, ...window] = mid.shape;
    const fits = outer === upRank && within === rank && window.length === 2 && onlyOnes([...kernel, ...upKernel]);
    if (!matrices || !fits) {
      throw refuse(`has matrices that do not fit each other: ${listed(down, up)} and ${listed(mid)}`);
    }
    const columns = inner * sizeOf(window);
    return { kind: 'lowRank', out, columns, window: [inner, ...window], rank, fedRank: upRank! };
  }
  if (!matrices || rank < 1 || rank !== upRank || !onlyOnes(upKernel)) {
    throw refuse(`is not of low rank, as its matrices have the shapes ${listed(down)} and ${listed(up)}`);
  }
  return { kind: 'lowRank', out, columns: inner * sizeOf(kernel), window: [inner, ...kernel], rank, fedRank: rank };
}

function hadamard(parts: StoredParts, refuse: Refuse): Change {
  const factors = [1, 2].map((side) => {
    const of = (part: 'w_a' | 'w_b' | 't') =>
      parts[`hada_${part === 't' ? `t${side}` : `w${side}${part.slice(1)}`}` as LoraPart];
    const [a, b, core] = [of('w_a'), of('w_b'), of('t')];
    if (!a || !b) throw refuse(`lacks one of its matrices (hada_w${side}_a, hada_w${side}_b)`);
    const [first, second] = [a.shape, b.shape];
    if (first.length !== 2 || second.length !== 2) throw refuse('has a factor that is not a matrix');
    if (!core) {
      if (first[1] !== second[0]) throw unequal(refuse, `hada_w${side}`, a, b);
      return { out: first[0]!, columns: second[1]!, rank: second[0]!, outer: first[1]!, window: undefined };
    }
    const [outer, within, ...window] = core.shape;
    if (outer !== first[0] || within !== second[0] || window.length !== 2)
      throw unequal(refuse, `hada_t${side}`, a, b, core);
    const columns = second[1]! * sizeOf(window);
    return { out: first[1]!, columns, rank: second[0]!, outer: first[0]!, window: [second[1]!, ...window] };
  }) as [HadamardFactor, HadamardFactor];
  const [one, two] = factors;
  if (one.out !== two.out || one.columns !== two.columns || String(one.window) !== String(two.window)) {
    throw refuse('is a product of two matrices of different sizes');
  }
  if (one.outer < 1 || two.outer < 1) throw refuse('has a rank of 0');
  const { out, columns, rank, window } = one;
  return lowest({ kind: 'hadamard', out, columns, rank, fedRank: one.outer * two.outer, ...(window && { window }) });
}

interface HadamardFactor {
  out: number;
  columns: number;
  rank: number;
  /** Columns of the matrix [out, outer] that it is a product of. */
  outer: number;
  window: number[] | undefined;
}

function kronecker(parts: StoredParts, refuse: Refuse): Change {
  const factors = ([1, 2] as const).map((side) => {
    const [whole, a, b] = [parts[`lokr_w${side}`], parts[`lokr_w${side}_a`], parts[`lokr_w${side}_b`]];
    const core = side === 2 ? parts.lokr_t2 : undefined;
    if (whole) {
      if (a || b || core) throw refuse(`holds lokr_w${side} both whole and as a product`);
      const [rows = 0, ...rest] = whole.shape;
      if (rest.length !== 1 && rest.length !== 3) throw refuse(`has a lokr_w${side} of the shape [${whole.shape}]`);
      const columns = sizeOf(rest);
      return {
        rows,
        columns,
        rank: undefined,
        inner: Math.min(rows, columns),
        window: rest.length > 1 ? rest : undefined,
      };
    }
    if (!a || !b) throw refuse(`lacks one of its factors (lokr_w${side}, or lokr_w${side}_a and lokr_w${side}_b)`);
    if (a.shape.length !== 2 || b.shape.length !== 2) throw refuse('has a factor that is not a matrix');
    const [rank = 0, last = 0] = b.shape;
    if (!core) {
      if (a.shape[1] !== rank) throw unequal(refuse, `lokr_w${side}`, a, b);
      return { rows: a.shape[0]!, columns: last, rank, inner: rank, window: undefined };
    }
    const [outer, within, ...window] = core.shape;
    if (outer !== a.shape[0] || within !== rank || window.length !== 2) throw unequal(refuse, 'lokr_t2', a, b, core);
    return { rows: a.shape[1]!, columns: last * sizeOf(window), rank, inner: outer!, window: [last, ...window] };
  });
  const [one, two] = factors as [(typeof factors)[number], (typeof factors)[number]];
  if (one.window?.slice(1).some((size) => size !== 1)) throw refuse('has a lokr_w1 with a window');
  const [out, columns] = [one.rows * two.rows, one.columns * two.columns];
  // Where one factor is whole and one is not, the second one's rank counts, as in the library it comes from.
  const rank = two.rank ?? one.rank;
  const window = two.window && [one.columns * two.window[0]!, ...two.window.slice(1)];
  return lowest({
    kind: 'kronecker',
    out,
    columns,
    fedRank: one.inner * two.inner,
    ...(rank !== undefined && { rank }),
    ...(window && { window }),
  });
}

function difference({ shape }: StoredTensor): Change {
  const [out = 0, ...rest] = shape;
  const columns = sizeOf(rest);
  // A vector is the weight of a normalization, which takes it as it is.
  if (rest.length === 0) return { kind: 'difference', out, columns: 1, window: [], fedRank: 0 };
  return lowest({ kind: 'difference', out, columns, window: rest, fedRank: Math.min(out, columns) });
}

/** No matrix has a rank above its smaller side. */
function lowest(change: Change): Change {
  return { ...change, fedRank: Math.min(change.fedRank, change.out, change.columns) };
}

/** A DoRA's magnitudes are one for each row of W, or (in LyCORIS, unless told otherwise) one for each channel it reads. */
function checkMagnitude({ parts: { doraScale, magnitude }, out, columns, kind }: StoredLayer, refuse: Refuse): void {
  if (doraScale && magnitude) throw refuse('has two sets of magnitudes');
  const given = doraScale ?? magnitude;
  if (!given) return;
  if (kind === 'none' || kind === 'difference') throw refuse('has magnitudes without a change');
  const size = sizeOf(given.shape);
  const perRow = size === out;
  const perChannel = doraScale?.shape[0] === 1 && doraScale.shape[1] === size && size > 0 && columns % size === 0;
  if (!perRow && !perChannel) throw refuse(`has ${size} magnitudes for ${out} rows and ${columns} columns`);
}

function unequal(refuse: Refuse, what: string, ...tensors: StoredTensor[]): LoraError {
  return refuse(`has matrices that do not fit each other at ${what}: ${listed(...tensors)}`);
}

function listed(...tensors: StoredTensor[]): string {
  return tensors.map(({ shape }) => `[${shape.join(', ')}]`).join(', ');
}

const onlyOnes = (sizes: readonly number[]) => sizes.every((size) => size === 1);

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
