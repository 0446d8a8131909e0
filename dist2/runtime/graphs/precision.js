/** What is computed in float32 within a network whose weights and activations are float16, and why. */
export const float32Parts = {
  border: {
    when: 'always',
    reason:
      'Inputs and outputs of a graph: schedulers step in float32, and a cast on the device is cheaper than one in JavaScript.',
  },
  sinusoids: {
    when: 'always',
    reason: 'Timesteps up to 999 and sizes of pictures, times frequencies: float16 has no fraction left beyond 1024.',
  },
  rmsNorm: {
    when: 'always',
    reason:
      'Squares of activations above 255 overflow, and language models and Z-Image have such activations; the norms of queries and keys go on to rotary embedding in float32.',
  },
  rotary: {
    when: 'always',
    reason: 'Rotated queries and keys would be rounded twice: after their norm and after the rotation.',
  },
  residual: {
    when: 'always',
    reason:
      'What the blocks of a transformer add up to: a few channels grow beyond 65504 in FLUX, Z-Image and language models, and small additions to them vanish.',
  },
  modulation: {
    when: 'always',
    reason:
      'Scales, shifts and gates act on float32 norms and on the float32 sum of the blocks; the final layer is one of them.',
  },
  resize: { when: 'always', reason: 'ONNX defines the scales of Resize in float32.' },
  groupNorm: {
    when: 'untrusted',
    reason: 'A group has up to a million values; a kernel that adds their squares in float16 overflows at 65504.',
  },
  layerNorm: {
    when: 'untrusted',
    reason: 'As for groups, where the kernel ignores that ONNX asks for float32 in its first stage (stash_type).',
  },
  softmax: {
    when: 'untrusted',
    reason: 'The sum of 4096 exponentials has 11 bits in float16; kernels differ in what they add up in.',
  },
  upcastAttention: {
    when: 'config',
    reason:
      'Products of queries and keys overflow in the networks whose config says upcast_attention (Stable Diffusion 2.1).',
  },
  autoencoder: {
    when: 'config',
    reason:
      "Activations of XL's autoencoder exceed 65504. Newer configs say force_upcast of all: only false, or the scaling factor of Stable Diffusion 1 and 2, tells one that fits (FLUX.2's has no such factor).",
  },
};
export const delicateOperators = Object.entries(float32Parts).flatMap(([part, { when }]) =>
  when === 'untrusted' ? [part] : [],
);
//# sourceMappingURL=precision.js.map
