/// <reference lib="esnext.disposable" preserve="true" />
/** The parent's interface to the runtime. */
import type { Batch, Calls, HeldWeights, LogLevel, RunEvent, RunRequest, Stage } from '../messages.ts';
import type { SetAside } from './quarantine.ts';

export interface RuntimeOptions {
  /**
   * `auto`, or a provider by name: cpu, webgpu, cuda, coreml, dml; `cuda:1` and `dml:1` for the second GPU. With
   * several names each device has a separate process, and a run goes to the one where it is expected to finish first.
   */
  provider: string | readonly string[];
  /**
   * Precision of graphs from safetensors weights: `auto` (default) uses float16 on an accelerator that computes
   * correctly in it, else float32. Exported graphs keep their precision.
   */
  precision?: 'auto' | 'float32' | 'float16';
  /**
   * Form of safetensors and GGUF weights in memory: `stored` keeps floats as floats, and blocks and 8-bit floats in 4
   * or 8 bits; `auto` (default) is the same, but keeps small networks as floats; `int8` and `int4` hold the matrices of
   * linear layers in 8 or 4 bits; `float16` holds all as floats.
   */
  weights?: HeldWeights;
  /**
   * Absolute path of a folder for repacked weights: each file is repacked once and then mapped from there. Default: a
   * folder in the system's temporary folder.
   */
  packedFolder?: string;
  /** Receives a fixed sentence and fields; never prompts or images. */
  log: (level: LogLevel, message: string, fields?: object) => void;
  /**
   * Milliseconds a run may stay in a stage before the process is killed and the run fails with `stageTimeout`; for
   * `loading` per component, for `denoising` per step. Defaults: loading 600 000, encoding 120 000, denoising 300 000,
   * decoding 300 000. The time of a run counts while the process works on it or on nothing, not while it waits for its
   * turn.
   */
  deadlinesMs?: Partial<Record<Stage, number>>;
  /**
   * Concurrent runs in the process; default 16. They take turns step by step and share calls if that is faster; each
   * holds its latents and embeddings, some megabytes. Others wait, oldest first.
   */
  liveRuns?: number;
  /**
   * Maximum rows (images, or guidance branches of images) in one graph call; default: measured for each graph and size.
   * Another number costs speed, on accelerators also memory, and the last bits of pictures may depend on other runs.
   */
  rowsPerCall?: number;
  /**
   * Absolute path of a JSON file that keeps measured batch sizes; rewritten if missing or broken. Default: none, so
   * they are measured once for this object.
   */
  batchesFile?: string;
  /**
   * Models in one process; default 2. A run of a further model restarts the process as soon as nothing runs, because
   * released ONNX sessions leak memory. Runs of loaded models may go first, at most 8 of them and for at most 10 s.
   */
  maxModels?: number;
  /**
   * Limit of resident memory in bytes for all processes together, in equal parts; default 0, no limit. A run whose
   * models would exceed it, by file sizes, restarts the process first if that holds other models. A run that exceeds it
   * alone fails with `modelUnavailable` before loading, and one whose picture would, by an estimate, with
   * `invalidParameter`. A process above the limit after a run is restarted too, more and more rarely if that does not
   * help.
   */
  memoryLimitBytes?: number;
  /**
   * Limit of memory in bytes for models and pictures on each accelerator, by an estimate; default 0, no limit. Those
   * then count against this instead of `memoryLimitBytes`, with the same effects. No effect on the CPU.
   */
  deviceMemoryLimitBytes?: number;
  /**
   * Threads of one graph; default: onnxruntime's choice (one per physical core), or an equal part of the cores if the
   * CPU is named several times.
   */
  threads?: number;
}

/** Status of one device, or of several together: sums, and all loaded models. */
export interface RuntimeStatus {
  /** The device: `cuda:1`; of several cpu devices `cpu#1`. Absent for several devices, and in tests. */
  device?: string;
  /** Each of several devices. */
  devices?: (RuntimeStatus & { device: string; runs: number })[];
  /**
   * `restarting` after a crash, a kill or a planned restart; `stopped` once closed, or if the provider cannot start.
   */
  state: 'starting' | 'ready' | 'restarting' | 'stopped';
  /** Absent without a process, and for several. */
  pid?: number;
  /** The started provider and the reason for it, once known. */
  provider?: string;
  providerReason?: string;
  precision?: 'float32' | 'float16';
  /** Number of losses of the process (crashed or killed); planned restarts do not count. */
  restarts: number;
  /** Reason of the last loss or failed start. */
  lastLoss?: Loss;
  /**
   * Blocked models, alone or with parts, or large pictures of them, because the process died while it ran them; absent:
   * none.
   */
  setAside?: SetAside[];
  /** Folders and files of the loaded models. */
  models: string[];
  /** Resident memory of the process when it last loaded a model or finished a run. */
  memoryBytes?: number;
  /** Estimated device memory of models and pictures; absent without a limit. */
  deviceMemory?: { estimatedBytes: number; limitBytes: number };
  /** Present while weights load. */
  loading?: Loading;
  /** Measured batch sizes of each graph and shape. */
  batches: Batch[];
  /** Graph calls so far, by graph and rows, including earlier processes; absent: none reported. */
  calls?: Calls[];
}

export interface Loss {
  /** A signal, an exit code, or a sentence. */
  reason: string;
  at: Date;
}

/** Progress of a run in loading the weights that were not loaded yet. */
export interface Loading {
  model: string;
  /** The component being loaded. */
  component: string;
  doneBytes: number;
  ofBytes: number;
}

export interface Runtime extends AsyncDisposable {
  /** Resolves when the process has started its provider; rejects if it cannot. */
  ready(): Promise<void>;
  /**
   * Makes one image. Runs may overlap: up to `RuntimeOptions.liveRuns` run at once and share the machine by
   * `RunRequest.share`; each gives the same picture as alone. Others wait, oldest first, except those that can use
   * the current process (`RuntimeOptions.maxModels`).
   *
   * Throws `RuntimeError` if the run fails. After `signal` is aborted it throws `signal.reason`: at once while waiting,
   * before the next step while running. Leaving the iteration early also cancels the run. If the process dies, its runs
   * start again from the beginning (same seed, same picture; no second `started`, but steps are reported again). Runs
   * that the process was working on restart alone, and only once; then they fail with `runtimeLost`. A slow reader
   * loses previews (the newest stays), but no other event.
   */
  generate(request: RunRequest, signal: AbortSignal): AsyncIterable<RunEvent>;
  status(): RuntimeStatus;
  /** Ends the process; running and waiting runs have `graceMs` (default 0) to finish, then fail with `runtimeLost`. */
  close(graceMs?: number): Promise<void>;
}
