import type { RunRequest, Stage } from '../messages.ts';
import type { Clock } from './clock.ts';
import { Inbox } from './inbox.ts';
import { filesOf, type Weight } from './needs.ts';

/** One call of `generate`, from request to last event. */
export interface Run {
  id: number;
  request: RunRequest;
  /** Pixels of its picture. */
  readonly pixels: number;
  /** Every folder and file that the request needs. */
  files: readonly string[];
  /** Size of each; absent until known, and without a limit. */
  weights?: ReadonlyMap<string, Weight>;
  signal: AbortSignal;
  inbox: Inbox;
  /** Time when it became the head of the queue and needed another process; absent before that. */
  heldUpAt: number | undefined;
  /** Runs that overtook it since. */
  passes: number;
  /** Deaths of the process during this run. */
  deaths: number;
  /** Bytes that it may load, beyond what the process holds. */
  promisedBytes: number;
  /** `started` was sent; a second attempt must not repeat it. */
  started: boolean;
  /** Last reported stage; `loading` at first. */
  stage: Stage;
  /** The reader left: the signal was aborted or the iteration ended. */
  abandoned: boolean;
  /** The stage exceeded its deadline, and the process was killed for it. */
  timedOut: boolean;
  deadline: ReturnType<Clock['after']> | undefined;
}

/**
 * Makes the next attempt use linear previews: the tiny decoder may have crashed the process. False without a tiny
 * decoder.
 */
export function leaveOutTinyDecoder(run: Run): boolean {
  const { previews } = run.request;
  if (previews?.tinyDecoder === undefined) return false;
  run.request = { ...run.request, previews: { every: previews.every } };
  run.files = filesOf(run.request);
  return true;
}

export function newRun(id: number, request: RunRequest, signal: AbortSignal): Run {
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
