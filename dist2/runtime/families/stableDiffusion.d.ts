import type { Facts, Family, GuidanceRule, LoraLayerShape, ModelConfigs } from './family.ts';
/** Stable Diffusion 1.x and 2.x: one text encoder, its last state after the final norm. */
export declare const stableDiffusion: Family;
/** Models distilled with an embedding of the guidance scale take it as an input instead of as a second branch. */
export declare function guidanceRuleOfUNet({ configs: { denoiser } }: Pick<Facts, 'configs'>): GuidanceRule;
/** What a UNet's attention to the text reads is as wide as the text's states; so are the layers of the first encoder. */
export declare function architectureOfClipLora(
  layers: readonly LoraLayerShape[],
  ofWidth: (width: unknown) => string | undefined,
): string | undefined;
/** Width and height in pixels that the config says, in latents, under `sample_size`. */
export declare function sampleSizeOf(
  { configs: { denoiser }, latentScale }: ModelConfigs,
  usual: number,
): {
  width: number;
  height: number;
};
