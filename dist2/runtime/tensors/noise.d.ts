/** One stream of Gaussian noise; every draw continues where the last one ended. */
export interface Noise {
  /** The next `count` values of N(0, 1), in the order of `torch.randn` on PyTorch's CPU generator. */
  normal(count: number): Float32Array;
}
/**
 * Noise equal to `torch.Generator('cpu').manual_seed(seed)`, so that a seed gives the picture it gives elsewhere.
 * PyTorch seeds the engine with the low 32 bits of `seed`; the rest has no effect.
 */
export declare function createNoise(seed: bigint): Noise;
