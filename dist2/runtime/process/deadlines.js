import { UNTOLD_MS } from './progress.js';

const DEFAULT_DEADLINES_MS = {
  loading: 600_000,
  encoding: 120_000,
  denoising: 300_000,
  decoding: 300_000,
};
/**
 * How long the process may work on each run before something has to be heard of it. While it works on other runs, a run's
 * time stands still; when it does not tell what it works on, it may be any of them.
 */
export class Deadlines {
  /** By stage; for `loading` each component and for `denoising` each step has that long. */
  ms;
  live;
  onLate;
  clock;
  /** Runs that the process said it works on; none: on nothing that it told of. */
  working = new Set();
  /**
   * @param live - the runs under way, as they come and go
   * @param onLate - told of a run whose time is over, once for those that share its call; all of them are `timedOut` then
   */
  constructor(ms, live, onLate, clock) {
    this.clock = clock;
    this.ms = { ...DEFAULT_DEADLINES_MS, ...ms };
    this.live = live;
    this.onLate = onLate;
  }
  /** The process works on these runs until it says otherwise, or on nothing that it tells of. */
  workOn(runs) {
    this.working = new Set(runs);
    for (const run of this.live.values()) {
      run.deadline?.cancel();
      this.heardOf(run);
    }
  }
  /** As far as it told; when it told of none, it may be any of them. */
  isWorkedOn(run) {
    return this.working.size === 0 || this.working.has(run.id);
  }
  /** A run has come a step further, and has its time anew. */
  heardOf(run) {
    if (!this.isWorkedOn(run)) return;
    run.deadline?.cancel();
    // The step heard of may be so much older than the one under way.
    const silenceMs = run.stage === 'denoising' && run.request.progress === false ? UNTOLD_MS : 0;
    run.deadline = this.clock.after(this.ms[run.stage] + silenceMs, () => {
      // Those that share the call took as long.
      for (const other of this.working.has(run.id) ? this.working : [run.id]) {
        const late = this.live.get(other);
        if (late) late.timedOut = true;
      }
      this.onLate(run);
    });
  }
  /** A run has ended, or waits again. */
  end(run) {
    run.deadline?.cancel();
    if (this.working.delete(run.id) && this.working.size === 0) this.workOn([]);
  }
  /** Another process works on nothing yet. */
  reset() {
    this.working = new Set();
  }
}
//# sourceMappingURL=deadlines.js.map
