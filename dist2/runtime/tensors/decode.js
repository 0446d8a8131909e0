import { fromFloat16 } from './float16.js';
/** Stored values as float32; undefined for types that are not read here. The bytes must begin where an element does. */
export function toFloats(dtype, bytes) {
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes);
    case 'F64':
      return Float32Array.from(new Float64Array(bytes));
    // Some trainers keep alpha as a whole number.
    case 'I32':
      return Float32Array.from(new Int32Array(bytes));
    case 'I64':
      return Float32Array.from(new BigInt64Array(bytes), Number);
    case 'F16':
      return fromFloat16(new Uint16Array(bytes));
    case 'BF16':
      // The upper half of a float32.
      return new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer);
    default:
      return undefined;
  }
}
//# sourceMappingURL=decode.js.map
