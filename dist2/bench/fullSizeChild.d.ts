import type { BlockDtype } from '../runtime/files/blocks.ts';
export interface FullSizeQuestion {
  network: 'klein' | 'z-image' | 'klein text' | 'z-image text' | 'layer';
  /** How weights are stored. */
  dtype: BlockDtype | 'F32';
  /** Pixels on each side. */
  size: number;
  threads?: number | undefined;
  folder: string;
  /** Of `layer`: rows of x, channels given and taken. */
  layer?: {
    rows: number;
    inner: number;
    out: number;
  };
}
/** Bytes, from /proc; zeros elsewhere than on Linux. */
export interface FullSizeMemory {
  peak: number;
  anonymous: number;
  mapped: number;
}
export interface FullSizeOpened {
  /** Of the first time, repacking included. */
  openMs: number;
  weightBytes: number;
  memory: FullSizeMemory;
}
export interface FullSizeCall {
  ms: number;
  /** Of all threads: less disturbed than `ms` when the machine has other work. */
  cpuMs: number;
  memory: FullSizeMemory;
  areNumbers: boolean;
}
