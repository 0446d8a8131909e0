import type { Graph } from '../onnx/graph.ts';
import type { Outputs, Row } from '../run.ts';
/**
 * The part of a UNet that runs between the calls of the whole one (DeepCache: Ma, Fang, Wang 2023, arXiv 2312.00858): what
 * the deep layers say changes little from call to call, so it is kept, and only the outermost layers run again.
 */
export interface Shallow {
  graph: Graph;
  adapters?: Row | undefined;
  calls: ReadonlySet<number>;
}
export interface Caching {
  /** Every so many calls, one is whole; 1 is all of them. */
  interval: number;
  /** The run's first call, and the one after its last. */
  first: number;
  end: number;
  callsPerStep: number;
  /** Calls that may be shallow: from the first up to but without the second. */
  range: readonly [from: number, to: number];
  /** Further calls that must be whole, because what was kept before them no longer holds. */
  fresh: Iterable<number>;
}
/** The calls that are shallow. Never those of the first step, which nothing comes before, nor of the last, which settles details. */
export declare function shallowCalls({
  interval,
  first,
  end,
  callsPerStep,
  range,
  fresh,
}: Caching): ReadonlySet<number>;
/** What a whole call leaves to the shallow ones after it, for one branch: its deep features, and what ControlNets added. */
export declare function keptOf(graph: Graph, answer: Outputs, added: Row | undefined): Row;
