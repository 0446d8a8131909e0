import type { LatentRgb } from '../previews/linear.ts';
/** Of the 16 channels of FLUX.1's autoencoder, which Z-Image has too. */
export declare const fluxLatentRgb: LatentRgb;
/** Of the 32 channels of FLUX.2's autoencoder, as its decoder takes them. */
export declare const flux2LatentRgb: LatentRgb;
