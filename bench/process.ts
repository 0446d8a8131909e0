import { readFileSync } from 'node:fs';
/** What a process of a benchmark tells of itself. */
import v8 from 'node:v8';
import vm from 'node:vm';

/** Milliseconds of a clock that all processes of the machine share. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export interface Memory {
  rssBytes: number;
  /** With what buffers hold outside of it. */
  heapBytes: number;
}

/** @param collect - whether garbage is collected first, which takes a moment */
export async function memoryOf({ collect }: { collect: boolean }): Promise<Memory> {
  if (collect) {
    v8.setFlagsFromString('--expose-gc');
    const collectGarbage = vm.runInNewContext('gc') as () => void;
    // What ends in a callback of the first round is garbage for the next.
    for (let round = 0; round < 3; round++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed + external };
}

/** Resident memory in bytes, by kind; zeros where the system does not tell. */
export interface ResidentMemory {
  peak: number;
  /** Of the process itself: the heap, and what was decoded or repacked. */
  anonymous: number;
  /** Of mapped files. */
  mapped: number;
}

/** Of this process; see `ResidentMemory`. */
export function residentMemory(): ResidentMemory {
  if (process.platform !== 'linux') return { peak: 0, anonymous: 0, mapped: 0 };
  const status = readFileSync('/proc/self/status', 'utf8');
  const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return { peak: bytes('VmHWM'), anonymous: bytes('RssAnon'), mapped: bytes('RssFile') };
}

/** Milliseconds of processor time that this process has taken, in all its threads. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
