import type { DenoiserInput } from '../families/family.ts';
import type { GenerateRequest } from '../messages.ts';
import type { LatentShape } from '../run.ts';
import { type Scheduler } from '../schedulers/index.ts';
import { type CallPlan } from './calls.ts';
import type { Model } from './model.ts';
/** A checked request: what a run will do, before anything heavy is loaded. */
export interface Plan extends CallPlan {
  scheduler: Scheduler;
  shape: LatentShape;
  /** Whether there is an unconditional branch. */
  guided: boolean;
  input: DenoiserInput;
}
/**
 * Checks what only the model knows and makes the run's scheduler.
 *
 * @throws RuntimeError `invalidParameter` or `unsupportedParameter`; `parameter` is a field of the request, or `strength`.
 */
export declare function planRun(model: Model, request: GenerateRequest): Plan;
