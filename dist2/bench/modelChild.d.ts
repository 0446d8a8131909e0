export interface ModelQuestion {
  component: 'denoiser' | 'vae_decoder' | 'text_encoder';
  /** Latents on each side. */
  latents: number;
  threads?: number | undefined;
  /**
   * `runtime`: as the runtime opens it; `optimized`: the same with all of onnxruntime's optimizations and copies;
   * `memory`: its bytes handed over, with transposed copies of matrices; `export`: an ONNX file of another exporter.
   */
  way: 'runtime' | 'optimized' | 'memory' | 'export';
  /** The model's folder, or the exported file. */
  path: string;
}
/** Bytes, from /proc; zeros elsewhere than on Linux. */
export interface Memory {
  peak: number;
  anonymous: number;
  mapped: number;
}
export interface OpenAnswer {
  openMs: number;
  memory: Memory;
}
export interface StepAnswer {
  ms: number;
  /** Of all threads, busy waiting included: less disturbed than `ms` when the machine has other work. */
  cpuMs: number;
  memory: Memory;
  /** Of the last call. */
  output: Float32Array;
}
