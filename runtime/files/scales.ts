import { isFloat8 } from './blocks.ts';
import type { StoredTensor, StoredTensors } from './safetensors.ts';

/** Ends of the names of scales beside `<layer>.weight`: ComfyUI's older and newer layouts, the second also Black Forest Labs'. */
const scaleNames = ['.scale_weight', '.weight_scale'];

/** Hints for multiplying 8-bit floats on a GPU. The values of the weights do not depend on them. */
const markers = /(^|\.)(scaled_fp8|comfy_quant|input_scale|scale_input)$/;

/**
 * The tensors of a file with 8-bit floats, with each scale beside the weight that it belongs to, under `scale`, and without
 * markers. Tensors of other files are returned as they are.
 */
export function withScales(tensors: StoredTensors): StoredTensors {
  if (![...tensors.values()].some(({ dtype }) => isFloat8(dtype))) return tensors;
  const scaled = new Map<string, StoredTensor>();
  const scales = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) {
    const end = scaleNames.find((ending) => name.endsWith(ending));
    const weight = end && `${name.slice(0, -end.length)}.weight`;
    if (weight !== undefined && isFloat8(tensors.get(weight)?.dtype ?? '')) scales.set(weight, tensor);
    else if (!markers.test(name)) scaled.set(name, tensor);
  }
  for (const [weight, scale] of scales) scaled.set(weight, { ...scaled.get(weight)!, scale });
  return scaled;
}
