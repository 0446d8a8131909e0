/** What is computed in float32 within a network whose weights and activations are float16, and why. */
export declare const float32Parts: {
  readonly border: {
    readonly when: 'always';
    readonly reason: 'Inputs and outputs of a graph: schedulers step in float32, and a cast on the device is cheaper than one in JavaScript.';
  };
  readonly sinusoids: {
    readonly when: 'always';
    readonly reason: 'Timesteps up to 999 and sizes of pictures, times frequencies: float16 has no fraction left beyond 1024.';
  };
  readonly rmsNorm: {
    readonly when: 'always';
    readonly reason: 'Squares of activations above 255 overflow, and language models and Z-Image have such activations; the norms of queries and keys go on to rotary embedding in float32.';
  };
  readonly rotary: {
    readonly when: 'always';
    readonly reason: 'Rotated queries and keys would be rounded twice: after their norm and after the rotation.';
  };
  readonly residual: {
    readonly when: 'always';
    readonly reason: 'What the blocks of a transformer add up to: a few channels grow beyond 65504 in FLUX, Z-Image and language models, and small additions to them vanish.';
  };
  readonly modulation: {
    readonly when: 'always';
    readonly reason: 'Scales, shifts and gates act on float32 norms and on the float32 sum of the blocks; the final layer is one of them.';
  };
  readonly resize: {
    readonly when: 'always';
    readonly reason: 'ONNX defines the scales of Resize in float32.';
  };
  readonly groupNorm: {
    readonly when: 'untrusted';
    readonly reason: 'A group has up to a million values; a kernel that adds their squares in float16 overflows at 65504.';
  };
  readonly layerNorm: {
    readonly when: 'untrusted';
    readonly reason: 'As for groups, where the kernel ignores that ONNX asks for float32 in its first stage (stash_type).';
  };
  readonly softmax: {
    readonly when: 'untrusted';
    readonly reason: 'The sum of 4096 exponentials has 11 bits in float16; kernels differ in what they add up in.';
  };
  readonly upcastAttention: {
    readonly when: 'config';
    readonly reason: 'Products of queries and keys overflow in the networks whose config says upcast_attention (Stable Diffusion 2.1).';
  };
  readonly autoencoder: {
    readonly when: 'config';
    readonly reason: "Activations of XL's autoencoder exceed 65504. Newer configs say force_upcast of all: only false, or the scaling factor of Stable Diffusion 1 and 2, tells one that fits (FLUX.2's has no such factor).";
  };
};
/** Operators that a provider may be too imprecise for in float16; a probe finds out (runtime/onnx/probes.ts). */
export type DelicateOperator = {
  [Part in keyof typeof float32Parts]: (typeof float32Parts)[Part]['when'] extends 'untrusted' ? Part : never;
}[keyof typeof float32Parts];
export declare const delicateOperators: DelicateOperator[];
