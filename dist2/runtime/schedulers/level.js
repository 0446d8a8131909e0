/** The level of ᾱ, the cumulative product of 1 − β; its variance is 1 (Ho et al. 2020, arXiv 2006.11239, eq. 4). */
export const levelOfAlphaBar = (alphaBar) => ({
  alpha: Math.sqrt(alphaBar),
  sigma: Math.sqrt(1 - alphaBar),
});
/** The level with variance 1 whose noise-to-signal ratio is `ratio`. */
export const levelOfRatio = (ratio) => ({
  alpha: 1 / Math.sqrt(ratio ** 2 + 1),
  sigma: ratio / Math.sqrt(ratio ** 2 + 1),
});
/** The level where noise is added to an unscaled signal (Karras et al. 2022, arXiv 2206.00364). */
export const levelOfSigma = (sigma) => ({ alpha: 1, sigma });
/** c₁v₁ + c₂v₂ + …, element by element; rounded to float32 once, at the end. */
export function combine(...terms) {
  const sums = new Float64Array(terms[0][1].length);
  for (const [coefficient, values] of terms) {
    for (let i = 0; i < sums.length; i++) sums[i] += coefficient * values[i];
  }
  return new Float32Array(sums);
}
/** Clean latents with noise added up to the level of a call. */
export function noiseAdder(levels) {
  return (latents, noise, call) => {
    const { alpha, sigma } = levels[call];
    return combine([alpha, latents], [sigma, noise]);
  };
}
/** Latents divided by their standard deviation at a call, √(α² + σ²), which is how models were shown them. */
export function inputScaler(levels) {
  return (latents, call) => {
    const { alpha, sigma } = levels[call];
    return combine([1 / Math.hypot(alpha, sigma), latents]);
  };
}
/** For schedulers whose latents have variance 1 already. */
export const inputUnscaled = (latents) => latents;
/** Reads x₀ from what a model returned for latents of a level; clips it where the config asks for that. */
export function readDenoised(config, clip = config.clip_sample ?? false) {
  const read = denoisedFrom[predictionType(config)];
  if (!clip) return read;
  const range = config.clip_sample_range ?? 1;
  return (prediction, latents, level) =>
    read(prediction, latents, level).map((value) => Math.min(Math.max(value, -range), range));
}
/** Reads ε from what a model returned for latents of a level. */
export function readNoise(config) {
  return noiseFrom[predictionType(config)];
}
const denoisedFrom = {
  // x₀ = (x − σε) / α
  epsilon: (prediction, latents, { alpha, sigma }) => combine([1 / alpha, latents], [-sigma / alpha, prediction]),
  sample: (prediction) => prediction,
  // v = ε − x₀, so x₀ = (x − σv) / (α + σ), where α + σ is 1 for latents of flow
  flow_prediction: (prediction, latents, { alpha, sigma }) =>
    combine([1 / (alpha + sigma), latents], [-sigma / (alpha + sigma), prediction]),
  // x₀ = αx − σv, where α and σ are those of latents with variance 1 (Salimans and Ho 2022, arXiv 2202.00512, app. D)
  v_prediction: (prediction, latents, { alpha, sigma }) => {
    const deviation = Math.hypot(alpha, sigma);
    return combine([alpha / deviation ** 2, latents], [-sigma / deviation, prediction]);
  },
};
const noiseFrom = {
  epsilon: (prediction) => prediction,
  // ε = (x − αx₀) / σ
  sample: (prediction, latents, { alpha, sigma }) => combine([1 / sigma, latents], [-alpha / sigma, prediction]),
  // ε = x₀ + v
  flow_prediction: (prediction, latents, { alpha, sigma }) =>
    combine([1 / (alpha + sigma), latents], [alpha / (alpha + sigma), prediction]),
  // ε = αv + σx, again at variance 1
  v_prediction: (prediction, latents, { alpha, sigma }) => {
    const deviation = Math.hypot(alpha, sigma);
    return combine([alpha / deviation, prediction], [sigma / deviation ** 2, latents]);
  },
};
function predictionType(config) {
  const type = config.prediction_type ?? 'epsilon';
  if (Object.hasOwn(denoisedFrom, type)) return type;
  throw new Error(
    `The scheduler config asks for prediction_type "${type}"; known are ${Object.keys(denoisedFrom).join(', ')}.`,
  );
}
//# sourceMappingURL=level.js.map
