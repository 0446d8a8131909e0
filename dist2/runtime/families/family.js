export const encoderNames = ['text_encoder', 'text_encoder_2', 'text_encoder_3'];
/** What has a config of its own. */
export const configParts = [...encoderNames, 'denoiser', 'vae', 'scheduler'];
/** The tokenizer of a text encoder. */
export function tokenizerOf(encoder) {
  return encoder.replace('text_encoder', 'tokenizer');
}
export const predictionTypes = ['epsilon', 'v_prediction', 'sample'];
//# sourceMappingURL=family.js.map
