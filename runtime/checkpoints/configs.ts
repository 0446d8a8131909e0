import {
  type Component,
  type ConfigPart,
  type EncoderName,
  encoderNames,
  type LatentForm,
  type ModelConfigs,
  tokenizerOf,
} from '../families/family.ts';
import { vaeScaleOf } from '../families/networks.ts';
import { checkConfig } from '../families/ranges.ts';
import { partLabel } from './settings.ts';

type Given = Pick<ModelConfigs, 'family' | 'className' | 'refiner' | 'index' | 'settings' | 'configs' | 'lacksVae'> & {
  /** Whether the model's files name a text encoder. */
  has: (encoder: EncoderName) => boolean;
};

/** What follows from a model's configs. @throws {ModelError} for a number out of its range */
export function completeConfigs({ has, ...given }: Given): ModelConfigs {
  const { family, settings, lacksVae } = given;
  for (const [part, config] of Object.entries(given.configs) as [ConfigPart, Record<string, unknown>][]) {
    checkConfig(part, config, `The ${partLabel(family, part)} cannot be used: its config`);
  }
  const { vae } = given.configs;
  const encoders = family.encoders(given, has);
  const components: Component[] = [
    ...encoders,
    'denoiser',
    ...(lacksVae ? [] : (['vae_encoder', 'vae_decoder'] as const)),
  ];
  const { predictionType } = settings;
  const configs = predictionType
    ? { ...given.configs, scheduler: { ...given.configs.scheduler, prediction_type: predictionType } }
    : given.configs;
  const shape: LatentForm = family.latents.shape?.(configs) ?? {
    channels: typeof configs.denoiser.out_channels === 'number' ? configs.denoiser.out_channels : 4,
    scale: vaeScaleOf(vae),
  };
  return {
    ...given,
    configs,
    components,
    tokenizers: encoders.map(tokenizerOf),
    input: family.input({ configs }),
    scalingFactor: typeof vae.scaling_factor === 'number' ? vae.scaling_factor : family.latents.scalingFactor,
    shiftFactor: typeof vae.shift_factor === 'number' ? vae.shift_factor : family.latents.shiftFactor,
    latentScale: shape.scale,
    sizeMultiple: shape.scale * (shape.patch ?? 1),
    latentChannels: shape.channels,
  };
}

/** What a component is called in messages, logs and metrics: the denoiser by its folder. */
export function componentLabel({ family }: Pick<ModelConfigs, 'family'>, component: Component): string {
  return component === 'denoiser' ? family.denoiserFolder : component;
}

export function isEncoder(component: Component): component is EncoderName {
  return (encoderNames as readonly string[]).includes(component);
}
