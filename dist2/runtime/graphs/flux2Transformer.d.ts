import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, type Written } from './builder.ts';
/** `transformer/config.json` as diffusers writes it; what is absent has the values of the published models. */
export interface Flux2Config {
  patch_size?: number;
  eps?: number;
  rope_theta?: number;
  axes_dims_rope?: number[];
}
export interface Flux2Form extends AdaptedForm {
  /** Adds the input `reference`: the tokens of reference pictures. Default false. */
  reference?: boolean;
}
/**
 * The transformer of FLUX.2 (diffusers' Flux2Transformer2DModel).
 *
 * Inputs: `sample` [batch, 128, height, width], latents already in patches; `timestep` float32 [batch], sigma;
 * `encoder_hidden_states` [batch, length, text width]; `rotary_cos` and `rotary_sin` float32 [batch · positions, head / 2],
 * for text, picture and references in this order; where the weights embed one, `guidance` float32 [batch], the guidance
 * scale; where the form asks for it `reference` [batch, tokens, 128].
 * Output: `out_sample` like `sample`.
 */
export declare function writeFlux2Transformer(config: Flux2Config, tensors: StoredTensors, form?: Flux2Form): Written;
