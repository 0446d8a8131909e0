/** Entry of the runtime process: holds the models, runs the graphs, and reports to its parent. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Batcher, type Job, previewsOf } from '../batcher.ts';
import { RuntimeError, type RuntimeErrorMessage, toErrorMessage } from '../errors.ts';
import { faultIn } from '../faults.ts';
import type { Calibration, Calls, FromRuntime, RunEvent, RunRequest, ToRuntime } from '../messages.ts';
import { type Graph, OnnxError } from '../onnx/graph.ts';
import { machineOf } from '../onnx/machine.ts';
import { chooseProvider, openProbe, type Probe, type Provider } from '../onnx/providers.ts';
import { startRun } from '../pipelines/index.ts';
import { ModelCache, type Owner } from '../pipelines/modelCache.ts';
import { findPreviewDecoder } from '../previews/index.ts';
import { Progress } from './progress.ts';
import { sizeParameter } from './refusals.ts';

/** Maximum wait of a call for the messages before it; a parent that reads takes 1 to 4 ms for the largest. */
const PATIENCE_MS = 20;

let batcher = new Batcher();
let modelCache = makeLibrary({ name: 'cpu' }, 0);
let probe: Probe | undefined;
const runs = new Map<number, AbortController>();
const runOf = new WeakMap<Job, number>();
/** Unreported calls, by graph and rows. */
const called = new Map<string, Calls>();
/** Pending events, sent together before the next graph call at the latest. */
let outgoing: FromRuntime[] = [];
/** Unsent messages. */
let backlog = 0;

process.on('message', (message: ToRuntime) => {
  switch (message.type) {
    case 'start':
      void start(message);
      break;
    case 'generate':
      void generate(message);
      break;
    case 'cancel':
      runs.get(message.run)?.abort();
      break;
  }
});
// The parent has ended or released this process: there is nothing left to do.
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group. The parent decides when to end, after draining its tasks.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});

async function start({
  provider,
  precision,
  weights,
  packedFolder,
  threads,
  rowsPerCall,
  memoryLimitBytes = 0,
  calibrations,
}: Extract<ToRuntime, { type: 'start' }>): Promise<void> {
  try {
    const found = await chooseProvider(provider, { threads, ...(precision && { precision }) });
    const chosen = { ...found, weights, packedFolder };
    const machine = machineOf(chosen);
    const calibration = ({ label, structure }: Graph, shape: string, rows: number): Calibration => {
      return { machine, structure, graph: label, shape, rows };
    };
    batcher = new Batcher({
      rowsPerCall,
      exact: chosen.name === 'cpu',
      onWorking: (jobs) => say({ type: 'working', runs: jobs.map((job) => runOf.get(job)!) }),
      publish,
      onCalibrated: (graph, shape, { rows, ...found }) =>
        void send({ type: 'calibrated', calibration: calibration(graph, shape, rows), found }),
      onCalled: (graph, rows, ms) => countCall(modelCache.ownerOf(graph), rows, ms),
      knownRows: (graph, shape) => {
        const known = calibrations.find(
          (other) => other.machine === machine && other.structure === graph.structure && other.shape === shape,
        );
        if (!known || graph.structure === undefined) return undefined;
        void send({ type: 'calibrated', calibration: calibration(graph, shape, known.rows) });
        return known.rows;
      },
      guard: async (graph, shape, rows, call) => {
        // If not sent before the call, it would leave only after the call.
        await send({ type: 'trying', calibration: calibration(graph, shape, rows) });
        try {
          return await call();
        } finally {
          void send({ type: 'tried' });
        }
      },
      fits: () => memoryLimitBytes === 0 || process.memoryUsage.rss() <= memoryLimitBytes,
    });
    modelCache = makeLibrary(chosen, memoryLimitBytes);
    for (const { name, reason } of chosen.fallbackFrom ?? []) {
      void send({
        type: 'logged',
        level: 'debug',
        message: 'A provider was not used.',
        fields: { provider: name, reason },
      });
    }
    probe = await openProbe(chosen);
    const { name, reason, precision: computed = 'float32', precisionReason } = chosen;
    await send({ type: 'ready', provider: name, reason, precision: computed, precisionReason });
  } catch (error) {
    await send({ type: 'unready', message: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  }
}

async function generate({ run, request, workingBytes }: Extract<ToRuntime, { type: 'generate' }>): Promise<void> {
  const controller = new AbortController();
  const progress = new Progress(request.progress ?? true);
  runs.set(run, controller);
  try {
    await modelCache.use(async () => {
      const source = request.previews && (await modelCache.previewSource(request));
      const job: Job = {
        run: startRun(modelCache, request, { signal: controller.signal, workingBytes }),
        signal: controller.signal,
        emit: (event) => emit(run, event, progress),
        previews: previewsOf(request, source, findPreviewDecoder, (error) => void sendPreviewFailure(request, error)),
        share: request.share,
      };
      runOf.set(job, run);
      await batcher.drive(job);
    });
  } catch (error) {
    const calls = takeCalls();
    const complaint = isOfGraphs(error) ? await probe?.complaint() : undefined;
    const fault = isOfGraphs(error) ? faultIn(`${complaint ?? ''}\n${toErrorMessage(error).message}`) : undefined;
    if (controller.signal.aborted && !(error instanceof RuntimeError)) {
      await send({ type: 'cancelled', run, calls, last: progress.untold });
    } else if (complaint !== undefined || fault === 'deviceLost') {
      const reason = complaint ?? toErrorMessage(error).message;
      await send({ type: 'broken', run, reason, deviceLost: fault === 'deviceLost' });
    } else {
      const told = fault === 'outOfMemory' ? withoutMemory(error, request) : toErrorMessage(error);
      await send({ type: 'failed', run, error: told, calls });
    }
  } finally {
    runs.delete(run);
  }
}

function sendPreviewFailure({ model, previews }: RunRequest, error: unknown): Promise<void> {
  const fields = { model, decoder: previews?.decoder, reason: toErrorMessage(error).message };
  return send({ type: 'logged', level: 'warn', message: 'A run continues without previews.', fields });
}

/** Suggests a remedy: another model if one could not be loaded, else a smaller picture. */
function withoutMemory(error: unknown, request: RunRequest): RuntimeErrorMessage {
  const { width, height } = request;
  const { code, message } = toErrorMessage(error);
  const said = message.split('\n')[0]!;
  if (code === 'modelUnavailable') {
    return { code: 'outOfMemory', message: `The device has too little memory for this model. ${said}` };
  }
  return {
    code: 'outOfMemory',
    message: `The device has too little memory for ${width}×${height} pixels with this model; use a smaller size. ${said}`,
    parameter: sizeParameter(request),
  };
}

/** Whether onnxruntime failed, while it loaded a graph or ran one. */
function isOfGraphs(error: unknown): boolean {
  return error instanceof OnnxError || (error instanceof Error && error.cause instanceof OnnxError);
}

function makeLibrary(provider: Provider, memoryLimitBytes: number): ModelCache {
  return new ModelCache({
    provider,
    // What an accelerator holds of its own memory is not told.
    memory: {
      limitBytes: provider.name === 'cpu' ? memoryLimitBytes : 0,
      usedBytes: () => process.memoryUsage.rss(),
    },
    onClosed: (model, component) =>
      say({
        type: 'logged',
        level: 'info',
        message: 'A component was closed to free memory.',
        fields: { model, component, memoryBytes: process.memoryUsage.rss() },
      }),
    onLoaded: (path, component, loadingMs, bytes) => {
      const memoryBytes = process.memoryUsage.rss();
      void send({ type: 'loaded', model: path, memoryBytes });
      void send({
        type: 'logged',
        level: 'info',
        message: 'A component was loaded.',
        fields: { model: path, component, loadingMs: Math.round(loadingMs), bytes, memoryBytes },
      });
    },
  });
}

async function emit(run: number, event: RunEvent, progress: Progress): Promise<void> {
  switch (event.type) {
    case 'stepped':
      if (progress.stepped(event)) say({ type: 'reported', run, event, calls: takeCalls() });
      return;
    case 'previewed':
      // If the parent does not read, the channel fills up. Previews are then dropped, except the last one.
      if (backlog > 0 && event.step !== event.steps - 1) return;
      progress.told();
      say({ type: 'reported', run, event, calls: takeCalls() });
      return;
    case 'finished':
      return send({ type: 'reported', run, event, memoryBytes: process.memoryUsage.rss(), calls: takeCalls() });
    case 'loading':
      say({ type: 'reported', run, event, calls: takeCalls() });
      // Loading weights involves no graph call, so nothing else would send meanwhile.
      return publish();
    default:
      say({ type: 'reported', run, event, calls: takeCalls() });
  }
}

/**
 * Sends all pending messages. Small messages leave at once. A larger one needs turns of the event loop, which the next
 * graph call would block; but a busy parent must not delay the denoising.
 */
async function publish(): Promise<void> {
  if (outgoing.length === 0) return;
  const sent = flush();
  await new Promise<void>((resolve) => process.nextTick(resolve));
  if (backlog > 0) await Promise.race([sent, sleep(PATIENCE_MS, undefined, { ref: false })]);
}

function countCall(owner: Owner | undefined, rows: number, ms: number): void {
  if (!owner) return;
  const key = `${rows} ${owner.component} ${owner.path}`;
  const counted = called.get(key) ?? { ...owner, rows, calls: 0, ms: 0 };
  counted.calls++;
  counted.ms += ms;
  called.set(key, counted);
}

/** Calls since the last request, if any. */
function takeCalls(): Calls[] | undefined {
  if (called.size === 0) return undefined;
  const calls = [...called.values()];
  called.clear();
  return calls;
}

/** Sent with the next message. */
function say(message: FromRuntime): void {
  outgoing.push(message);
}

/** Resolves when the message has left this process. */
function send(message: FromRuntime): Promise<void> {
  say(message);
  return flush();
}

/** Resolves when all messages have left this process. */
function flush(): Promise<void> {
  const messages = outgoing;
  outgoing = [];
  backlog++;
  return new Promise((resolve) => {
    const onSent = () => {
      backlog--;
      resolve();
    };
    // A channel that closes meanwhile causes `disconnect`, which ends this process.
    if (process.connected) process.send?.(messages, undefined, undefined, onSent);
    else onSent();
  });
}
