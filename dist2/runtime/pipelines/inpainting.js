/** What a step made, with the outside of the mask put back to the picture, as noisy as the next call expects it. */
export function keepOutside({ original, noise, mask }, scheduler, call, latents, denoised) {
  const isLast = call === scheduler.timesteps.length - 1;
  const kept = isLast ? original : scheduler.addNoise(original, noise, call + 1);
  return { next: mix(latents, kept, mask), denoised: mix(denoised, original, mask) };
}
function mix(inside, outside, mask) {
  return inside.map((value, at) => {
    const share = mask[at % mask.length];
    return share * value + (1 - share) * outside[at];
  });
}
/** The mask at the size of latents: the mean over the pixels of each position, from bytes to [0, 1]. */
export function latentMask(mask, width, shape) {
  const scale = width / shape.width;
  const result = new Float32Array(shape.width * shape.height);
  for (let y = 0; y < shape.height * scale; y++) {
    const row = Math.floor(y / scale) * shape.width;
    for (let x = 0; x < width; x++) result[row + Math.floor(x / scale)] += mask[y * width + x];
  }
  return result.map((sum) => sum / (255 * scale * scale));
}
/** The mask as inpainting models were shown it: one pixel of each position, changed or kept and nothing between. */
export function hardLatentMask(mask, width, shape) {
  const scale = width / shape.width;
  return Float32Array.from({ length: shape.width * shape.height }, (_, at) => {
    const [x, y] = [at % shape.width, Math.floor(at / shape.width)];
    return mask[y * scale * width + x * scale] >= 128 ? 1 : 0;
  });
}
//# sourceMappingURL=inpainting.js.map
