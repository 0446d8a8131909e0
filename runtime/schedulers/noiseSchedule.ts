import type { SchedulerConfig } from './scheduler.ts';

/** Length of the training schedule. */
export const trainingSteps = (config: SchedulerConfig): number => config.num_train_timesteps ?? 1000;

/** What follows from a training schedule alone. Its arrays are shared by runs, so nobody may write to them. */
interface Training {
  alphasCumprodOf: Float32Array;
  /** √((1 − ᾱ) / ᾱ): noise over signal at every training timestep, rising. */
  sigmas: Float32Array;
}

/** Schedules of the configs used last: a thousand numbers take half a millisecond to make, before each run. */
const kept = new Map<string, Training>();
const MOST_KEPT = 16;

function trainingOf(config: SchedulerConfig): Training {
  const { num_train_timesteps, trained_betas, beta_start, beta_end, beta_schedule, rescale_betas_zero_snr } = config;
  const key = JSON.stringify([
    num_train_timesteps,
    trained_betas,
    beta_start,
    beta_end,
    beta_schedule,
    rescale_betas_zero_snr,
  ]);
  let training = kept.get(key);
  if (!training) {
    const alphasCumprodOf = makeAlphaBars(config);
    const sigmas = positive(alphasCumprodOf).map((alphaCumprod) => Math.sqrt((1 - alphaCumprod) / alphaCumprod));
    training = { alphasCumprodOf, sigmas };
    if (kept.size === MOST_KEPT) kept.delete(kept.keys().next().value!);
    kept.set(key, training);
  }
  return training;
}

/** ᾱ at every training timestep, from almost 1 down to almost 0; exactly 0 at the end after a zero-SNR rescale. */
export function alphasCumprodOf(config: SchedulerConfig): Float32Array {
  return trainingOf(config).alphasCumprodOf;
}

function makeAlphaBars(config: SchedulerConfig): Float32Array {
  const alphasCumprod = new Float32Array(trainingSteps(config));
  let product = 1;
  betas(config).forEach((beta, t) => {
    // ᾱₜ = ∏ (1 − βₛ) over s ≤ t
    product *= Math.fround(1 - beta);
    alphasCumprod[t] = product;
  });
  return config.rescale_betas_zero_snr ? rescaleToZeroSnr(alphasCumprod) : alphasCumprod;
}

function betas(config: SchedulerConfig): Float32Array {
  if (config.trained_betas) return Float32Array.from(config.trained_betas);
  const { beta_start: first = 0.0001, beta_end: last = 0.02, beta_schedule: schedule = 'linear' } = config;
  const count = trainingSteps(config);
  switch (schedule) {
    case 'linear':
      return Float32Array.from(linspace(first, last, count));
    case 'scaled_linear':
      // Even in √β (Rombach et al. 2022). Squared in float32, as the models were trained.
      return Float32Array.from(linspace(Math.sqrt(first), Math.sqrt(last), count)).map((root) => root * root);
    case 'squaredcos_cap_v2': {
      // β = 1 − f(t + 1) / f(t), f(t) = cos²((t/T + 0.008) / 1.008 · π/2) (Nichol and Dhariwal 2021, arXiv 2102.09672)
      const f = (t: number) => Math.cos((((t / count + 0.008) / 1.008) * Math.PI) / 2) ** 2;
      return Float32Array.from({ length: count }, (_, t) => Math.min(1 - f(t + 1) / f(t), 0.999));
    }
    default:
      throw new Error(
        `The scheduler config asks for beta_schedule "${schedule}"; known are linear, scaled_linear, squaredcos_cap_v2.`,
      );
  }
}

/** Shifts and scales √ᾱ so that it ends at 0 and keeps its first value (Lin et al. 2023, arXiv 2305.08891, alg. 1). */
function rescaleToZeroSnr(alphasCumprod: Float32Array): Float32Array {
  const roots = alphasCumprod.map(Math.sqrt);
  const first = roots[0]!;
  const last = roots.at(-1)!;
  return roots.map((root) => ((root - last) * (first / (first - last))) ** 2);
}

/** `alphasCumprodOf` for methods that divide by ᾱ: it ends a little above 0, at the smallest number of float16. */
export function positiveAlphasCumprodOf(config: SchedulerConfig): Float32Array {
  return positive(alphasCumprodOf(config));
}

function positive(alphasCumprod: Float32Array): Float32Array {
  return alphasCumprod.map((alphaCumprod) => Math.max(alphaCumprod, 2 ** -24));
}

export type TimestepSpacing = 'linspace' | 'leading' | 'trailing';

export interface Spacing {
  /** Used where the config has no `timestep_spacing`. */
  spacing: TimestepSpacing;
  /** `steps` counts intervals rather than points: one timestep more is laid out, and the lowest is left out. */
  intervals?: boolean;
  /** Length of the part of the training schedule that is used; default all of it. */
  length?: number;
}

/** `steps` timesteps, falling, spaced as in Lin et al. 2023 (arXiv 2305.08891), table 2; `linspace` is not rounded. */
export function spaceTimesteps(config: SchedulerConfig, steps: number, options: Spacing): number[] {
  const length = options.length ?? trainingSteps(config);
  const points = options.intervals ? steps + 1 : steps;
  const spacing = config.timestep_spacing ?? options.spacing;
  switch (spacing) {
    case 'linspace':
      return linspace(length - 1, 0, points).slice(0, steps);
    case 'leading': {
      const stride = Math.floor(length / points);
      return Array.from({ length: steps }, (_, i) => (points - 1 - i) * stride + (config.steps_offset ?? 0));
    }
    case 'trailing':
      return Array.from({ length: steps }, (_, i) => roundHalfEven(length - (i * trainingSteps(config)) / steps) - 1);
    default:
      throw new Error(
        `The scheduler config asks for timestep_spacing "${spacing}"; known are linspace, leading, trailing.`,
      );
  }
}

/**
 * The timesteps of a distilled model: `steps` of the `original_inference_steps` (default 50) it was distilled on
 * (Luo et al. 2023, arXiv 2310.04378, section 4.3).
 */
export function distilledTimesteps(config: SchedulerConfig, steps: number): number[] {
  const original = config.original_inference_steps ?? 50;
  if (steps > original) {
    throw new Error(`This scheduler can take at most ${original} steps, the number of steps of its distillation.`);
  }
  const stride = Math.floor(trainingSteps(config) / original);
  return Array.from({ length: steps }, (_, i) => (original - Math.floor((i * original) / steps)) * stride - 1);
}

/** The timesteps of a run and their sigmas, both falling; the sigma that the run ends at stands behind the others. */
export interface SigmaSchedule {
  timesteps: number[];
  sigmas: number[];
  /** The sigmas of the training schedule, rising. */
  training: Float32Array;
}

/** The schedule of the k-diffusion family: timesteps are not rounded, and the run ends at 0. */
export function kDiffusionSchedule(config: SchedulerConfig, steps: number): SigmaSchedule {
  const training = trainingOf(config).sigmas;
  const timesteps = spaceTimesteps(config, steps, { spacing: 'linspace' });
  const sigmas = timesteps.map((timestep) => interpolate(training, timestep));
  const respace = sigmaSpacing(config);
  if (!respace) return { timesteps, sigmas: [...sigmas, 0], training };
  const respaced = respace(sigmas[0]!, sigmas.at(-1)!, steps);
  return {
    timesteps: respaced.map((sigma) => timestepOfSigma(training, sigma)),
    sigmas: [...respaced, 0],
    training,
  };
}

/**
 * The schedule of the DPM-Solver family: whole timesteps, a spacing of sigmas that spans all of the training schedule,
 * and an end at 0 or, where `final_sigmas_type` is `sigma_min`, at the smallest training sigma.
 */
export function dpmSolverSchedule(config: SchedulerConfig, steps: number): SigmaSchedule {
  const training = trainingOf(config).sigmas;
  // λ = ln(α / σ)
  const lowest = Number(config.lambda_min_clipped ?? Number.NEGATIVE_INFINITY);
  const length = training.filter((sigma) => -Math.log(sigma) >= lowest).length;
  const last = config.final_sigmas_type === 'sigma_min' ? training[0]! : 0;
  const respace = sigmaSpacing(config);
  if (respace) {
    const sigmas = respace(training.at(-1)!, training[0]!, steps);
    const timesteps = sigmas.map((sigma) => roundHalfEven(timestepOfSigma(training, sigma)));
    return { timesteps, sigmas: [...sigmas, last], training };
  }
  const timesteps = spaceTimesteps(config, steps, { spacing: 'linspace', intervals: true, length }).map(roundHalfEven);
  return { timesteps, sigmas: [...timesteps.map((timestep) => interpolate(training, timestep)), last], training };
}

/** Standard deviation of the first latents. With `leading` the run starts below full noise, on top of a signal. */
export function initialSigma(config: SchedulerConfig, sigmas: readonly number[]): number {
  const largest = Math.max(...sigmas);
  return config.timestep_spacing === 'leading' ? Math.hypot(largest, 1) : largest;
}

/** How a config spaces the sigmas between the largest and the smallest; undefined for even timesteps. */
export function sigmaSpacing(config: SchedulerConfig): typeof karrasSigmas | undefined {
  if (config.use_karras_sigmas) return karrasSigmas;
  if (config.use_exponential_sigmas) return exponentialSigmas;
  if (config.use_beta_sigmas) return betaSigmas;
  return undefined;
}

/** Even in σ^(1/7) (Karras et al. 2022, arXiv 2206.00364, eq. 5). */
function karrasSigmas(largest: number, smallest: number, count: number): number[] {
  const rho = 7;
  return linspace(largest ** (1 / rho), smallest ** (1 / rho), count).map((root) => root ** rho);
}

/** Even in log σ. */
function exponentialSigmas(largest: number, smallest: number, count: number): number[] {
  return linspace(Math.log(largest), Math.log(smallest), count).map(Math.exp);
}

/** Quantiles of a beta distribution: dense at both ends (Lee et al. 2024, arXiv 2407.12173). */
function betaSigmas(largest: number, smallest: number, count: number): number[] {
  return linspace(1, 0, count).map((p) => smallest + betaQuantile(p) * (largest - smallest));
}

/** Inverse of the cumulative distribution of Beta(0.6, 0.6), which is symmetric about ½. */
function betaQuantile(p: number): number {
  if (p > 0.5) return 1 - betaQuantile(1 - p);
  const a = 0.6;
  // ∫₀ˣ t^(a−1) (1 − t)^(a−1) dt = xᵃ Σₖ (1 − a)ₖ / k! · xᵏ / (a + k), which converges fast for x ≤ ½
  const integral = (x: number) => {
    let sum = 0;
    let term = 1;
    for (let k = 0; k < 60; k++) {
      sum += term / (a + k);
      term *= ((1 - a + k) / (k + 1)) * x;
    }
    return x ** a * sum;
  };
  const target = p * 2 * integral(0.5);
  let low = 0;
  let high = 0.5;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (integral(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The timestep, not rounded, whose training sigma is `sigma`; linear in log σ, held at both ends. */
export function timestepOfSigma(training: Float32Array, sigma: number): number {
  let low = 0;
  while (low < training.length - 2 && training[low + 1]! <= sigma) low++;
  const logLow = Math.log(training[low]!);
  const weight = (Math.log(Math.max(sigma, 1e-10)) - logLow) / (Math.log(training[low + 1]!) - logLow);
  return low + Math.min(Math.max(weight, 0), 1);
}

/** `count` values from `first` to `last`; a single one is `first`. */
export function linspace(first: number, last: number, count: number): number[] {
  const stride = count > 1 ? (last - first) / (count - 1) : 0;
  const values = Array.from({ length: count }, (_, i) => first + i * stride);
  // Rounding may miss the end; a timestep below 0 has no sigma.
  if (count > 1) values[count - 1] = last;
  return values;
}

function interpolate(values: Float32Array, position: number): number {
  const low = Math.min(Math.floor(position), values.length - 1);
  const high = Math.min(low + 1, values.length - 1);
  return values[low]! + (position - low) * (values[high]! - values[low]!);
}

/** Rounds like NumPy, on which the published timesteps depend: 499.5 is 500 and 500.5 is 500. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
