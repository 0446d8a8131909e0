import type { StoredTensors } from '../files/safetensors.ts';
import type { GenerateRequest } from '../messages.ts';
/** Channels at the largest size that each network works at, by which its memory grows with the picture; 0: it has none. */
export interface Widths {
  /** At the size of the latents. */
  unet: number;
  /** At the size of the picture. */
  decoder: number;
  encoder: number;
  tiny: number;
}
export declare const noWidths: Widths;
/** Reads the widths off the names and shapes of tensors. */
export declare function widthsOf(tensors: StoredTensors): Widths;
/** Of a graph that was exported: what the config beside it says, else the published widths. */
export declare function widthsOfExported(file: string): Promise<Widths>;
/**
 * Bytes for each pixel of the picture that a run takes while it computes, beside its weights. Each graph keeps what it took
 * for its next call, so they add up.
 *
 * @param widths - of each folder and file that the request needs, the models first
 */
export declare function workingBytes(request: GenerateRequest, widths: readonly Widths[]): number;
