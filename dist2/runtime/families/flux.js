/** Positions of FLUX.1's joint sequence: the text, the picture, and the picture that it refers to. */
export function fluxPositions(length, pictures) {
  const positions = Array.from({ length }, () => [0, 0, 0]);
  for (const [index, { rows, columns }] of pictures.entries()) {
    for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) positions.push([index, y, x]);
  }
  return positions;
}
/** Latents [channels, height, width] as tokens of 2 × 2 patches: [rows · columns, (channel, dy, dx)]. */
export function packPatches(latents, channels, { rows, columns }) {
  const tokens = new Float32Array(latents.length);
  const width = 2 * columns;
  let at = 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const corner = (channel * 2 * rows + 2 * y) * width + 2 * x;
        tokens[at++] = latents[corner];
        tokens[at++] = latents[corner + 1];
        tokens[at++] = latents[corner + width];
        tokens[at++] = latents[corner + width + 1];
      }
    }
  }
  return tokens;
}
//# sourceMappingURL=flux.js.map
