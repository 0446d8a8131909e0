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

/** Operations a second that any machine does which is of use: a tenth of what two cores do. */
const SLOWEST_RATE = 4e10;

/** Pixels of one token of a transformer; a UNet does less for as many. */
const TOKEN_PIXELS = 256;

/** Tokens of a long prompt, which a transformer reads beside the picture. */
const TEXT_TOKENS = 512;

/**
 * How long the process may work on each run before something has to be heard of it. While it works on other runs, a run's
 * time stands still; when it does not tell what it works on, it may be any of them.
 */
export class Deadlines {
  private readonly given: Partial<Record<Stage, number>>;
  private readonly live: ReadonlyMap<number, Run>;
  private readonly onLate: (run: Run) => void;
  private readonly clock: Clock;
  /** Runs that the process said it works on; none: on nothing that it told of. */
  private working = new Set<number>();

  /**
   * @param live - the runs under way, as they come and go
   * @param onLate - told of a run whose time is over, once for those that share its call; all of them are `timedOut` then
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
   * Milliseconds for a stage of a run; each component that is loaded and each step that is denoised has that long. A stage
   * of more work than usual has longer, unless its time was given.
   *
   * @param run - absent: of any run that is not known yet
   */
  limitMs(stage: Stage, run?: Run): number {
    return this.given[stage] ?? Math.max(DEFAULT_DEADLINES_MS[stage], run === undefined ? 0 : workMs(stage, run));
  }

  /** The process works on these runs until it says otherwise, or on nothing that it tells of. */
  workOn(runs: readonly number[]): void {
    this.working = new Set(runs);
    for (const run of this.live.values()) {
      run.deadline?.cancel();
      this.heardOf(run);
    }
  }

  /** As far as it told; when it told of none, it may be any of them. */
  isWorkedOn(run: Run): boolean {
    return this.working.size === 0 || this.working.has(run.id);
  }

  /** A run has come a step further, and has its time anew. */
  heardOf(run: Run): void {
    if (!this.isWorkedOn(run)) return;
    run.deadline?.cancel();
    // The step heard of may be so much older than the one under way.
    const silenceMs = run.stage === 'denoising' && run.request.progress === false ? UNTOLD_MS : 0;
    run.deadline = this.clock.after(this.limitMs(run.stage, run) + silenceMs, () => {
      // Those that share the call took as long.
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

  /** Another process works on nothing yet. */
  reset(): void {
    this.working = new Set();
  }
}

/** What a stage takes at the slowest rate, as far as it depends on the number of weights. */
function workMs(stage: Stage, { request, weights, pixels }: Run): number {
  if (stage !== 'encoding' && stage !== 'denoising') return 0;
  const files = [request.model, ...partFilesOf(partsOf(request, request.model))];
  const count = files.reduce((sum, file) => sum + (weights?.get(file)?.count ?? 0), 0);
  const tokens = stage === 'encoding' ? TEXT_TOKENS : TEXT_TOKENS + pixels / TOKEN_PIXELS;
  // A multiplication and an addition for each weight and token; most runs have two branches.
  return ((2 * 2 * count * tokens) / SLOWEST_RATE) * 1000;
}
