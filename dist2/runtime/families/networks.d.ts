import type { Config, EncoderKind, NetworkKind } from './family.ts';
/** Words of CLIP's published vocabulary, which comes with the program. */
export declare const CLIP_WORDS = 49408;
/** CLIP's text encoder, with or without projection. */
export declare const clipText: EncoderKind;
/** CLIP's text encoder whose projected text the denoiser is told. */
export declare const clipTextProjected: EncoderKind;
/** The UNet of Stable Diffusion 1, 2 and XL. */
export declare const unet: NetworkKind;
/** A ControlNet of such a UNet. */
export declare const unetControlNet: NetworkKind;
export declare const vaeEncoder: NetworkKind;
export declare const vaeDecoder: NetworkKind;
/** Numbers of a config by which memory is reserved, or inputs are made, must be those of the weights. */
export declare function checkSize(config: Config, field: string, size: number | undefined): void;
