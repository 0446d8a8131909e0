/**
 * IEEE 754 half precision to float32 and back. Node 20 has no Float16Array.
 * Both ways go through tables of exponents (van der Zijp, "Fast Half Float Conversions"), as loops over latents and
 * embeddings run at every step of a half-precision graph.
 */
/** Half-precision bits to float32; exact. */
export declare function fromFloat16(bits: Uint16Array): Float32Array;
/** float32 to half-precision bits, rounded to the nearest, ties to even; beyond 65504 becomes infinity. */
export declare function toFloat16(values: Float32Array): Uint16Array;
/** One half-precision number from its bits. */
export declare function halfFromBits(bits: number): number;
