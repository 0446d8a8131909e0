import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, type Value, type Written } from './builder.ts';
export interface FluxForm extends AdaptedForm {
  /** Adds the input `reference`: the tokens of a reference picture (Kontext). Default false. */
  reference?: boolean | undefined;
}
/** Of a token's side, in positions of the latents. */
export declare const FLUX_PATCH = 2;
/**
 * The transformer of FLUX.1 (diffusers' FluxTransformer2DModel). All sizes are read off the shapes: how many channels it
 * takes tells Fill and Control, a guidance embedding tells dev from schnell.
 *
 * Inputs: `sample` [batch, channels, height, width], even sizes, channels behind those of the latents where it takes more;
 * `timestep` float32 [batch], sigma; `encoder_hidden_states` [batch, length, text width]; `pooled_projections`
 * [batch, pooled width]; `rotary_cos` and `rotary_sin` float32 [batch · positions, head / 2], for text, picture and reference
 * in this order; where the weights embed one, `guidance` float32 [batch], the guidance scale; where the form asks for it
 * `reference` [batch, tokens, 4 · channels].
 * Output: `out_sample` [batch, latent channels, height, width].
 */
export declare function writeFluxTransformer(tensors: StoredTensors, form?: FluxForm): Written;
/** Two linear layers with a GELU between them. */
export declare function feedForward(graph: GraphBuilder, x: Value, path: string): Value;
