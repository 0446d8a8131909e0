/** How many rows calls take, as the process finds it out, and how many they took. */
export class BatchFigures {
  log;
  kept;
  current = new Map();
  counted = new Map();
  /** The first call of so many rows, under way. */
  trying;
  /** @param kept - shared by all processes that write to the same file */
  constructor(kept, log) {
    this.log = log;
    this.kept = kept;
  }
  /** What the process that runs has found out or was told. */
  batches() {
    return [...this.current.values()];
  }
  /** Calls of all processes so far. */
  calls() {
    return [...this.counted.values()];
  }
  /** What another process is told when it starts. */
  known() {
    this.current.clear();
    this.trying = undefined;
    return this.kept.all();
  }
  count(news) {
    for (const { path, component, rows, calls, ms } of news) {
      const key = `${rows} ${component} ${path}`;
      const before = this.counted.get(key);
      this.counted.set(key, { path, component, rows, calls: calls + (before?.calls ?? 0), ms: ms + (before?.ms ?? 0) });
    }
  }
  calibrated({ calibration, found }) {
    const { graph, shape, rows } = calibration;
    this.current.set(`${graph} ${shape}`, { graph, shape, rows });
    if (!found) return;
    this.kept.keep(calibration);
    this.log('info', 'How many rows a call takes was found out.', { graph, shape, rows, ...found });
  }
  /** The first call of so many rows begins, or none is under way any more. */
  tries(calibration) {
    this.trying = calibration;
  }
  /** The process was lost: a first call of so many rows is not made again. Half as many were fine. */
  lost() {
    if (!this.trying) return;
    const { graph, shape, rows } = this.trying;
    this.kept.keep({ ...this.trying, rows: rows / 2 });
    const message = 'The first call of so many rows took the runtime process down; it is not tried again.';
    this.log('warn', message, { graph, shape, rows });
  }
  /** Resolves when the file holds everything, or cannot be written. */
  written() {
    return this.kept.written();
  }
}
//# sourceMappingURL=batchFigures.js.map
