import type { Graph } from '../onnx/graph.ts';
import type { Outputs, Row } from '../run.ts';

/**
 * What lies behind the first block of a transformer is not computed again while the first block changes little from call to
 * call (first-block cache; the idea is that of TeaCache: Liu et al. 2024, arXiv 2411.19108).
 */
export interface FirstBlockCache {
  /** The first block alone, over the same weights. */
  graph: Graph;
  adapters?: Row | undefined;
  /** Mean change of what the first block adds, over its mean, below which the rest is kept. */
  threshold: number;
  /** Most calls in a row that keep it. */
  most: number;
  /** Calls that may keep it: from the first up to but without the second. */
  calls: readonly [from: number, to: number];
}

/** Outputs that a whole call gives for the calls after it. */
export const keptOutputs = ['first_residual', 'deep_features'] as const;

/** What the last whole call of each branch left. */
export class KeptBlocks {
  private kept: readonly Outputs[] = [];
  private row = 0;
  private readonly cache: FirstBlockCache;

  constructor(cache: FirstBlockCache) {
    this.cache = cache;
  }

  /** Whether a call may do with the first block alone; the branches must be those of the last whole call. */
  mayKeep(call: number, branches: number): boolean {
    const { calls, most } = this.cache;
    return call >= calls[0] && call < calls[1] && this.kept.length === branches && this.row < most;
  }

  /** A row for the first block, with what the others added in the last whole call. */
  withKept(rows: readonly Row[]): Row[] {
    return rows.map((row, index) => ({ ...row, deep_features: this.kept[index]!.deep_features! }));
  }

  /** Whether the first block changed little enough in all branches. Counts the call if so. */
  accepts(answers: readonly Outputs[]): boolean {
    const changes = answers.map((answer, index) =>
      relativeChange(answer.first_residual!.data, this.kept[index]!.first_residual!.data),
    );
    // What is no number is no reason to go on with it.
    const isSmall = changes.every((change) => change < this.cache.threshold);
    if (isSmall) this.row++;
    return isSmall;
  }

  /** A whole call was made. */
  keep(answers: readonly Outputs[]): void {
    this.kept = answers;
    this.row = 0;
  }
}

/** mean |a - b| / mean |b| */
function relativeChange(now: Float32Array, before: Float32Array): number {
  let [change, size] = [0, 0];
  for (let at = 0; at < now.length; at++) {
    change += Math.abs(now[at]! - before[at]!);
    size += Math.abs(before[at]!);
  }
  return change / size;
}
