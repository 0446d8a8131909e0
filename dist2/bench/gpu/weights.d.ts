import type { StoredTensors } from '../../runtime/files/safetensors.ts';
import { type Planned } from '../randomModel.ts';
/**
 * Writes weights for a plan and tells where they are. Tensors of the same spread share their bytes: onnxruntime loads each
 * of them by itself all the same, and XL's UNet of 5 GB takes a file of 0.3 GB.
 *
 * @param folder - a real path, without links; the file is called `weights.bin`
 */
export declare function writeWeights(folder: string, plan: readonly Planned[]): Promise<StoredTensors>;
