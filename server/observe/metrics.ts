import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@platformatic/prom-client';
import { type ErrorCode, errors } from '../../protocol/errors.ts';
import type { Runtime, RuntimeStatus } from '../../runtime/index.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { StoreUsage } from '../images/store.ts';
import { type RunMetrics, TaskMeter } from '../lifecycle/meter.ts';
import type { TaskRecord } from '../lifecycle/records.ts';
import { packageVersion } from '../packageRoot.ts';

/** `encoding`: a newer preview came while one was encoded. `slow_reader`: the reader had not read the previews before. */
export type DropReason = 'encoding' | 'slow_reader';

/** What a session counts. */
export interface PreviewMeter {
  previewSent(): void;
  previewDropped(reason: DropReason): void;
}

const waitBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const rowBuckets = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64];
const stageBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/** The fields of a metric that the table shows; the library does not declare `type`. */
interface MetricRow {
  name: string;
  type: string;
  labelNames: readonly string[];
  help: string;
}

/** All servers of a process share its metrics. The first server creates them. */
let processRegistry: Registry | undefined;

/**
 * The metrics of one server for Prometheus. Labels take few values, and none that a client can choose: devices, AIRs of
 * models, outcomes, error codes, stages.
 */
export class Metrics implements PreviewMeter {
  readonly #registry = new Registry();
  readonly #runs: RunMetrics;
  readonly #tasks: Counter<'outcome' | 'code'>;
  readonly #taskSeconds: Histogram<'model'>;
  readonly #previewsDropped: Counter<'reason'>;
  readonly #imagesStored: Counter;
  readonly #imagesEvicted: Counter<'reason'>;
  readonly #evictedBytes: Counter<'reason'>;
  readonly #imageBytes: Counter;
  /** Open sockets, and how many of their bytes are counted. */
  readonly #sockets = new Map<Socket, { read: number; written: number }>();
  readonly #received: Counter;
  readonly #sent: Counter;
  readonly #opened: Counter;
  /** A plain number for speed: a thousand readers of one preview count a thousand times. */
  #previewsSent = 0;

  readonly #batchRows: Histogram<'model' | 'graph' | 'device'>;
  readonly #graphSeconds: Counter<'model' | 'graph' | 'device'>;
  /** Calls counted in the histogram, by their labels. */
  readonly #calls = new Map<string, number>();
  readonly #runtime: Runtime;
  readonly #clock: Clock;
  readonly #models: () => Promise<readonly { air: string; path: string }[]>;

  /**
   * @param sessions - how many there are, those without a socket too
   * @param models - AIRs of models and parts, and their paths
   * @param storage - how full the store of images is
   */
  constructor(
    runtime: Runtime,
    sessions: () => number,
    models: () => Promise<readonly { air: string; path: string }[]> = async () => [],
    storage: () => StoreUsage | undefined = () => undefined,
    clock: Clock = systemClock,
  ) {
    this.#clock = clock;
    this.#runtime = runtime;
    this.#models = models;
    // Starts now, so that the first scrape includes the delay of the event loop.
    ofProcess();
    const registers = [this.#registry];
    const gauge = (name: string, help: string, read: () => number | undefined) => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          // An unknown value is left out instead of 0.
          const value = read();
          if (value === undefined) this.remove();
          else this.set(value);
        },
      });
    };
    const counter = (name: string, help: string, read: () => number) => {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    };

    this.#runs = {
      waiting: new Gauge({
        name: 'latentwire_queue_waiting',
        help: 'Results waiting in the queue.',
        labelNames: ['model'],
        registers,
      }),
      running: new Gauge({
        name: 'latentwire_queue_running',
        help: 'Results running now.',
        labelNames: ['model'],
        registers,
      }),
      waitSeconds: new Histogram({
        name: 'latentwire_queue_wait_seconds',
        help: 'Time from queueing a result until it started.',
        labelNames: ['model'],
        buckets: waitBuckets,
        registers,
      }),
      stageSeconds: new Histogram({
        name: 'latentwire_stage_seconds',
        help: 'Time of a finished result in a stage: loading (only if something was loaded), encoding, denoising or decoding.',
        labelNames: ['model', 'stage'],
        buckets: stageBuckets,
        registers,
      }),
      steps: new Counter({
        name: 'latentwire_steps_total',
        help: 'Denoising steps. Its rate() is steps per second.',
        labelNames: ['model'],
        registers,
      }),
      results: new Counter({
        name: 'latentwire_results_total',
        help: 'Finished results.',
        labelNames: ['model'],
        registers,
      }),
    };
    this.#batchRows = new Histogram({
      name: 'latentwire_batch_rows',
      help: 'Rows (images, or guidance branches of images) in one call of a network. _count is the number of calls.',
      labelNames: ['model', 'graph', 'device'],
      buckets: rowBuckets,
      registers,
    });
    this.#graphSeconds = new Counter({
      name: 'latentwire_graph_seconds_total',
      help: 'Time in calls of a network. Its rate() is the fraction of time that the network computes.',
      labelNames: ['model', 'graph', 'device'],
      registers,
    });
    this.#tasks = new Counter({
      name: 'latentwire_tasks_total',
      help: 'Ended image tasks by outcome: finished, failed (with the error code), cancelled or superseded.',
      labelNames: ['outcome', 'code'],
      registers,
    });
    this.#taskSeconds = new Histogram({
      name: 'latentwire_task_seconds',
      help: 'Time of finished image tasks, from arrival to the last result.',
      labelNames: ['model'],
      buckets: waitBuckets,
      registers,
    });
    counter('latentwire_previews_sent_total', 'Previews sent, counted for each reader.', () => this.#previewsSent);
    this.#previewsDropped = new Counter({
      name: 'latentwire_previews_dropped_total',
      help: 'Previews dropped for newer ones, while encoding or because of a slow_reader.',
      labelNames: ['reason'],
      registers,
    });
    this.#imagesStored = new Counter({
      name: 'latentwire_images_stored_total',
      help: 'Images stored, both uploaded and generated.',
      registers,
    });
    this.#imageBytes = new Counter({
      name: 'latentwire_images_stored_bytes_total',
      help: 'Bytes of the images stored.',
      registers,
    });
    gauge('latentwire_images', 'Images in the store.', () => storage()?.images);
    gauge('latentwire_image_bytes', 'Bytes of the images in the store.', () => storage()?.bytes);
    this.#imagesEvicted = new Counter({
      name: 'latentwire_images_evicted_total',
      help: 'Images deleted to stay within the quota, or for their age.',
      labelNames: ['reason'],
      registers,
    });
    this.#evictedBytes = new Counter({
      name: 'latentwire_images_evicted_bytes_total',
      help: 'Bytes of the images deleted to stay within the quota, or for their age.',
      labelNames: ['reason'],
      registers,
    });
    gauge('latentwire_connections', 'Open WebSockets.', () => this.#sockets.size);
    this.#opened = new Counter({
      name: 'latentwire_connections_opened_total',
      help: 'WebSockets opened.',
      registers,
    });
    gauge('latentwire_sessions', 'Sessions, including those that wait for their client to reconnect.', sessions);
    this.#received = new Counter({
      name: 'latentwire_socket_received_bytes_total',
      help: 'Bytes received on WebSockets, on the wire.',
      registers,
      collect: () => this.#countAllBytes(),
    });
    this.#sent = new Counter({
      name: 'latentwire_socket_sent_bytes_total',
      help: 'Bytes sent on WebSockets, on the wire.',
      registers,
      collect: () => this.#countAllBytes(),
    });
    const ofDevices = (name: string, help: string, read: (status: RuntimeStatus) => number | undefined) => {
      const kind = name.endsWith('_total') ? Counter<'device'> : Gauge<'device'>;
      new kind({
        name,
        help,
        labelNames: ['device'],
        registers,
        collect() {
          this.reset();
          for (const { device, status } of devicesOf(runtime)) {
            const value = read(status);
            if (value !== undefined) this.inc({ device }, value);
          }
        },
      });
    };
    ofDevices(
      'latentwire_runtime_up',
      '1 while the runtime process of a device is ready for work, else 0.',
      ({ state }) => (state === 'ready' ? 1 : 0),
    );
    ofDevices(
      'latentwire_runtime_restarts_total',
      'Unplanned restarts of the runtime process.',
      ({ restarts }) => restarts,
    );
    ofDevices(
      'latentwire_runtime_memory_bytes',
      'Resident memory of the runtime process when it last loaded a model or finished a result.',
      ({ memoryBytes }) => memoryBytes,
    );
    ofDevices(
      'latentwire_device_memory_bytes',
      'Estimated memory of models and pictures on a GPU. Only with --device-memory-limit.',
      ({ deviceMemory }) => deviceMemory?.estimatedBytes,
    );
    ofDevices('latentwire_runtime_models', 'Models loaded on a device.', ({ models }) => models.length);
    new Gauge({
      name: 'latentwire_info',
      help: 'Always 1. The labels are the version and the provider.',
      labelNames: ['version', 'provider'],
      registers,
      collect() {
        this.reset();
        for (const { status } of devicesOf(runtime)) {
          this.set({ version: packageVersion, provider: status.provider ?? 'none' }, 1);
        }
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in the text format of Prometheus. */
  async text(): Promise<string> {
    await this.#countCalls();
    return (await Promise.all([this.#registry.metrics(), ofProcess().metrics()])).join('\n');
  }

  /** Every metric as a row of a Markdown table, for docs/metrics.md. */
  table(): string {
    const rows = (this.#registry.getMetricsAsArray() as unknown as MetricRow[]).map(
      ({ name, type, labelNames, help }) =>
        `| \`${name}\` | ${type} | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
    );
    return ['| Metric | Kind | Labels | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
  }

  /** Follows a task whose model is known. `model` is an AIR of the catalog. */
  task(model: string): TaskMeter {
    return new TaskMeter(model, this.#runs);
  }

  /** `model` is absent if the task was refused before its model was known. */
  taskEnded({ state, error, cancelReason, startedAt }: TaskRecord, model?: string): void {
    if (state === 'unfinished') return;
    const outcome = state === 'cancelled' ? cancelReason : state;
    this.#tasks.inc({ outcome, code: error === undefined ? '' : listedCode(error.code) });
    if (state === 'finished' && model !== undefined) {
      this.#taskSeconds.observe({ model }, (this.#clock.now() - startedAt) / 1000);
    }
  }

  previewSent(): void {
    this.#previewsSent++;
  }

  previewDropped(reason: DropReason): void {
    this.#previewsDropped.inc({ reason });
  }

  imageStored(bytes: number): void {
    this.#imagesStored.inc();
    this.#imageBytes.inc(bytes);
  }

  imageEvicted(bytes: number, reason: 'quota' | 'age'): void {
    this.#imagesEvicted.inc({ reason });
    this.#evictedBytes.inc({ reason }, bytes);
  }

  /** Counts a WebSocket and its bytes until it closes. */
  connected(socket: Socket): void {
    this.#opened.inc();
    this.#sockets.set(socket, { read: 0, written: 0 });
    socket.once('close', () => {
      this.#countBytes(socket);
      this.#sockets.delete(socket);
    });
  }

  /** Brings calls of graphs up to what the runtime has counted since the last look. */
  async #countCalls(): Promise<void> {
    // Never the path, which is nobody's business.
    const airs = new Map((await this.#models()).map(({ air, path }) => [path, air]));
    // Not before the wait: of two looks at once the later must not count less.
    const devices = devicesOf(this.#runtime);
    this.#graphSeconds.reset();
    for (const { device, status } of devices) {
      for (const { path, component, rows, calls: count, ms } of status.calls ?? []) {
        // A tiny decoder that a model brings lies in a folder of the model's.
        const air = airs.get(path) ?? airs.get(dirname(path));
        const labels = { model: air ?? 'unlisted', graph: component, device };
        const key = `${device} ${rows} ${component} ${path}`;
        for (let seen = this.#calls.get(key) ?? 0; seen < count; seen++) this.#batchRows.observe(labels, rows);
        this.#calls.set(key, Math.max(count, this.#calls.get(key) ?? 0));
        this.#graphSeconds.inc(labels, ms / 1000);
      }
    }
  }

  #countAllBytes(): void {
    for (const socket of this.#sockets.keys()) this.#countBytes(socket);
  }

  #countBytes(socket: Socket): void {
    const counted = this.#sockets.get(socket);
    if (counted === undefined) return;
    const { bytesRead, bytesWritten } = socket;
    this.#received.inc(bytesRead - counted.read);
    this.#sent.inc(bytesWritten - counted.written);
    counted.read = bytesRead;
    counted.written = bytesWritten;
  }
}

/** Each device by its name; a runtime that names none is called as its provider. */
function devicesOf(runtime: Runtime): { device: string; status: RuntimeStatus }[] {
  const status = runtime.status();
  if (status.devices) return status.devices.map((each) => ({ device: each.device, status: each }));
  return [{ device: status.device ?? status.provider ?? 'none', status }];
}

function ofProcess(): Registry {
  if (processRegistry === undefined) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}

/** The code with a row in the table of errors: parameters have names of their own in theirs, and clients choose them. */
function listedCode(code: ErrorCode): string {
  if (Object.hasOwn(errors, code)) return code;
  return code.startsWith('missing') ? 'missingParameter' : 'invalidParameter';
}
