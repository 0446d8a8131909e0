import { encoderNames, tokenizerOf } from '../families/family.js';
import { checkConfig } from '../families/ranges.js';
import { partLabel } from './settings.js';
/** What follows from a model's configs. @throws {ModelError} for a number out of its range */
export function completeConfigs({ has, ...given }) {
  const { family, settings, lacksVae } = given;
  for (const [part, config] of Object.entries(given.configs)) {
    checkConfig(part, config, `The ${partLabel(family, part)} cannot be used: its config`);
  }
  const { vae } = given.configs;
  const encoders = family.encoders(given, has);
  const components = [...encoders, 'denoiser', ...(lacksVae ? [] : ['vae_encoder', 'vae_decoder'])];
  const { predictionType } = settings;
  const configs = predictionType
    ? { ...given.configs, scheduler: { ...given.configs.scheduler, prediction_type: predictionType } }
    : given.configs;
  const shape = family.latents.shape?.(configs) ?? {
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
    latentChannels: shape.channels,
  };
}
/** Pixels on each side of one position of an autoencoder's latents; 8 for all published models. */
export function vaeScaleOf(vae) {
  const blocks = vae.block_out_channels;
  return Array.isArray(blocks) && blocks.length > 0 ? 2 ** (blocks.length - 1) : 8;
}
/** What a component is called in messages, logs and metrics: the denoiser by its folder. */
export function componentLabel({ family }, component) {
  return component === 'denoiser' ? family.denoiserFolder : component;
}
export function isEncoder(component) {
  return encoderNames.includes(component);
}
//# sourceMappingURL=configs.js.map
