import type { Context } from './context.ts';
import { StorageFullError } from './images/store.ts';
import { packageVersion } from './packageRoot.ts';

type StorageState = 'ok' | 'storageFull' | 'storageUnavailable';

/** How the server is, for people and for programs that restart it. */
export interface Health {
  /** `storageFull`: there is no room for an image; `storageUnavailable`: images cannot be written. Tasks are refused. */
  status: 'ok' | 'starting' | 'stopping' | StorageState;
  version: string;
  node: string;
  runtime: {
    state: string;
    /** Of its process; absent while there is none. */
    pid?: number;
    provider?: string;
    providerReason?: string;
    restarts: number;
    /** How the process was lost the last time. */
    lastLoss?: { reason: string; at: string };
    /**
     * Models, alone or with parts, that brought it down and are not run for a while, or not for pictures of so many pixels
     * and more; by their AIRs.
     */
    setAside?: { models: string[]; fromPixels?: number; reason: string; retryAfterMs: number }[];
    memoryBytes?: number;
    /** While weights are being loaded; `model` is an AIR, absent for a model that has left the catalog. */
    loading?: { model?: string | undefined; component: string; doneBytes: number; ofBytes: number };
  };
  /** Those that make images; `modelSearch` lists LoRAs and the rest too. */
  models: { air: string; name: string; available: boolean; reason?: string; loaded: boolean }[];
  queue: { waiting: number; running: number };
  images: { count: number; bytes: number; quotaBytes: number };
}

export async function health({ runtime, catalog, queue, closing, store }: Context): Promise<Health> {
  const {
    state,
    pid,
    provider,
    providerReason,
    restarts,
    lastLoss,
    setAside = [],
    memoryBytes,
    models,
    loading,
  } = runtime.status();
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
      state,
      ...(pid !== undefined && { pid }),
      ...(provider !== undefined && { provider }),
      ...(providerReason !== undefined && { providerReason }),
      restarts,
      ...(memoryBytes !== undefined && { memoryBytes }),
      // Never the path, which may tell of the owner of the machine.
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
