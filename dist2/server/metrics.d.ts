import type { Socket } from 'node:net';
import type { Runtime } from '../runtime/index.ts';
import { type Clock } from './clock.ts';
import type { StoreUsage } from './images/store.ts';
import { TaskMeter } from './taskMeter.ts';
import type { TaskRecord } from './taskRecords.ts';
/** `encoding`: a newer one came while another was encoded. `slow_reader`: its reader had not taken those before. */
export type DropReason = 'encoding' | 'slow_reader';
/** What a session counts. */
export interface PreviewMeter {
  previewSent(): void;
  previewDropped(reason: DropReason): void;
}
/**
 * What one server counts, for Prometheus to collect. Labels take few values, all of the operator's making: devices, models by
 * their AIR, outcomes, error codes, stages. Whatever a client can choose is none of them.
 */
export declare class Metrics implements PreviewMeter {
  #private;
  /**
   * @param sessions - how many there are, those without a socket too
   * @param models - AIRs of models and parts, and where they lie
   * @param storage - how full the store of images is
   */
  constructor(
    runtime: Runtime,
    sessions: () => number,
    models?: () => Promise<
      readonly {
        air: string;
        path: string;
      }[]
    >,
    storage?: () => StoreUsage | undefined,
    clock?: Clock,
  );
  get contentType(): string;
  /** Everything, in the text format that Prometheus collects. */
  text(): Promise<string>;
  /** Every metric as a row of a Markdown table, for docs/metrics.md. */
  table(): string;
  /** Follows a task whose model is known. `model` is an AIR of the catalog. */
  task(model: string): TaskMeter;
  /** `model` is absent where the task was refused before it was known. */
  taskEnded({ state, error, cancelReason, startedAt }: TaskRecord, model?: string): void;
  previewSent(): void;
  previewDropped(reason: DropReason): void;
  imageStored(bytes: number): void;
  imageEvicted(bytes: number, reason: 'quota' | 'age'): void;
  /** Counts a WebSocket and its bytes until it closes. */
  connected(socket: Socket): void;
}
