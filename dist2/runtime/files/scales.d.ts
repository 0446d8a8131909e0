import type { StoredTensors } from './safetensors.ts';
/**
 * The tensors of a file with 8-bit floats, with each scale beside the weight that it belongs to, under `scale`, and without
 * markers. Tensors of other files are returned as they are.
 */
export declare function withScales(tensors: StoredTensors): StoredTensors;
