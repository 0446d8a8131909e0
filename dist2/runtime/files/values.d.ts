import type { StoredTensor } from './safetensors.ts';
/** The values of one small tensor. @throws {ModelError} for types that hold no numbers with a fraction */
export declare function readValues(tensor: StoredTensor): Promise<Float32Array>;
