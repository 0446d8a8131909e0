import { dirname } from 'node:path';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@platformatic/prom-client';
import { errors } from '../protocol/errors.js';
import { systemClock } from './clock.js';
import { packageVersion } from './packageRoot.js';
import { TaskMeter } from './taskMeter.js';

const waitBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const rowBuckets = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64];
const stageBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** Figures of Node and of the process are the same for every server in it. Made with the first of them. */
let processRegistry;
/**
 * What one server counts, for Prometheus to collect. Labels take few values, all of the operator's making: devices, models by
 * their AIR, outcomes, error codes, stages. Whatever a client can choose is none of them.
 */
export class Metrics {
  #registry = new Registry();
  #runs;
  #tasks;
  #taskSeconds;
  #previewsDropped;
  #imagesStored;
  #imagesEvicted;
  #evictedBytes;
  #imageBytes;
  /** Open sockets, and how many of their bytes are counted. */
  #sockets = new Map();
  #received;
  #sent;
  #opened;
  /** A plain number, because a thousand readers of one preview are a thousand times this. */
  #previewsSent = 0;
  #batchRows;
  #graphSeconds;
  /** Calls that the histogram holds, by what they are told apart by. */
  #calls = new Map();
  #runtime;
  #clock;
  #models;
  /**
   * @param sessions - how many there are, those without a socket too
   * @param models - AIRs of models and parts, and where they lie
   * @param storage - how full the store of images is
   */
  constructor(runtime, sessions, models = async () => [], storage = () => undefined, clock = systemClock) {
    this.#clock = clock;
    this.#runtime = runtime;
    this.#models = models;
    // From the start on, so that the first look tells the delay of the event loop too.
    ofProcess();
    const registers = [this.#registry];
    const gauge = (name, help, read) => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          // What is not known is left out, rather than told as 0.
          const value = read();
          if (value === undefined) this.remove();
          else this.set(value);
        },
      });
    };
    const counter = (name, help, read) => {
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
        help: 'Results that wait for the runtime.',
        labelNames: ['model'],
        registers,
      }),
      running: new Gauge({
        name: 'latentwire_queue_running',
        help: 'Results that the runtime is drawing now.',
        labelNames: ['model'],
        registers,
      }),
      waitSeconds: new Histogram({
        name: 'latentwire_queue_wait_seconds',
        help: 'Time from queueing a result until the runtime began it.',
        labelNames: ['model'],
        buckets: waitBuckets,
        registers,
      }),
      stageSeconds: new Histogram({
        name: 'latentwire_stage_seconds',
        help: 'Time that a finished result spent in a stage: loading (only if something had to be loaded), encoding, denoising or decoding.',
        labelNames: ['model', 'stage'],
        buckets: stageBuckets,
        registers,
      }),
      steps: new Counter({
        name: 'latentwire_steps_total',
        help: 'Denoising steps taken. rate() of it is steps per second.',
        labelNames: ['model'],
        registers,
      }),
      results: new Counter({
        name: 'latentwire_results_total',
        help: 'Results drawn.',
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
      help: 'Time spent in calls of a network. rate() of it is the part of the time that the network computes.',
      labelNames: ['model', 'graph', 'device'],
      registers,
    });
    this.#tasks = new Counter({
      name: 'latentwire_tasks_total',
      help: 'Image tasks that ended, by outcome: finished, failed (with the code of the error), cancelled or superseded.',
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
    counter('latentwire_previews_sent_total', 'Previews sent, once for each reader.', () => this.#previewsSent);
    this.#previewsDropped = new Counter({
      name: 'latentwire_previews_dropped_total',
      help: 'Previews dropped for newer ones: while encoding, or because of a slow_reader.',
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
    gauge('latentwire_images', 'Images that are kept.', () => storage()?.images);
    gauge('latentwire_image_bytes', 'Bytes of the images that are kept.', () => storage()?.bytes);
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
    gauge('latentwire_sessions', 'Sessions, including those that wait for their client to come back.', sessions);
    this.#received = new Counter({
      name: 'latentwire_socket_received_bytes_total',
      help: 'Bytes received on WebSockets, as they are on the wire.',
      registers,
      collect: () => this.#countAllBytes(),
    });
    this.#sent = new Counter({
      name: 'latentwire_socket_sent_bytes_total',
      help: 'Bytes sent on WebSockets, as they are on the wire.',
      registers,
      collect: () => this.#countAllBytes(),
    });
    const ofDevices = (name, help, read) => {
      const kind = name.endsWith('_total') ? Counter : Gauge;
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
      'Times that the runtime process was lost and started again.',
      ({ restarts }) => restarts,
    );
    ofDevices(
      'latentwire_runtime_memory_bytes',
      'Resident memory of the runtime process when it last loaded a model or finished a result.',
      ({ memoryBytes }) => memoryBytes,
    );
    ofDevices(
      'latentwire_device_memory_bytes',
      'What models and pictures take of a GPU’s memory, by an estimate. Only with --device-memory-limit.',
      ({ deviceMemory }) => deviceMemory?.estimatedBytes,
    );
    ofDevices('latentwire_runtime_models', 'Models that a device holds.', ({ models }) => models.length);
    new Gauge({
      name: 'latentwire_info',
      help: 'Always 1. The labels tell the version and the provider.',
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
  get contentType() {
    return this.#registry.contentType;
  }
  /** Everything, in the text format that Prometheus collects. */
  async text() {
    await this.#countCalls();
    return (await Promise.all([this.#registry.metrics(), ofProcess().metrics()])).join('\n');
  }
  /** Every metric as a row of a Markdown table, for docs/metrics.md. */
  table() {
    const rows = this.#registry
      .getMetricsAsArray()
      .map(
        ({ name, type, labelNames, help }) =>
          `| \`${name}\` | ${type} | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
      );
    return ['| Metric | Kind | Labels | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
  }
  /** Follows a task whose model is known. `model` is an AIR of the catalog. */
  task(model) {
    return new TaskMeter(model, this.#runs);
  }
  /** `model` is absent where the task was refused before it was known. */
  taskEnded({ state, error, cancelReason, startedAt }, model) {
    if (state === 'unfinished') return;
    const outcome = state === 'cancelled' ? cancelReason : state;
    this.#tasks.inc({ outcome, code: error === undefined ? '' : listedCode(error.code) });
    if (state === 'finished' && model !== undefined) {
      this.#taskSeconds.observe({ model }, (this.#clock.now() - startedAt) / 1000);
    }
  }
  previewSent() {
    this.#previewsSent++;
  }
  previewDropped(reason) {
    this.#previewsDropped.inc({ reason });
  }
  imageStored(bytes) {
    this.#imagesStored.inc();
    this.#imageBytes.inc(bytes);
  }
  imageEvicted(bytes, reason) {
    this.#imagesEvicted.inc({ reason });
    this.#evictedBytes.inc({ reason }, bytes);
  }
  /** Counts a WebSocket and its bytes until it closes. */
  connected(socket) {
    this.#opened.inc();
    this.#sockets.set(socket, { read: 0, written: 0 });
    socket.once('close', () => {
      this.#countBytes(socket);
      this.#sockets.delete(socket);
    });
  }
  /** Brings calls of graphs up to what the runtime has counted since the last look. */
  async #countCalls() {
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
  #countAllBytes() {
    for (const socket of this.#sockets.keys()) this.#countBytes(socket);
  }
  #countBytes(socket) {
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
function devicesOf(runtime) {
  const status = runtime.status();
  if (status.devices) return status.devices.map((each) => ({ device: each.device, status: each }));
  return [{ device: status.device ?? status.provider ?? 'none', status }];
}
function ofProcess() {
  if (processRegistry === undefined) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}
/** The code with a row in the table of errors: parameters have names of their own in theirs, and clients choose them. */
function listedCode(code) {
  if (Object.hasOwn(errors, code)) return code;
  return code.startsWith('missing') ? 'missingParameter' : 'invalidParameter';
}
//# sourceMappingURL=metrics.js.map
