import { type Calibrated } from './calibration.ts';
import type { GenerateRequest, RunEvent } from './messages.ts';
import { type Graph } from './onnx/graph.ts';
import type { PreviewDecoder, PreviewSource } from './previews/index.ts';
import type { Run } from './run.ts';
import { type Share } from './shares.ts';
/** One run as its driver sees it. */
export interface Job {
  run: Run;
  /** Looked at before each call; an aborted run asks for nothing more. */
  signal: AbortSignal;
  /** Takes the run's events in order; awaited, so it says how long the run is held up. See `BatcherOptions.publish`. */
  emit: (event: RunEvent) => Promise<void>;
  /** Absent: no previews. */
  previews?: Previews | undefined;
  /** Absent: a share of its own. */
  share?: Share | undefined;
}
export interface Previews {
  every: number;
  decoder: PreviewDecoder;
  source: PreviewSource;
  /** Told once, when a preview could not be made; the run goes on without previews. */
  onFailed?: ((error: unknown) => void) | undefined;
}
export interface BatcherOptions {
  /**
   * Rows (samples or guidance branches) that one call takes at most. Default: found out for each graph and shape while
   * working, up to 16.
   */
  rowsPerCall?: number | undefined;
  /**
   * Whether rows share a call only where that gives the same bits as a call for each, so that a picture never depends on
   * what else runs. Default true; false for accelerators, whose answers differ in the last bits.
   */
  exact?: boolean;
  onCalibrated?: (graph: Graph, shape: string, found: Calibrated) => void;
  /** Rows a call takes, where an earlier process found that out. */
  knownRows?: (graph: Graph, shape: string) => number | undefined;
  /** Makes the first call of so many rows; see `CalibrationOptions.guard`. */
  guard?: <T>(graph: Graph, shape: string, rows: number, call: () => Promise<T>) => Promise<T>;
  /** Whether the process is still within its memory. */
  fits?: () => boolean;
  /** Told of each call that was answered, and how long it took. */
  onCalled?: (graph: Graph, rows: number, ms: number) => void;
  /** Told which jobs the next call is for, before it; none when no job asks for a call but some load or read. */
  onWorking?: (jobs: readonly Job[]) => void;
  /** Awaited before each call, and before waiting for the next one: what was emitted and told so far has to leave now. */
  publish?: () => Promise<void>;
  /** Milliseconds, by which work is measured; default: the clock of the machine. */
  now?: () => number;
}
/**
 * Drives all live runs of a process. One call of a graph is made at a time: for the run whose share of the machine has had
 * the least work (shares.ts), the oldest of its share, and for others that can be answered by the same call, as many as
 * pay (calibration.ts). So pictures of different sizes and models take turns step by step, a newcomer's first step is
 * next, and decoding one picture and denoising others do not wait for each other's end.
 */
export declare class Batcher {
  private readonly options;
  /** From the oldest to the newest. */
  private readonly live;
  private readonly shares;
  private readonly calibrations;
  /** Runs that go on by themselves until they ask for a call or end. */
  private readonly moving;
  private driving;
  private announced;
  private onArrival;
  constructor(options?: BatcherOptions);
  /** Resolves after `finished` was emitted; rejects with what the run threw, or with the signal's reason. */
  drive(job: Job): Promise<void>;
  private loop;
  /** Waits until every run has asked or ended, but for those that take their time. */
  private settled;
  private move;
  /** Lets a run go on until it asks for a call or ends; never rejects. */
  private advance;
  /** Goes on with a preview until it asks for a call; undefined when it is made, or left out. Never rejects. */
  private advancePreview;
  /** A preview is never worth its run. */
  private leaveOutPreviews;
  private leave;
  /** The runs that the next call is for: the one that is owed most, and those that join. */
  private next;
  /**
   * Whether a run may join a call for another share that is owed more. Where rows cost time, as on a CPU, a run that joins
   * makes the call longer for the one it is for: many runs of one share would get their steps for the one step of another.
   * So no share gets ahead of the first by more than `LEAD` steps. Where a further row is nearly free, all may join.
   */
  private lead;
  private calibration;
  private answer;
  private call;
  private now;
  /** Counts the time since the last change to the stage that ends now. */
  private enter;
  private timingsOf;
  private report;
  /** Runs outside the group that wait for the same answer. */
  private twinsOf;
  /** Says what the next call is for, and lets all news leave: nothing does while a graph runs. */
  private tell;
}
/** What a request asks the driver for, beside the run itself. */
export declare function previewsOf(
  request: GenerateRequest,
  source: PreviewSource,
  find: (name?: string) => PreviewDecoder,
  onFailed?: (error: unknown) => void,
): Previews | undefined;
