import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** How much signal and noise latents hold: x = αx₀ + σε. */
export interface Level {
  readonly alpha: number;
  readonly sigma: number;
}
/** The level of ᾱ, the cumulative product of 1 − β; its variance is 1 (Ho et al. 2020, arXiv 2006.11239, eq. 4). */
export declare const levelOfAlphaBar: (alphaBar: number) => Level;
/** The level with variance 1 whose noise-to-signal ratio is `ratio`. */
export declare const levelOfRatio: (ratio: number) => Level;
/** The level where noise is added to an unscaled signal (Karras et al. 2022, arXiv 2206.00364). */
export declare const levelOfSigma: (sigma: number) => Level;
/** c₁v₁ + c₂v₂ + …, element by element; rounded to float32 once, at the end. */
export declare function combine(...terms: readonly (readonly [number, Float32Array])[]): Float32Array;
/** Clean latents with noise added up to the level of a call. */
export declare function noiseAdder(levels: readonly Level[]): Scheduler['addNoise'];
/** Latents divided by their standard deviation at a call, √(α² + σ²), which is how models were shown them. */
export declare function inputScaler(levels: readonly Level[]): Scheduler['scaleModelInput'];
/** For schedulers whose latents have variance 1 already. */
export declare const inputUnscaled: Scheduler['scaleModelInput'];
export type FromPrediction = (prediction: Float32Array, latents: Float32Array, level: Level) => Float32Array;
/** Reads x₀ from what a model returned for latents of a level; clips it where the config asks for that. */
export declare function readDenoised(config: SchedulerConfig, clip?: boolean): FromPrediction;
/** Reads ε from what a model returned for latents of a level. */
export declare function readNoise(config: SchedulerConfig): FromPrediction;
