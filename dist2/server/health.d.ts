import type { Context } from './context.ts';

type StorageState = 'ok' | 'storageFull' | 'storageUnavailable';
/** How the server is, for people and for programs that restart it. */
export interface Health {
  /** `storageFull`: there is no room for an image; `storageUnavailable`: images cannot be written. Tasks are refused. */
  status: 'ok' | 'starting' | 'stopping' | StorageState;
  version: string;
  node: string;
  /** Of one device, or of several together. */
  runtime: DeviceHealth & {
    /** Each of several devices; absent where there is one. */
    devices?: (DeviceHealth & {
      /** AIRs of the models that it holds. */
      models: string[];
      /** Results handed to it. */
      runs: number;
    })[];
  };
  /** Those that make images; `modelSearch` lists LoRAs and the rest too. */
  models: {
    air: string;
    name: string;
    available: boolean;
    reason?: string;
    loaded: boolean;
  }[];
  queue: {
    waiting: number;
    running: number;
  };
  images: {
    count: number;
    bytes: number;
    quotaBytes: number;
  };
}
interface DeviceHealth {
  /** As it was named, or what `auto` found: `cuda:1`; of several cpu devices `cpu#1`. Absent for several together. */
  device?: string;
  state: string;
  /** Of its process; absent while there is none, and of several devices. */
  pid?: number;
  provider?: string;
  providerReason?: string;
  /** Times that a process was lost and started again. */
  restarts: number;
  /** How a process was lost the last time. */
  lastLoss?: {
    reason: string;
    at: string;
  };
  /**
   * Models, alone or with parts, that brought it down and are not run for a while, or not for pictures of so many pixels
   * and more; by their AIRs.
   */
  setAside?: {
    models: string[];
    fromPixels?: number;
    reason: string;
    retryAfterMs: number;
  }[];
  /** Resident memory. */
  memoryBytes?: number;
  /** What models and pictures take of the GPU's memory, by an estimate; absent without `--device-memory-limit`. */
  deviceMemory?: {
    estimatedBytes: number;
    limitBytes: number;
  };
  /** While weights are being loaded; `model` is an AIR, absent for a model that has left the catalog. */
  loading?: {
    model?: string | undefined;
    component: string;
    doneBytes: number;
    ofBytes: number;
  };
}
export declare function health({ runtime, catalog, queue, closing, store }: Context): Promise<Health>;
