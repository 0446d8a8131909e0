import type { GenerateRequest, RunEvent } from '../messages.ts';
import type { Clock } from './clock.ts';
import { KeptBatches } from './keptBatches.ts';
import { type Deadly } from './quarantine.ts';
import { type Run } from './run.ts';
import type { Runtime, RuntimeOptions, RuntimeStatus } from './runtime.ts';
export declare const DEFAULT_LIVE_RUNS = 16;
export declare const DEFAULT_MAX_MODELS = 2;
/** What a process of several shares with the others, and tells them. */
export interface Siblings {
  /** How the device is called among the others. */
  device: string;
  /** The same for all: they write one file. */
  batches: KeptBatches;
  /** Whether another process has set such a run aside. */
  asideElsewhere: (run: Deadly) => boolean;
  /** The process came up or was lost, so that runs that wait may be better off elsewhere. Called in the middle of it. */
  changed: () => void;
}
/** How a run would find a process. */
export interface Outlook {
  /**
   * `held`: its models are there or being loaded; `free`: they fit beside those that are; `full`: those would have to leave;
   * `aside`: it is not run there for a while; `small`: the device has not enough memory for it; `down`: the process does not
   * start.
   */
  place: 'held' | 'free' | 'full' | 'aside' | 'small' | 'down';
  /** Milliseconds until the process takes runs, as far as that is known; 0 when it does. */
  readyInMs: number;
  /** Whether the process said that it holds the run's models, and how many it holds in all. */
  loaded: boolean;
  models: number;
}
export declare class Supervisor implements Runtime {
  private readonly options;
  private readonly siblings;
  private readonly program;
  private readonly deadlines;
  private readonly budget;
  private readonly waiting;
  private readonly live;
  private readonly liveRuns;
  private readonly figures;
  private readonly loading;
  private readonly quarantine;
  private readonly growth;
  private readonly clock;
  private readonly failures;
  /** How the process was lost last. */
  private lastLoss;
  private child;
  private nextRun;
  private restarts;
  private losses;
  private failedStarts;
  private provider;
  /** Milliseconds that the last start of a process took, with the loading for its first run. */
  private changeMs;
  /** Milliseconds that the last start of a process took. */
  private startMs;
  /** When the next process is started, after one was lost. */
  private restartAt;
  /** When the process last ended a run. */
  private lastEndAt;
  private lingering;
  private restarting;
  /** Fires when the process has had nothing to do for a while. */
  private resting;
  private closed;
  /** Set when the very first start told that the provider cannot run here: trying again would tell the same. */
  private unusable;
  private readonly firstReady;
  private idle;
  /** Starts the process at once. @param siblings - absent where it is the only one */
  constructor(
    options: RuntimeOptions & {
      provider: string;
    },
    program: string,
    clock: Clock,
    siblings?: Siblings,
  );
  ready(): Promise<void>;
  generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<RunEvent, void, undefined>;
  /** Finds out what the files of a run weigh, for `outlook`. */
  weigh(run: Run): Promise<void>;
  outlook(run: Run): Outlook;
  private placeOf;
  /** Whether the run of this signal waits here and may as well wait elsewhere; not one that the process died of. */
  mayLeave(signal: AbortSignal): boolean;
  /** Whether it is set aside here. */
  isAside(run: Deadly): boolean;
  status(): RuntimeStatus;
  /** As it was asked for, or what `auto` found. */
  private deviceName;
  close(graceMs?: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  private shutDown;
  private start;
  private receive;
  private onEvent;
  /** Ends a run for its reader and frees its place. A run whose signal was aborted always ends in the signal's reason. */
  private settle;
  private abandon;
  /** Gives waiting runs to the process, as far as it has room. */
  private pump;
  private give;
  /** Fails a run that must not be given to any process; true if it did. */
  private refused;
  private setAside;
  /** Replaces a process that grew by more than its usual work, once it has been idle for a while. */
  private restAfterGrowth;
  /** Recycles a process that its runs left past the memory limit; until they have ended nothing is added to them. */
  private recycledForMemory;
  /** The time of a run, and of those that share its call, is over. */
  private onLate;
  /** The process is of no use any more: it is killed, and the run that showed it begins again like the others. */
  private replaceBroken;
  /** The process has ended, whatever the reason. */
  private onGone;
  /** Settles or requeues the runs of a process that died, and starts the next one. */
  private onLost;
  private onFailedStart;
  private startLater;
  /**
   * A model that dies while loading is at fault each time. Later stages may have failed for one picture, so there both
   * deaths of one run count once, and those of runs that shared a call too; and where it was a large picture they count
   * against its size. Deadlines outside of loading say the machine is slow, not the model broken.
   */
  private countDeaths;
  private log;
}
