import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Component } from '../../runtime/families/family.ts';
import type { Precision } from '../../runtime/graphs/builder.ts';
import { type ChosenProvider, chooseProvider, type Provider } from '../../runtime/onnx/providers.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';
import { modelFolder, relativeError, tinyModels } from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';
import { openComponent } from '../helpers/openComponent.ts';
import { testsWebGpu, whenSkipped } from '../helpers/webgpu.ts';

/**
 * Largest difference from the CPU over the largest value. Seen with SwiftShader (Chromium 156) and Mesa 25.0.7's lavapipe:
 * 1.2e-4 in float32, 9e-3 in float16, which has 11 bits (5e-4) to begin with.
 */
const allowed: Record<Precision, number> = { float32: 5e-4, float16: 2e-2 };

/** Small ones, because a program that imitates a GPU takes seconds for a picture. */
const side = 4;
const tokens = 6;

function waves(dims: readonly number[], phase: number): Tensor {
  const count = dims.reduce((product, size) => product * size, 1);
  return floats(
    Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.9 + phase) + Math.cos(i * i)),
    dims,
  );
}

/** Inputs of a network, by what its graph declares. */
function inputsOf(declared: readonly { name: string; shape: readonly (number | string)[] }[]): Record<string, Tensor> {
  const sizes: Record<string, number> = {
    batch: 1,
    length: tokens,
    height: side,
    width: side,
    latent_height: side,
    latent_width: side,
    time_ids_count: 6,
    text_embeds_width: 24,
  };
  return Object.fromEntries(
    declared.map(({ name, shape }, index) => {
      if (name === 'input_ids') return [name, int64s([998, 320, 125, 539, 320, 999], [1, tokens])];
      if (name === 'timestep') return [name, floats(Float32Array.of(601), [1])];
      const dims = shape.map((size) => (typeof size === 'number' ? size : sizes[size]!));
      return [name, name === 'time_ids' ? floats(Float32Array.of(64, 64, 0, 0, 64, 64), dims) : waves(dims, index)];
    }),
  );
}

// Needs a WebGPU adapter; `whenSkipped` says how to get one. CI installs a software adapter.
describe.runIf(testsWebGpu)(`WebGPU${whenSkipped}`, () => {
  const chosen: Partial<Record<Precision, ChosenProvider>> = {};
  let half: string;

  beforeAll(async () => {
    chosen.float32 = await chooseProvider('webgpu', { precision: 'float32' });
    const auto = await chooseProvider('webgpu', { precision: 'auto' });
    half = auto.precisionReason;
    if (auto.precision === 'float16') chosen.float16 = auto;
  });

  // A run in float32 alone should be told from one in both.
  afterAll(() => console.log(half));

  const components: Component[] = ['text_encoder', 'denoiser', 'vae_decoder'];
  const cases = tinyModels.flatMap((model) => components.map((component) => ({ model, component })));

  async function outputsOf(model: (typeof tinyModels)[number], component: Component, provider: Provider) {
    const graph = await openComponent(modelFolder(model), component, provider);
    try {
      const inputs = inputsOf(graph.inputs);
      return (await graph.run(inputs, [graph.outputs[0]!.name]))[graph.outputs[0]!.name]!.data as Float32Array;
    } finally {
      await graph.close();
    }
  }

  test.each(cases)('computes the $component of $model as the CPU does, in each precision it has', async (each) => {
    const expected = await outputsOf(each.model, each.component, cpu);
    for (const [precision, provider] of Object.entries(chosen)) {
      const error = relativeError(await outputsOf(each.model, each.component, provider), expected);
      expect(error, precision).toBeLessThan(allowed[precision as Precision]);
    }
  });
});
