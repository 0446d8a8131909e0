/** Errors of runs that the process has nothing to say about. */
import { RuntimeError } from '../errors.ts';
import type { RunRequest } from '../messages.ts';
import { MODEST_PIXELS, type SetAside } from './quarantine.ts';
import type { Run } from './run.ts';
import type { Broken } from './runtimeProcess.ts';

/** Of a run that is set aside, for its model or for its size. */
export function asideError({ request }: Run, { reason, retryAfterMs, fromPixels }: SetAside): RuntimeError {
  if (fromPixels === 0) return new RuntimeError('modelUnavailable', reason, { retryAfterMs });
  return new RuntimeError('invalidParameter', reason, { parameter: sizeParameter(request), retryAfterMs });
}

/** Of a run during which the process was lost twice. @param broken - where it was killed for failing every call */
export function lostTwice({ pixels, request }: Run, broken: Broken | undefined): RuntimeError {
  if (broken?.deviceLost) {
    return new RuntimeError('deviceLost', `The device was lost twice during this run: ${broken.reason}.`);
  }
  if (pixels <= MODEST_PIXELS) {
    return new RuntimeError('runtimeLost', 'The runtime process was lost twice during this run.');
  }
  const { width, height } = request;
  return new RuntimeError(
    'runtimeLost',
    `The runtime process was lost twice while drawing ${width}×${height} pixels. It may have too little memory; use a smaller size.`,
    { parameter: sizeParameter(request) },
  );
}

/** The parameter to change for a smaller picture. */
export function sizeParameter({ kind, width, height }: RunRequest): 'width' | 'height' | 'scale' {
  if (kind === 'upscale') return 'scale';
  return width >= height ? 'width' : 'height';
}
