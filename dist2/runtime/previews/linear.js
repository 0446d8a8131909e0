/**
 * A preview of one pixel for each latent pixel, about 0.1 ms for 64×64 (measured); the client enlarges it.
 *
 * @param denoised [channels, height, width], scaled latents.
 */
export function linearPreview(denoised, width, height, rgb) {
  const area = width * height;
  const channels = Math.min(rgb.factors.length, Math.floor(denoised.length / area));
  const data = new Uint8Array(area * 3);
  const sums = new Float32Array(area);
  for (let color = 0; color < 3; color++) {
    sums.fill(rgb.bias?.[color] ?? 0);
    for (let channel = 0; channel < channels; channel++) {
      const factor = rgb.factors[channel]?.[color] ?? 0;
      const start = channel * area;
      for (let at = 0; at < area; at++) sums[at] += factor * denoised[start + at];
    }
    // [-1, 1] → [0, 255]
    for (let at = 0, byte = color; at < area; at++, byte += 3) {
      const value = (sums[at] + 1) * 127.5 + 0.5;
      data[byte] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
  return { width, height, data };
}
//# sourceMappingURL=linear.js.map
