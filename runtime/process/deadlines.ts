import { partFilesOf } from '../checkpoints/checkpoint.ts';
import type { Stage } from '../messages.ts';
import type { Clock } from './clock.ts';
import { partsOf } from './needs.ts';
import { UNTOLD_MS } from './progress.ts';
import type { Run } from './run.ts';

const DEFAULT_DEADLINES_MS: Record<Stage, number> = {
  loading: 600_000,
  encoding: 120_000,
  denoising: 300_000,
  decoding: 300_000,
};

/** Operations per second of the slowest supported machine: a tenth of two cores. */
const SLOWEST_RATE = 4e10;

/** Pixels of one token of a transformer; a UNet computes less for the same number. */
const TOKEN_PIXELS = 256;

/** Tokens of a long prompt beside the picture. */
const TEXT_TOKENS = 512;

/**
 * Deadlines of runs: how long the process may work on a run without a message about it. The time of a run stands still
 * while the process works on others. If the process does not report its work, it may work on any run.
 */
export class Deadlines {
  private readonly given: Partial<Record<Stage, number>>;
  private readonly live: ReadonlyMap<number, Run>;
  private readonly onLate: (run: Run) => void;
  private readonly clock: Clock;
  /** Runs that the process reports to work on; empty if it reports none. */
  private working = new Set<number>();

  /**
   * @param live - the live runs
   * @param onLate - called once for the runs of a late call; all of them are `timedOut` then
   */
  constructor(
    ms: Partial<Record<Stage, number>> | undefined,
    live: ReadonlyMap<number, Run>,
    onLate: (run: Run) => void,
    clock: Clock,
  ) {
    this.clock = clock;
    this.given = ms ?? {};
    this.live = live;
    this.onLate = onLate;
  }

  /**
   * Milliseconds for a stage of a run; each loaded component and each denoising step has that long. A stage with more
   * work has longer, unless its time was configured.
   *
   * @param run - absent: for a run that is not known yet
   */
  limitMs(stage: Stage, run?: Run): number {
    return this.given[stage] ?? Math.max(DEFAULT_DEADLINES_MS[stage], run === undefined ? 0 : workMs(stage, run));
  }

  /** The process works on these runs until its next report; empty: unknown work. */
  workOn(runs: readonly number[]): void {
    this.working = new Set(runs);
    for (const run of this.live.values()) {
      run.deadline?.cancel();
      this.heardOf(run);
    }
  }

  /** The runs it may work on: the reported ones, else all. */
  isWorkedOn(run: Run): boolean {
    return this.working.size === 0 || this.working.has(run.id);
  }

  /** A run has finished a step, and its time restarts. */
  heardOf(run: Run): void {
    if (!this.isWorkedOn(run)) return;
    run.deadline?.cancel();
    // The reported step may be this much older than the current one.
    const silenceMs = run.stage === 'denoising' && run.request.progress === false ? UNTOLD_MS : 0;
    run.deadline = this.clock.after(this.limitMs(run.stage, run) + silenceMs, () => {
      // Runs of the same call took as long.
      for (const other of this.working.has(run.id) ? this.working : [run.id]) {
        const late = this.live.get(other);
        if (late) late.timedOut = true;
      }
      this.onLate(run);
    });
  }

  /** A run has ended, or waits again. */
  end(run: Run): void {
    run.deadline?.cancel();
    if (this.working.delete(run.id) && this.working.size === 0) this.workOn([]);
  }

  /** A new process works on nothing yet. */
  reset(): void {
    this.working = new Set();
  }
}

/** Time of a stage at the slowest rate, from the number of weights. */
function workMs(stage: Stage, { request, weights, pixels }: Run): number {
  if (stage !== 'encoding' && stage !== 'denoising') return 0;
  const files = [request.model, ...partFilesOf(partsOf(request, request.model))];
  const count = files.reduce((sum, file) => sum + (weights?.get(file)?.count ?? 0), 0);
  const tokens = stage === 'encoding' ? TEXT_TOKENS : TEXT_TOKENS + pixels / TOKEN_PIXELS;
  // A multiplication and an addition for each weight and token; most runs have two branches.
  return ((2 * 2 * count * tokens) / SLOWEST_RATE) * 1000;
}
