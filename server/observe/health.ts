import type { RuntimeStatus } from '../../runtime/index.ts';
import type { Context } from '../context.ts';
import { StorageFullError } from '../images/store.ts';
import { packageVersion } from '../packageRoot.ts';

type StorageState = 'ok' | 'storageFull' | 'storageUnavailable';

/** State of the server, for people and for programs that restart it. */
export interface Health {
  /**
   * `storageFull`: there is no space for an image; `storageUnavailable`: images cannot be written. The server then
   * refuses tasks.
   */
  status: 'ok' | 'starting' | 'stopping' | StorageState;
  version: string;
  node: string;
  /** State of one device, or of several together. */
  runtime: DeviceHealth & {
    /** Each of several devices; absent for one device. */
    devices?: (DeviceHealth & {
      /** AIRs of its loaded models. */
      models: string[];
      /** Running results. */
      runs: number;
    })[];
  };
  /** Checkpoints only; `modelSearch` also lists LoRAs and so on. */
  models: { air: string; name: string; available: boolean; reason?: string; loaded: boolean }[];
  queue: { waiting: number; running: number };
  images: { count: number; bytes: number; quotaBytes: number };
}

interface DeviceHealth {
  /**
   * The device as named, or chosen by `auto`: `cuda:1`; of several cpu devices `cpu#1`. Absent for several together.
   */
  device?: string;
  state: string;
  /** Of its process; absent without one, and for several devices. */
  pid?: number;
  provider?: string;
  providerReason?: string;
  /** Number of unplanned restarts. */
  restarts: number;
  /** Reason of the last unplanned restart. */
  lastLoss?: { reason: string; at: string };
  /**
   * Blocked models, alone or with parts, because the process died while it ran them; with `fromPixels` only large
   * pictures are blocked. By AIR.
   */
  setAside?: { models: string[]; fromPixels?: number; reason: string; retryAfterMs: number }[];
  /** Resident memory. */
  memoryBytes?: number;
  /** Estimated memory of models and pictures on the GPU; absent without `--device-memory-limit`. */
  deviceMemory?: { estimatedBytes: number; limitBytes: number };
  /** Present while weights are loaded; `model` is an AIR, absent for a model that has left the catalog. */
  loading?: { model?: string | undefined; component: string; doneBytes: number; ofBytes: number };
}

export async function health({ runtime, catalog, queue, closing, store }: Context): Promise<Health> {
  const status = runtime.status();
  const { state, models, devices } = status;
  const entries = await catalog.list();
  const storage = await store.checkRoom().then(
    (): StorageState => 'ok',
    (error): StorageState => (error instanceof StorageFullError ? 'storageFull' : 'storageUnavailable'),
  );
  const { images: count, bytes, quotaBytes } = store.usage();
  const airOf = (path: string | undefined) => entries.find((entry) => entry.path === path)?.air;
  return {
    status: closing || state === 'stopped' ? 'stopping' : state !== 'ready' ? 'starting' : storage,
    version: packageVersion,
    node: process.versions.node,
    runtime: {
      ...deviceHealth(status, airOf),
      ...(devices && {
        devices: devices.map((each) => ({
          ...deviceHealth(each, airOf),
          models: each.models.map((path) => airOf(path) ?? 'unlisted'),
          runs: each.runs,
        })),
      }),
    },
    models: entries
      .filter(({ kind }) => kind === 'checkpoint')
      .map(({ air, model }) => ({
        air,
        name: model.name,
        available: model.available,
        ...(model.reason !== undefined && { reason: model.reason }),
        loaded: models.includes(model.folder),
      })),
    queue: { waiting: queue.waiting, running: queue.running },
    images: { count, bytes, quotaBytes },
  };
}

/** No paths, which may reveal the owner of the machine. */
function deviceHealth(status: RuntimeStatus, airOf: (path: string) => string | undefined): DeviceHealth {
  const { state, pid, provider, providerReason, restarts, lastLoss, setAside = [], memoryBytes, loading } = status;
  const { device, deviceMemory } = status;
  return {
    ...(device !== undefined && { device }),
    state,
    ...(pid !== undefined && { pid }),
    ...(provider !== undefined && { provider }),
    ...(providerReason !== undefined && { providerReason }),
    restarts,
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(deviceMemory && { deviceMemory }),
    ...(loading && { loading: { ...loading, model: airOf(loading.model) } }),
    ...(lastLoss && { lastLoss: { reason: lastLoss.reason, at: lastLoss.at.toISOString() } }),
    ...(setAside.length > 0 && {
      setAside: setAside.map(({ files, fromPixels, reason, retryAfterMs }) => ({
        models: files.map((file) => airOf(file) ?? 'unlisted'),
        ...(fromPixels > 0 && { fromPixels }),
        reason,
        retryAfterMs,
      })),
    }),
  };
}
