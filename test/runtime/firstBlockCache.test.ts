import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { GenerateRequest } from '../../runtime/messages.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { drawn, largestDifference, openModels } from '../helpers/trajectories.ts';

const modelCache = openModels();

afterEach(() => {
  vi.restoreAllMocks();
});

/** Draws a picture, and counts the calls of the whole transformer and of its first block. */
async function counted(request: GenerateRequest) {
  const spied = vi.spyOn(Graph.prototype, 'run');
  const pixels = await drawn(modelCache, request);
  const labels = (spied.mock.contexts as Graph[]).map(({ label }) => label.split('/').at(-1));
  spied.mockRestore();
  const count = (name: string) => labels.filter((label) => label === name).length;
  return { pixels, whole: count('transformer'), first: count('shallow_transformer') };
}

describe.each(['tiny-flux-dev', 'tiny-flux2-klein', 'tiny-z-image', 'tiny-sd3'])(
  'the first-block cache of %s',
  (name) => {
    const request: GenerateRequest = {
      model: join(modelsFolder, name),
      prompt: 'a red potion',
      seed: 3n,
      width: 64,
      height: 64,
      steps: 8,
      guidanceScale: name === 'tiny-z-image' ? 0 : 3.5,
    };
    const cached = (threshold: number, most = 3): GenerateRequest => ({
      ...request,
      firstBlockCache: { threshold, most, startStep: 0, endStep: 8 },
    });

    test('changes nothing where no change is small enough, and asks for the first block in all calls but the first', async () => {
      const plain = await counted(request);
      const never = await counted(cached(0));
      expect([plain.whole, plain.first, never.whole, never.first]).toEqual([8, 0, 8, 7]);
      expect(largestDifference(never.pixels, plain.pixels)).toBeLessThanOrEqual(1);
    });

    test('keeps the other blocks for so many calls in a row, and then computes them', async () => {
      const always = await counted(cached(100, 3));
      expect([always.whole, always.first]).toEqual([2, 6]);
      const early = await counted({
        ...cached(1, 1),
        firstBlockCache: { threshold: 100, most: 1, startStep: 6, endStep: 8 },
      });
      expect([early.whole, early.first]).toEqual([7, 1]);
    });
  },
);

test('models without it refuse it by name', async () => {
  const request = { model: join(modelsFolder, 'tiny-sd15'), prompt: '', seed: 1n, width: 64, height: 64, steps: 2 };
  const firstBlockCache = { threshold: 0.1, most: 3, startStep: 0, endStep: 2 };
  await expect(drawn(modelCache, { ...request, guidanceScale: 1, firstBlockCache })).rejects.toMatchObject({
    code: 'unsupportedParameter',
    parameter: 'firstBlockCache',
  });
});
