import { StorageFullError } from './images/store.js';
import { packageVersion } from './packageRoot.js';
export async function health({ runtime, catalog, queue, closing, store }) {
  const status = runtime.status();
  const { state, models, devices } = status;
  const entries = await catalog.list();
  const storage = await store.checkRoom().then(
    () => 'ok',
    (error) => (error instanceof StorageFullError ? 'storageFull' : 'storageUnavailable'),
  );
  const { images: count, bytes, quotaBytes } = store.usage();
  const airOf = (path) => entries.find((entry) => entry.path === path)?.air;
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
/** Never a path, which may tell of the owner of the machine. */
function deviceHealth(status, airOf) {
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
//# sourceMappingURL=health.js.map
