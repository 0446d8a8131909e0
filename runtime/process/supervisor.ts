import type { GenerateRequest, LogLevel, RunEvent, Stage } from '../messages.ts';

export interface RuntimeOptions {
  /** `auto`, or a provider by name: cpu, webgpu, cuda, coreml, dml. */
  provider: string;
  /** Takes a fixed sentence and structured fields; never prompts or images. */
  log: (level: LogLevel, message: string, fields?: object) => void;
  /**
   * Milliseconds a run may stay in a stage before the process is killed and the run fails with `stageTimeout`;
   * for `denoising` each step has that long. Defaults: loading 600 000, encoding 120 000, denoising 300 000, decoding
   * 300 000. A run that waits for its turn has no deadline.
   */
  deadlinesMs?: Partial<Record<Stage, number>>;
  /**
   * Models held by one process at a time; default 2. A run of one more model recycles the process as soon as nothing is
   * running, because the memory of released ONNX sessions does not come back.
   */
  maxModels?: number;
  /** Threads of one graph; default: onnxruntime's own choice (one per physical core). */
  threads?: number;
}

export interface RuntimeStatus {
  /** `restarting` after a crash, a kill or a recycling; `stopped` once closed, or when the provider cannot start. */
  state: 'starting' | 'ready' | 'restarting' | 'stopped';
  /** Absent while no process lives. */
  pid?: number;
  /** The provider that was really started, once known, and why that one. */
  provider?: string;
  providerReason?: string;
  /** Times the process was lost (crashed or killed); recyclings do not count. */
  restarts: number;
  /** Folders of the models that the process holds. */
  models: string[];
  /** Resident memory of the process when it last loaded a model or finished a run. */
  memoryBytes?: number;
}

export interface Runtime extends AsyncDisposable {
  /** Settles when the process has started its provider; rejects when it cannot. */
  ready(): Promise<void>;
  /**
   * Draws one image. Runs may overlap; they are queued here and driven one at a time, oldest first.
   *
   * Throws `RuntimeError` when the run fails. After `signal` is aborted it throws `signal.reason`: at once while waiting,
   * and before the next step while running. Leaving the iteration early cancels the run too. When the process dies, the
   * run starts again from the beginning once (same seed, same picture; no second `started`, and steps already told are
   * told again), then fails with `runtimeLost`. A slow reader loses previews (the newest wins), never another event.
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<RunEvent>;
  status(): RuntimeStatus;
  /** Ends the process; running and waiting runs have `graceMs` (default 0) to finish, then fail with `runtimeLost`. */
  close(graceMs?: number): Promise<void>;
}
