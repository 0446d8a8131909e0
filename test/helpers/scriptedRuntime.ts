import { fileURLToPath } from 'node:url';
import {
  type GenerateRequest,
  type RunEvent,
  type Runtime,
  type RuntimeOptions,
  startRuntime,
} from '../../runtime/index.ts';
import type { Calibration } from '../../runtime/messages.ts';
import type { Clock } from '../../runtime/process/clock.ts';
import { writeSafetensors } from './safetensors.ts';

/** One thing that the scripted process does; scriptedProcess.mjs says what each means. */
export type ScriptStep =
  | { event: RunEvent; memoryBytes?: number }
  | { loaded: number }
  | { fail: { code: string; message: string }; inFirst?: string }
  | { broken: string; deviceLost?: boolean; inFirst?: string }
  | { waitMs: number }
  | { waitFor: string }
  | { die: string }
  | { trying: Calibration }
  | { tried: true }
  | { working: 'me' | 'all' | 'nobody' }
  | { atOnce: true };

const program = fileURLToPath(new URL('./scriptedProcess.mjs', import.meta.url));

/** The real supervisor over a process that does what the requests' prompts say, good or bad. */
export function startScripted(options: Partial<RuntimeOptions> = {}, clock?: Clock): Runtime {
  return startRuntime({ provider: 'cpu', log: () => {}, ...options }, program, clock);
}

/** A request that plays a script and then finishes. */
export function scripted(
  model: string,
  script: ScriptStep[] = [],
  changes: Partial<GenerateRequest> & { memoryBytes?: number } = {},
): GenerateRequest {
  const { memoryBytes = 50e6, ...more } = changes;
  const timings = { loadingMs: 0, encodingMs: 0, denoisingMs: 0, decodingMs: 0 };
  const pixels = { width: 8, height: 8, data: new Uint8Array() };
  const end: ScriptStep = { event: { type: 'finished', pixels, timings }, memoryBytes };
  const prompt = JSON.stringify([...script, end]);
  return { model, prompt, width: 8, height: 8, steps: 1, guidanceScale: 1, seed: 1n, ...more };
}

/** Writes a safetensors file of zeros, so many of each type. */
export function writeZeros(
  file: string,
  tensors: Record<string, [dtype: 'F32' | 'F16' | 'BF16' | 'I64', count: number]>,
): Promise<void> {
  const arrays = { F32: Float32Array, F16: Uint16Array, BF16: Uint16Array, I64: BigInt64Array };
  const zeros = Object.entries(tensors).map(([name, [dtype, count]]) => {
    return [name, { dtype, shape: [count], data: new arrays[dtype](count) }] as const;
  });
  return writeSafetensors(file, Object.fromEntries(zeros));
}
