import { Inbox } from './inbox.js';
import { filesOf } from './needs.js';
/**
 * The next attempt of a run shows what a linear map makes of its latents: the network that made its previews may be what
 * brought the process down. False where it has no such network.
 */
export function leaveOutTinyDecoder(run) {
  const { previews } = run.request;
  if (previews?.tinyDecoder === undefined) return false;
  run.request = { ...run.request, previews: { every: previews.every } };
  run.files = filesOf(run.request);
  return true;
}
export function newRun(id, request, signal) {
  return {
    id,
    request,
    pixels: request.width * request.height,
    files: filesOf(request),
    signal,
    inbox: new Inbox(),
    heldUpAt: undefined,
    passes: 0,
    deaths: 0,
    promisedBytes: 0,
    started: false,
    stage: 'loading',
    abandoned: false,
    timedOut: false,
    deadline: undefined,
  };
}
//# sourceMappingURL=run.js.map
