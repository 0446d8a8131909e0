import type { DenoiserInput, GuidanceRule } from '../families/family.ts';
import type { GenerateRequest } from '../messages.ts';
import { type Scheduler } from '../schedulers/index.ts';

type Calls = Pick<Scheduler, 'timesteps' | 'callsPerStep'>;
/** Which calls of the denoiser a run makes, numbered by the scheduler. */
export interface CallPlan {
  /** The call to begin with. */
  first: number;
  /** The call at which the refiner takes over; the number of calls where there is none. */
  handover: number;
  /** Calls in which only the outermost layers of the denoiser run. */
  shallow: ReadonlySet<number>;
  /** Steps that are told; 0 where the seed image is returned as it is. */
  steps: number;
}
/**
 * Settles the calls of a run; the run and what it costs in the queue both go by it.
 *
 * Image-to-image runs the last steps, as many as the strength asks for, but at least one. At a strength of 0 the seed image
 * is the result, unchanged and without a step. A model that edits runs all steps, whatever the strength.
 *
 * @param partialStep - see `firstCall`
 */
export declare function planCalls(
  request: GenerateRequest,
  scheduler: Calls,
  input: DenoiserInput,
  partialStep?: 'dropped' | 'run',
): CallPlan;
/** What is known of a model without opening it. */
export interface ModelTraits {
  /** Name of its family. */
  family: string;
  /** What its denoiser is given beside the text. */
  input: DenoiserInput;
  guidanceRule: GuidanceRule;
  /** `_class_name` of its own scheduler. */
  defaultScheduler: string;
}
/** Rows (the picture, once for each branch of guidance) that a run asks of each network, over all of its calls. */
export interface RowCounts {
  denoiser: number;
  /** Of the denoiser's outermost layers alone. */
  shallow: number;
  controlNet: number;
  encoder: number;
  decoder: number;
  /** Of the tiny decoder that makes previews. */
  preview: number;
}
/** Counts the rows that a run asks for, from its request alone. A request that the run will refuse is counted somehow. */
export declare function countRows(request: GenerateRequest, traits: ModelTraits): RowCounts;
