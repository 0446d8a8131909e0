import type { StoredTensors } from '../files/safetensors.ts';
import type { Corrections, PartSource } from './family.ts';
/** The tensors under a prefix, without it. */
export declare function below(tensors: StoredTensors, prefix: string): StoredTensors;
/** Of one text encoder: its tensors under the names of transformers, and what its lineage decides. */
export interface Encoder {
  tensors: StoredTensors;
  activation: 'quick_gelu' | 'gelu';
}
/** SD 1 has CLIP, SD 2 OpenCLIP, XL one after the other, the XL refiner OpenCLIP alone (as `text_encoder_2`). */
export declare function encodersIn(
  tensors: StoredTensors,
  unet: StoredTensors,
): {
  first?: Encoder | undefined;
  second?: Encoder | undefined;
  isXL: boolean;
};
export declare function encoderIn({ tensors, activation }: Encoder, corrections: Corrections): PartSource;
/** Whether a file of a whole model holds any part of an autoencoder. */
export declare function holdsAutoencoder(tensors: StoredTensors): boolean;
/** An autoencoder under `first_stage_model.` or `vae.` or, where those are missing, in the whole file, in either layout. */
export declare function autoencoderIn(tensors: StoredTensors, corrections: Corrections): PartSource;
/** A UNet whose names lack `model.diffusion_model.`; `second` is XL's second text encoder. */
export declare function unetIn(
  original: StoredTensors,
  lineage: {
    isXL: boolean;
    refiner: boolean;
    second: Encoder | undefined;
  },
  corrections: Corrections,
): PartSource;
