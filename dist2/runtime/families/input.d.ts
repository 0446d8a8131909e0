import type { DenoiserInput, Facts } from './family.ts';
/** What a UNet is given, told by its channels: latents, with a mask and the masked picture's, or with a picture's. */
export declare function denoiserInputOf({ configs: { denoiser, vae } }: Pick<Facts, 'configs'>): DenoiserInput;
