/** A process that draws pictures with weights held in one form. */
import type { HeldWeights } from '../runtime/messages.ts';
import { ModelCache } from '../runtime/pipelines/modelCache.ts';
import { type Drawn, draw } from './drawing.ts';
import { residentMemory } from './process.ts';

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

export interface DrawAnswer extends Drawn {
  /** Of resident memory. */
  peakBytes: number;
}

const { model, weights, threads, packedFolder, size, steps } = JSON.parse(process.argv[2]!) as DrawnBy;
const provider = { name: 'cpu', threads, weights, packedFolder } as const;
const modelCache = new ModelCache({ provider, onLoaded: () => {} });

process.send!('started');
// The parent has ended, so no one reads the result.
process.on('disconnect', () => process.exit(0));
process.on('message', async ({ prompt, seed }: DrawQuestion) => {
  const drawn = await draw(modelCache, { model, prompt, width: size, height: size, steps, seed: BigInt(seed) });
  process.send!({ ...drawn, peakBytes: residentMemory().peak } satisfies DrawAnswer);
});
