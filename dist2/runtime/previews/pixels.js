/** [3, height, width] in [-1, 1] → bytes; halves round to even as numpy's `round` does. */
export function toPixels(image, width, height) {
  const area = width * height;
  // Its elements clamp what is written to them, and round halves to even.
  const data = new Uint8ClampedArray(area * 3);
  for (let color = 0; color < 3; color++) {
    const start = color * area;
    for (let at = 0; at < area; at++) data[at * 3 + color] = (image[start + at] / 2 + 0.5) * 255;
  }
  return { width, height, data: new Uint8Array(data.buffer) };
}
//# sourceMappingURL=pixels.js.map
