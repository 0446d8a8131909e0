/**
 * Noise equal to `torch.Generator('cpu').manual_seed(seed)`, so that a seed gives the picture it gives elsewhere.
 * PyTorch seeds the engine with the low 32 bits of `seed`; the rest has no effect.
 */
export function createNoise(seed) {
  const random = mersenneTwister(Number(seed & 0xffffffffn));
  // The second normal of a scalar draw. It waits through any number of block draws, as in at::normal_distribution.
  let spare;
  /** Uniform on [0, 1) with the 24 bits that a float32 holds exactly. */
  const uniform24 = () => (random() & 0xff_ffff) / 2 ** 24;
  /** Uniform on [0, 1) with 53 bits; the first of the two words is the high one. */
  const uniform53 = () => {
    const high = random() & 0x1f_ffff;
    return (high * 2 ** 32 + random()) / 2 ** 53;
  };
  const scalar = () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const angle = 2 * Math.PI * uniform53();
    const radius = Math.sqrt(-2 * Math.log1p(-uniform53()));
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  return {
    normal(count) {
      const values = new Float32Array(count);
      if (count < blockSize) return values.map(scalar);
      for (let i = 0; i < count; i++) values[i] = uniform24();
      for (let i = 0; i + blockSize <= count; i += blockSize) boxMuller(values, i);
      if (count % blockSize !== 0) {
        // PyTorch fills an incomplete last block by drawing the last 16 values anew, over some that were finished.
        for (let i = count - blockSize; i < count; i++) values[i] = uniform24();
        boxMuller(values, count - blockSize);
      }
      return values;
    },
  };
}
/** From this many values on PyTorch draws in blocks, below it value by value, in another order and precision. */
const blockSize = 16;
/** 16 uniforms to 16 normals in place: value j pairs with value j + 8 (PyTorch's `normal_fill`). */
function boxMuller(values, start) {
  const half = blockSize / 2;
  for (let j = start; j < start + half; j++) {
    // r = √(−2 ln(1 − u₁)), θ = 2πu₂ (Box and Muller, 1958); 1 − u₁ because u₁ may be 0
    const radius = Math.sqrt(-2 * Math.log(1 - values[j]));
    const angle = 2 * Math.PI * values[j + half];
    values[j] = radius * Math.cos(angle);
    values[j + half] = radius * Math.sin(angle);
  }
}
/** MT19937 (Matsumoto and Nishimura, 1998): unsigned 32-bit integers from a 32-bit seed. */
function mersenneTwister(seed) {
  const size = 624;
  const middle = 397;
  const state = new Uint32Array(size);
  state[0] = seed;
  for (let i = 1; i < size; i++) {
    const previous = state[i - 1];
    state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
  }
  let position = size;
  const regenerate = () => {
    for (let i = 0; i < size; i++) {
      const y = (state[i] & 0x8000_0000) | (state[(i + 1) % size] & 0x7fff_ffff);
      state[i] = state[(i + middle) % size] ^ (y >>> 1) ^ (y & 1 ? 0x9908_b0df : 0);
    }
    position = 0;
  };
  return () => {
    if (position === size) regenerate();
    let y = state[position++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}
//# sourceMappingURL=noise.js.map
