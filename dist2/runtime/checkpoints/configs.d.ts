import { type Component, type EncoderName, type ModelConfigs } from '../families/family.ts';

type Given = Pick<ModelConfigs, 'family' | 'className' | 'refiner' | 'index' | 'settings' | 'configs' | 'lacksVae'> & {
  /** Whether the model's files name a text encoder. */
  has: (encoder: EncoderName) => boolean;
};
/** What follows from a model's configs. @throws {ModelError} for a number out of its range */
export declare function completeConfigs({ has, ...given }: Given): ModelConfigs;
/** Pixels on each side of one position of an autoencoder's latents; 8 for all published models. */
export declare function vaeScaleOf(vae: Record<string, unknown>): number;
/** What a component is called in messages, logs and metrics: the denoiser by its folder. */
export declare function componentLabel({ family }: Pick<ModelConfigs, 'family'>, component: Component): string;
export declare function isEncoder(component: Component): component is EncoderName;
