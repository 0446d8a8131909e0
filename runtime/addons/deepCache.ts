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
export function shallowCalls({ interval, first, end, callsPerStep, range, fresh }: Caching): ReadonlySet<number> {
  const whole = new Set(fresh);
  const lastStep = end - 1 - ((end - 1) % callsPerStep);
  const [from, to] = [Math.max(range[0], first + callsPerStep), Math.min(range[1], lastStep)];
  const shallow = new Set<number>();
  // Whether a call came before the range or was made whole in it, as many shallow ones may follow.
  for (let call = from, run = 0; call < to; call++) {
    run = whole.has(call) || run === interval - 1 ? 0 : run + 1;
    if (run > 0) shallow.add(call);
  }
  return shallow;
}

/** What a whole call leaves to the shallow ones after it, for one branch: its deep features, and what ControlNets added. */
export function keptOf(graph: Graph, answer: Outputs, added: Row | undefined): Row {
  const taken = Object.entries(added ?? {}).filter(([name]) => graph.takes(name));
  return { ...Object.fromEntries(taken), deep_features: answer.deep_features! };
}
