/**
 * IEEE 754 half precision to float32 and back. Node 20 has no Float16Array.
 * Both ways go through tables of exponents (van der Zijp, "Fast Half Float Conversions"), as loops over latents and
 * embeddings run at every step of a half-precision graph.
 */
const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);
/** The float32 of each of the 65,536 half-precision values; made when first needed (256 KB). */
let decoded;
function decodeTable() {
  const table = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * 2 ** -24 * fraction;
    else if (exponent === 31) table[bits] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else table[bits] = sign * 2 ** (exponent - 25) * (1024 + fraction);
  }
  return table;
}
/** Half-precision bits to float32; exact. */
export function fromFloat16(bits) {
  decoded ??= decodeTable();
  const table = decoded;
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = table[bits[i]];
  return values;
}
/** float32 to half-precision bits, rounded to the nearest, ties to even; beyond 65504 becomes infinity. */
export function toFloat16(values) {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    scratch[0] = values[i];
    bits[i] = encode(scratchBits[0]);
  }
  return bits;
}
function encode(bits) {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  // 0x477ff000 is the first float32 that rounds beyond the largest half-precision number.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Smaller than the smallest normal number: a multiple of 2^-24, or zero.
    if (magnitude < 0x33000000) return sign;
    const shift = 126 - (magnitude >>> 23);
    const fraction = (magnitude & 0x7fffff) | 0x800000;
    const kept = fraction >>> shift;
    const rest = fraction & ((1 << shift) - 1);
    const half = 1 << (shift - 1);
    return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}
/** One half-precision number from its bits. */
export function halfFromBits(bits) {
  decoded ??= decodeTable();
  return decoded[bits];
}
//# sourceMappingURL=float16.js.map
