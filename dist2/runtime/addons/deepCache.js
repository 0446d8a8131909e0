/** The calls that are shallow. Never those of the first step, which nothing comes before, nor of the last, which settles details. */
export function shallowCalls({ interval, first, end, callsPerStep, range, fresh }) {
  const whole = new Set(fresh);
  const lastStep = end - 1 - ((end - 1) % callsPerStep);
  const [from, to] = [Math.max(range[0], first + callsPerStep), Math.min(range[1], lastStep)];
  const shallow = new Set();
  // Whether a call came before the range or was made whole in it, as many shallow ones may follow.
  for (let call = from, run = 0; call < to; call++) {
    run = whole.has(call) || run === interval - 1 ? 0 : run + 1;
    if (run > 0) shallow.add(call);
  }
  return shallow;
}
/** What a whole call leaves to the shallow ones after it, for one branch: its deep features, and what ControlNets added. */
export function keptOf(graph, answer, added) {
  const taken = Object.entries(added ?? {}).filter(([name]) => graph.takes(name));
  return { ...Object.fromEntries(taken), deep_features: answer.deep_features };
}
//# sourceMappingURL=deepCache.js.map
