export interface BareQuestion {
  prompt: string;
  seed: number;
  steps: number;
}
export interface BareAnswer {
  totalMs: number;
  stepMs: number;
  memoryBytes: number;
}
