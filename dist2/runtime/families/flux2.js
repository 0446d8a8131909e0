/** How far apart pictures are on the first axis. */
const PICTURE_DISTANCE = 10;
/**
 * Positions of FLUX.2's joint sequence, four axes each (picture, row, column, word): the text, the picture, and the pictures
 * that it refers to.
 */
export function flux2Positions(length, picture, references) {
  const positions = [];
  for (let at = 0; at < length; at++) positions.push([0, 0, 0, at]);
  for (const [index, { rows, columns }] of [picture, ...references].entries()) {
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) positions.push([index * PICTURE_DISTANCE, y, x, 0]);
    }
  }
  return positions;
}
/** Latents [channels, positions] of pictures as tokens one behind the other: [tokens, channels]. */
export function packTokens(pictures, channels) {
  const tokens = new Float32Array(pictures.reduce((sum, { length }) => sum + length, 0));
  let row = 0;
  for (const latents of pictures) {
    const count = latents.length / channels;
    for (let at = 0; at < count; at++, row++) {
      for (let channel = 0; channel < channels; channel++) {
        tokens[row * channels + channel] = latents[channel * count + at];
      }
    }
  }
  return tokens;
}
//# sourceMappingURL=flux2.js.map
