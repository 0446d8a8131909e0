import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Bytes of the first GPU that are in use, by whatever program; undefined where NVIDIA's tool is not there. */
export async function usedDeviceMemory(): Promise<number | undefined> {
  const asked = ['--query-gpu=memory.used', '--format=csv,noheader,nounits'];
  const told = await promisify(execFile)('nvidia-smi', asked, { timeout: 5000 }).catch(() => undefined);
  const mib = Number.parseFloat(told?.stdout ?? '');
  return Number.isNaN(mib) ? undefined : mib * 2 ** 20;
}
