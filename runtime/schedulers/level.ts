import type { Scheduler, SchedulerConfig } from './scheduler.ts';

/** How much signal and noise latents hold: x = αx₀ + σε. */
export interface NoiseLevel {
  readonly alpha: number;
  readonly sigma: number;
}

/** The level of ᾱ, the cumulative product of 1 − β; its variance is 1 (Ho et al. 2020, arXiv 2006.11239, eq. 4). */
export const levelOfAlphaCumprod = (alphaCumprod: number): NoiseLevel => ({
  alpha: Math.sqrt(alphaCumprod),
  sigma: Math.sqrt(1 - alphaCumprod),
});

/** The level with variance 1 whose noise-to-signal ratio is `ratio`. */
export const levelOfRatio = (ratio: number): NoiseLevel => ({
  alpha: 1 / Math.sqrt(ratio ** 2 + 1),
  sigma: ratio / Math.sqrt(ratio ** 2 + 1),
});

/** The level where noise is added to an unscaled signal (Karras et al. 2022, arXiv 2206.00364). */
export const levelOfSigma = (sigma: number): NoiseLevel => ({ alpha: 1, sigma });

/** c₁v₁ + c₂v₂ + …, element by element; rounded to float32 once, at the end. */
export function combine(...terms: readonly (readonly [number, Float32Array])[]): Float32Array {
  const sums = new Float64Array(terms[0]![1].length);
  for (const [coefficient, values] of terms) {
    for (let i = 0; i < sums.length; i++) sums[i]! += coefficient * values[i]!;
  }
  return new Float32Array(sums);
}

/** Clean latents with noise added up to the level of a call. */
export function noiseAdder(levels: readonly NoiseLevel[]): Scheduler['addNoise'] {
  return (latents, noise, call) => {
    const { alpha, sigma } = levels[call]!;
    return combine([alpha, latents], [sigma, noise]);
  };
}

/** Latents divided by their standard deviation at a call, √(α² + σ²), which is how models were shown them. */
export function inputScaler(levels: readonly NoiseLevel[]): Scheduler['scaleModelInput'] {
  return (latents, call) => {
    const { alpha, sigma } = levels[call]!;
    return combine([1 / Math.hypot(alpha, sigma), latents]);
  };
}

/** For schedulers whose latents have variance 1 already. */
export const inputUnscaled: Scheduler['scaleModelInput'] = (latents) => latents;

export type FromPrediction = (prediction: Float32Array, latents: Float32Array, level: NoiseLevel) => Float32Array;

/** Reads x₀ from what a model returned for latents of a level; clips it where the config asks for that. */
export function readDenoised(config: SchedulerConfig, clip = config.clip_sample ?? false): FromPrediction {
  const read = denoisedFrom[predictionType(config)];
  if (!clip) return read;
  const range = config.clip_sample_range ?? 1;
  return (prediction, latents, level) =>
    read(prediction, latents, level).map((value) => Math.min(Math.max(value, -range), range));
}

/** Reads ε from what a model returned for latents of a level. */
export function readNoise(config: SchedulerConfig): FromPrediction {
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
} satisfies Record<string, FromPrediction>;

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
} satisfies Record<keyof typeof denoisedFrom, FromPrediction>;

function predictionType(config: SchedulerConfig): keyof typeof denoisedFrom {
  const type = config.prediction_type ?? 'epsilon';
  if (Object.hasOwn(denoisedFrom, type)) return type as keyof typeof denoisedFrom;
  throw new Error(
    `The scheduler config asks for prediction_type "${type}"; known are ${Object.keys(denoisedFrom).join(', ')}.`,
  );
}
