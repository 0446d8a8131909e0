/** Models that a task names beside its main one: LoRAs, embeddings, ControlNets, a refiner. */
import * as z from 'zod';
import type { DeepCache } from './acceleration.ts';
import { type ImageReference } from './images.ts';
import { type StepChoice } from './steps.ts';
/** A model that acts beside the main one. */
export interface WeightedModel {
  /** AIR or alias. */
  model: string;
  /** −4 to 4. */
  weight: number;
  /** Where the client wrote it, for errors about it: `lora[0]`, `lycoris[2]`. */
  parameter: string;
}
/** A second model that takes over at a late step. */
export interface Refiner {
  /** AIR or alias. */
  model: string;
  /** Absent: where the server thinks best. */
  start?: StepChoice | undefined;
}
/** A network that holds the picture to a guide image. */
export interface ControlNet {
  model: string;
  guideImage: ImageReference;
  /** 0 to 1. */
  weight: number;
  /** Absent: from the first step. */
  start?: StepChoice | undefined;
  /** Absent: up to the last step. */
  end?: StepChoice | undefined;
  /** Whether both matter alike, or the prompt or the guide image prevails. */
  controlMode: 'balanced' | 'prompt' | 'controlnet';
  /** Where the client wrote it, for errors about it: `controlNet[0]`. */
  parameter: string;
}
/** Most LoRAs and LyCORIS together; most embeddings. */
export declare const MAX_WEIGHTED_MODELS = 16;
export declare const MAX_CONTROL_NETS = 8;
/** `lora`, `lycoris` and `embeddings`. */
export declare const weightedModels: (name: string) => z.ZodOptional<
  z.ZodPipe<
    z.ZodUnknown,
    z.ZodTransform<
      ({
        model: string;
        weight: number;
      } & {
        parameter: string;
      })[],
      unknown
    >
  >
>;
export declare const controlNets: () => z.ZodOptional<
  z.ZodPipe<
    z.ZodUnknown,
    z.ZodTransform<
      (Omit<ControlNet, 'parameter'> & {
        parameter: string;
      })[],
      unknown
    >
  >
>;
export declare const refiner: z.ZodOptional<
  z.ZodPreprocess<
    z.ZodObject<
      {
        startStep: z.ZodOptional<z.ZodInt>;
        startStepPercentage: z.ZodOptional<z.ZodInt>;
        model: z.ZodString;
      },
      z.core.$strip
    >,
    unknown
  >
>;
export declare function refinerOf(parsed: NonNullable<z.output<typeof refiner>>, context: z.RefinementCtx): Refiner;
interface Companions {
  steps?: number | undefined;
  lora: readonly WeightedModel[];
  controlNet: readonly ControlNet[];
  refiner?: Refiner | undefined;
  deepCache?: DeepCache | undefined;
}
/** What companions ask of each other and, where it is known, of `steps`. */
export declare function checkCompanions(task: Companions, context: z.RefinementCtx): void;
