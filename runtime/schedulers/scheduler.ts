/**
 * A numerical method that takes latents from noise to a picture, made for one run. Calls of the model are numbered from
 * 0 and are made in order; image-to-image starts at `firstCall`. No method changes the arrays it is given, but `step` may
 * keep them for later calls, so nobody else may write to them during the run. Latents are flat; their shape does not matter.
 */
export interface Scheduler {
  /** What the denoiser is told, one per call. A method with `callsPerStep` 2 makes one call less than twice the steps. */
  readonly timesteps: readonly number[];
  /** 2 where a step asks the model twice (Heun, KDPM2), else 1. */
  readonly callsPerStep: number;
  /** What to multiply the first N(0, 1) latents by. */
  readonly initNoiseSigma: number;
  /** The latents as the model wants to see them; the same array where nothing is to be done. */
  scaleModelInput(latents: Float32Array, call: number): Float32Array;
  /** Moves on by one call. `noise` draws from the run's stream; methods without randomness never use it. */
  step(prediction: Float32Array, call: number, latents: Float32Array, noise: (count: number) => Float32Array): Step;
  /** x₀ with noise of N(0, 1) added, as much as is left in front of that call. */
  addNoise(latents: Float32Array, noise: Float32Array, call: number): Float32Array;
}

export interface Step {
  /** What the next call works on. */
  latents: Float32Array;
  /** The predicted x₀ of this call. */
  denoised: Float32Array;
}

/**
 * `scheduler_config.json` as diffusers writes it. Absent values take the default of the scheduler that reads them, not
 * that of the class the file was written for, which is also what `from_config` does in diffusers.
 */
export interface SchedulerConfig {
  readonly _class_name?: string;
  /** Length of the training schedule; default 1000. */
  readonly num_train_timesteps?: number;
  /** Default 0.0001. */
  readonly beta_start?: number;
  /** Default 0.02. */
  readonly beta_end?: number;
  /** `linear` (default), `scaled_linear` or `squaredcos_cap_v2`. */
  readonly beta_schedule?: string;
  readonly trained_betas?: readonly number[] | null;
  /** Shifts the betas so that the last training timestep holds no signal; default false. */
  readonly rescale_betas_zero_snr?: boolean;
  /** What the model returns: `epsilon` (default), `sample`, `v_prediction` or `flow_prediction`. */
  readonly prediction_type?: string;
  /** `linspace`, `leading` or `trailing`; the default is the scheduler's. */
  readonly timestep_spacing?: string;
  /** Added to `leading` timesteps; default 0. */
  readonly steps_offset?: number;
  readonly use_karras_sigmas?: boolean | null;
  readonly use_exponential_sigmas?: boolean | null;
  readonly use_beta_sigmas?: boolean | null;
  /** Clips denoised latents to ±`clip_sample_range` (default 1); meant for models of pixels. */
  readonly clip_sample?: boolean;
  readonly clip_sample_range?: number;
  /** DDIM, PNDM: whether the last step ends at no noise at all (true) or at the first training timestep. */
  readonly set_alpha_to_one?: boolean;
  /** DDPM: `fixed_small` (default) or `fixed_large`. */
  readonly variance_type?: string | null;
  /** DPM-Solver: `dpmsolver++` (default), `sde-dpmsolver++` or `dpmsolver`. */
  readonly algorithm_type?: string;
  /** DPM-Solver, DEIS, UniPC: 1, 2 (default) or 3. */
  readonly solver_order?: number;
  /** DPM-Solver: `midpoint` (default) or `heun`. UniPC: `bh2` (default) or `bh1`. */
  readonly solver_type?: string;
  /** DPM-Solver, DEIS, UniPC: lower the order towards the end, which steadies short runs; default true. */
  readonly lower_order_final?: boolean;
  readonly euler_at_final?: boolean;
  /** DPM-Solver, UniPC: `zero` (default) or `sigma_min`. */
  readonly final_sigmas_type?: string;
  /** DPM-Solver: leaves out timesteps whose λ lies below; default −∞ (nothing). */
  readonly lambda_min_clipped?: number | string;
  /** LCM, TCD: length of the schedule the model was distilled on; default 50. */
  readonly original_inference_steps?: number;
  /** LCM: scale of the boundary condition; default 10. */
  readonly timestep_scaling?: number;
  /** Flow matching: moves steps towards the noise; default 1 (evenly spaced). */
  readonly shift?: number;
  /** The same, as the multistep solvers call it. */
  readonly flow_shift?: number;
  /** Flow matching: the shift depends on the size of the picture (`FlowSchedule.mu`); default false. */
  readonly use_dynamic_shifting?: boolean | null;
  /** How `mu` becomes a shift: `exponential` (default) or `linear`. */
  readonly time_shift_type?: string;
  /** Flow matching: stretches the sigmas so that the last one before 0 is this; default: left as they are. */
  readonly shift_terminal?: number | null;
  /** Flow matching: jump to the picture and add noise, as consistency models do; default false. */
  readonly stochastic_sampling?: boolean;
  readonly use_flow_sigmas?: boolean | null;
  readonly [other: string]: unknown;
}
