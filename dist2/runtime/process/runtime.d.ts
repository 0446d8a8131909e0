/// <reference lib="esnext.disposable" preserve="true" />
/** The parent's handle on the runtime, as others see it. */
import type { Batch, Calls, GenerateRequest, HeldWeights, LogLevel, RunEvent, Stage } from '../messages.ts';
import type { SetAside } from './quarantine.ts';
export interface RuntimeOptions {
  /**
   * `auto`, or a provider by name: cpu, webgpu, cuda, coreml, dml; `cuda:1` and `dml:1` for the second GPU. Several names:
   * each device has a process of its own, and a run goes to the one where it is expected to end first.
   */
  provider: string | readonly string[];
  /**
   * What graphs of safetensors weights compute in: `auto` (default) takes float16 on an accelerator whose answers in it
   * are right, and float32 elsewhere. Graphs that were exported keep their own.
   */
  precision?: 'auto' | 'float32' | 'float16';
  /**
   * How networks with safetensors or GGUF weights hold them: `stored` as floats where they are stored as floats, and in 4 or
   * 8 bits where they are stored in blocks or as 8-bit floats; `auto` (default) the same, but small networks as floats; `int8`
   * and `int4` the matrices of linear layers in so many bits; `float16` all as floats.
   */
  weights?: HeldWeights;
  /**
   * Absolute path of a folder for weights that are held otherwise than they are stored: each is repacked once and mapped from
   * there afterwards. Default: one in the system's folder for temporary files.
   */
  packedFolder?: string;
  /** Takes a fixed sentence and structured fields; never prompts or images. */
  log: (level: LogLevel, message: string, fields?: object) => void;
  /**
   * Milliseconds a run may stay in a stage before the process is killed and the run fails with `stageTimeout`;
   * for `loading` each component and for `denoising` each step has that long. Defaults: loading 600 000, encoding 120 000, denoising 300 000, decoding
   * 300 000. A run's time counts while the process works on it, and while it works on nothing; not while it waits for its
   * turn.
   */
  deadlinesMs?: Partial<Record<Stage, number>>;
  /**
   * Runs under way in the process at a time; default 16. They take turns step by step and share calls where that pays;
   * each holds its latents and embeddings meanwhile, some megabytes. Further ones wait, the oldest first.
   */
  liveRuns?: number;
  /**
   * Rows (images, or guidance branches of images) that one call of a graph takes at most; default: found out while
   * working, for each graph and size. Another number than was found costs speed, on accelerators memory too, and lets
   * pictures depend on what else runs in their last bits.
   */
  rowsPerCall?: number;
  /**
   * Absolute path of a JSON file where found numbers of rows are kept for the next start; written anew when it is missing
   * or broken. Default: none, so that they are found out once in the life of this handle.
   */
  batchesFile?: string;
  /**
   * Models held by one process at a time; default 2. A run of one more model recycles the process as soon as nothing is
   * running, because the memory of released ONNX sessions does not come back. Runs of models that are held may go first,
   * but at most 8 of them and for at most 10 s.
   */
  maxModels?: number;
  /**
   * Bytes of resident memory that the process should stay within, or all processes together, in equal parts; default 0,
   * which is no limit. A run whose models and
   * parts would pass it, going by the sizes of their files, recycles the process first if that holds anything else. One
   * that passes it all alone fails with `modelUnavailable` before anything is loaded, and one whose picture would, by an
   * estimate, with `invalidParameter`. A process that is past it after a run is recycled too, ever more rarely while that
   * does not help.
   */
  memoryLimitBytes?: number;
  /**
   * Bytes of memory that models and pictures may take on each accelerator, by an estimate; default 0, which is no limit.
   * They count against this instead of `memoryLimitBytes` then, and what does not fit waits or fails in the same way. No
   * effect on the CPU.
   */
  deviceMemoryLimitBytes?: number;
  /** Threads of one graph; default: onnxruntime's own choice (one per physical core), or its part of the cores where the CPU is named several times. */
  threads?: number;
}
/** Of one device, or of several together: sums of their numbers, and all that they hold. */
export interface RuntimeStatus {
  /** What computes: `cuda:1`; of several cpu devices `cpu#1`. Absent where there are several, and in tests. */
  device?: string;
  /** Each of several devices. */
  devices?: (RuntimeStatus & {
    device: string;
    runs: number;
  })[];
  /** `restarting` after a crash, a kill or a recycling; `stopped` once closed, or when the provider cannot start. */
  state: 'starting' | 'ready' | 'restarting' | 'stopped';
  /** Absent while no process lives, and of several. */
  pid?: number;
  /** The provider that was really started, once known, and why that one. */
  provider?: string;
  providerReason?: string;
  precision?: 'float32' | 'float16';
  /** Times the process was lost (crashed or killed); recyclings do not count. */
  restarts: number;
  /** How it was lost, or could not start, the last time. */
  lastLoss?: Loss;
  /** What is not run for a while, because it brought the process down: models, alone or with parts, or large pictures of them; absent: none. */
  setAside?: SetAside[];
  /** Folders and files of the models that the process holds. */
  models: string[];
  /** Resident memory of the process when it last loaded a model or finished a run. */
  memoryBytes?: number;
  /** What models and pictures take of the device's memory, by an estimate; absent where that has no limit. */
  deviceMemory?: {
    estimatedBytes: number;
    limitBytes: number;
  };
  /** Present while weights are being loaded. */
  loading?: Loading;
  /** Rows that calls of each graph take, for the shapes where that was found out. */
  batches: Batch[];
  /** Calls of graphs so far, by graph and rows a call, those of earlier processes too; absent: none was told of. */
  calls?: Calls[];
}
export interface Loss {
  /** A signal, an exit code, or a sentence. */
  reason: string;
  at: Date;
}
/** How far a run has come with loading the weights that it needs and did not find loaded. */
export interface Loading {
  model: string;
  /** What is being loaded now. */
  component: string;
  doneBytes: number;
  ofBytes: number;
}
export interface Runtime extends AsyncDisposable {
  /** Settles when the process has started its provider; rejects when it cannot. */
  ready(): Promise<void>;
  /**
   * Draws one image. Runs may overlap: up to `RuntimeOptions.liveRuns` are under way and share the machine by
   * `GenerateRequest.share`, each giving the picture that it gives alone. Others wait, oldest first, but for those that
   * need no other process than the one that runs (`RuntimeOptions.maxModels`).
   *
   * Throws `RuntimeError` when the run fails. After `signal` is aborted it throws `signal.reason`: at once while waiting,
   * and before the next step while running. Leaving the iteration early cancels the run too. When the process dies, all
   * its runs start again from the beginning (same seed, same picture; no second `started`, and steps already told are told
   * again); those it was working on one at a time, and only once, then they fail with `runtimeLost`. A slow reader loses previews (the newest wins), never another event.
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<RunEvent>;
  status(): RuntimeStatus;
  /** Ends the process; running and waiting runs have `graceMs` (default 0) to finish, then fail with `runtimeLost`. */
  close(graceMs?: number): Promise<void>;
}
