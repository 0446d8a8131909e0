import type { GenerateRequest, Stage } from '../messages.ts';
import type { Clock } from './clock.ts';
import { Inbox } from './inbox.ts';
import { type Weight } from './needs.ts';
/** One call of `generate`, from its request to its last event. */
export interface Run {
  id: number;
  request: GenerateRequest;
  /** Of its picture. */
  readonly pixels: number;
  /** Every folder and file that the request needs. */
  files: readonly string[];
  /** What each of them weighs; absent until that is known, and where there is no limit. */
  weights?: ReadonlyMap<string, Weight>;
  signal: AbortSignal;
  inbox: Inbox;
  /** When it came to be the first that waits, and could not go on without another process; absent before that. */
  heldUpAt: number | undefined;
  /** Runs that went before it since. */
  passes: number;
  /** Times the process died while it worked on this run. */
  deaths: number;
  /** Bytes that it may have loaded when it is past loading, as far as the process did not hold them. */
  promisedBytes: number;
  /** `started` was told; a second attempt must not tell it again. */
  started: boolean;
  /** What the process last said it was doing; `loading` until it says something. */
  stage: Stage;
  /** The reader has gone: the signal was aborted or the iteration was left. */
  abandoned: boolean;
  /** The deadline of this stage passed, and the process was killed for it. */
  timedOut: boolean;
  deadline: ReturnType<Clock['after']> | undefined;
}
/**
 * The next attempt of a run shows what a linear map makes of its latents: the network that made its previews may be what
 * brought the process down. False where it has no such network.
 */
export declare function leaveOutTinyDecoder(run: Run): boolean;
export declare function newRun(id: number, request: GenerateRequest, signal: AbortSignal): Run;
