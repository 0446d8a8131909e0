/** A process that draws pictures with weights held in one form. */
import { readFileSync } from 'node:fs';
import { Batcher } from '../runtime/batcher.ts';
import type { HeldWeights, Pixels } from '../runtime/messages.ts';
import { generate } from '../runtime/pipelines/generate.ts';
import { ModelCache } from '../runtime/pipelines/modelCache.ts';

export interface DrawnBy {
  model: string;
  weights: HeldWeights;
  threads: number;
  packedFolder: string;
  size: number;
  steps: number;
}

export interface DrawQuestion {
  prompt: string;
  seed: number;
}

export interface DrawAnswer {
  pixels: Pixels;
  /** Processor time. */
  denoisingMs: number;
  /** Of resident memory. */
  peakBytes: number;
}

const { model, weights, threads, packedFolder, size, steps } = JSON.parse(process.argv[2]!) as DrawnBy;
const provider = { name: 'cpu', threads, weights, packedFolder } as const;
const modelCache = new ModelCache({ provider, onLoaded: () => {} });

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

process.send!('started');
// The parent has ended, so no one reads the result.
process.on('disconnect', () => process.exit(0));
process.on('message', async ({ prompt, seed }: DrawQuestion) => {
  let [begun, denoisingMs] = [0, 0];
  let pixels: Pixels | undefined;
  const request = {
    model,
    prompt,
    negativePrompt: '',
    width: size,
    height: size,
    steps,
    guidanceScale: 4,
    seed: BigInt(seed),
  };
  await modelCache.use(() =>
    new Batcher().drive({
      run: generate(modelCache, request),
      signal: new AbortController().signal,
      emit: async (event) => {
        if (event.type === 'staged' && event.stage === 'denoising') begun = cpuMs();
        if (event.type === 'staged' && event.stage === 'decoding') denoisingMs = cpuMs() - begun;
        if (event.type === 'finished') pixels = event.pixels;
      },
    }),
  );
  process.send!({ pixels: pixels!, denoisingMs, peakBytes: peak() } satisfies DrawAnswer);
});

function peak(): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? 0) * 1024;
  } catch {
    return process.memoryUsage.rss();
  }
}
