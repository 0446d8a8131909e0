import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Component, openComponent } from '../../runtime/checkpoints/folder.ts';
import { floats, type Graph, int64s, type Tensor } from '../../runtime/onnx/graph.ts';
import {
  type ModelGoldens,
  modelFolder,
  type Recorded,
  readGoldens,
  relativeError,
  tinyModels,
} from '../helpers/goldens.ts';

/** Both sides compute in float32; what differs is the order of sums, and the six digits of the recorded values. */
const tolerance = 1e-3;

const recorded = ({ shape, data }: Recorded): Tensor => floats(Float32Array.from(data), shape);

function expectClose(actual: Tensor | undefined, expected: Recorded): void {
  expect(actual?.dims).toEqual(expected.shape);
  const error = relativeError(actual!.data as Float32Array, expected.data);
  expect(error).toBeLessThan(tolerance);
}

/** The first of the batch, as the goldens hold it: [1, n, c] → [n, c]. */
function first(tensor: Tensor | undefined): Tensor {
  const [, length, width] = tensor!.dims as [number, number, number];
  return floats((tensor!.data as Float32Array).subarray(0, length * width), [length, width]);
}

const cases = tinyModels.flatMap((model) => [
  { model, attention: 'fused' as const },
  { model, attention: 'plain' as const },
]);

describe.each(cases)('$model with $attention attention gives what PyTorch gave', ({ model, attention }) => {
  let goldens: ModelGoldens;
  const open = new Map<Component, Graph>();
  const graph = (component: Component) => open.get(component)!;

  beforeAll(async () => {
    goldens = readGoldens(model);
    const components: Component[] = ['text_encoder', 'unet', 'vae_encoder', 'vae_decoder'];
    if (goldens.textEncoder2) components.push('text_encoder_2');
    for (const component of components) {
      open.set(component, await openComponent(modelFolder(model), component, { name: 'cpu', attention }));
    }
  });

  afterAll(async () => {
    for (const each of open.values()) await each.close();
  });

  const encode = (component: Component, ids: number[][]) =>
    graph(component).run({ input_ids: int64s(ids.flat(), [ids.length, ids[0]!.length]) });

  test('for the text encoder', async () => {
    const expected = goldens.textEncoder;
    const states = await encode('text_encoder', expected.ids);
    expectClose(first(states.last_hidden_state), expected.lastHiddenStateOfFirstPrompt);
    expectClose(states.pooler_output, expected.pooled);
    const hidden = Object.keys(states).filter((name) => name.startsWith('hidden_states.')).length;
    expectClose(first(states[`hidden_states.${hidden - 2}`]), expected.penultimateOfFirstPrompt);
    expectClose(first(states[`normalized_hidden_states.${hidden - 2}`]), expected.clipSkip1OfFirstPrompt);
  });

  test('for the second text encoder, where there is one', async () => {
    const expected = goldens.textEncoder2;
    if (!expected) return expect(open.has('text_encoder_2')).toBe(false);
    const states = await encode('text_encoder_2', expected.ids);
    expectClose(first(states.last_hidden_state), expected.lastHiddenStateOfFirstPrompt);
    expectClose(states.text_embeds, expected.textEmbeds!);
    const hidden = Object.keys(states).filter((name) => name.startsWith('hidden_states.')).length;
    expectClose(first(states[`hidden_states.${hidden - 2}`]), expected.penultimateOfFirstPrompt);
  });

  test('for the moments of an image', async () => {
    const { latent_parameters: moments } = await graph('vae_encoder').run({ sample: recorded(goldens.vae.image) });
    const { shape } = goldens.vae.latentMean;
    const half = moments!.data.length / 2;
    expectClose(floats((moments!.data as Float32Array).subarray(0, half), shape), goldens.vae.latentMean);
    expectClose(floats((moments!.data as Float32Array).subarray(half), shape), goldens.vae.latentLogvar);
  });

  test('for decoded latents', async () => {
    const { shape, data } = goldens.vae.latents;
    const { sample } = await graph('vae_decoder').run({ latent_sample: recorded({ shape, data }) });
    expectClose(sample, goldens.vae.decoded);
  });

  test('for one call of the UNet, and for two samples in one call', async () => {
    const { sample, timestep, output } = goldens.unet;
    const ids = goldens.textEncoder.ids.slice(0, 1);
    const states = await encode('text_encoder', ids);
    const feeds: Record<string, Tensor> = {
      sample: recorded(sample),
      timestep: floats(Float32Array.of(timestep), [1]),
    };
    if (goldens.textEncoder2) {
      const states2 = await encode('text_encoder_2', goldens.textEncoder2.ids.slice(0, 1));
      const [a, b] = [states, states2].map((s) => {
        const count = Object.keys(s).filter((name) => name.startsWith('hidden_states.')).length;
        return s[`hidden_states.${count - 2}`]!;
      });
      const [length, wa, wb] = [a!.dims[1]!, a!.dims[2]!, b!.dims[2]!];
      const context = new Float32Array(length * (wa + wb));
      for (let i = 0; i < length; i++) {
        context.set((a!.data as Float32Array).subarray(i * wa, (i + 1) * wa), i * (wa + wb));
        context.set((b!.data as Float32Array).subarray(i * wb, (i + 1) * wb), i * (wa + wb) + wa);
      }
      feeds.encoder_hidden_states = floats(context, [1, length, wa + wb]);
      feeds.text_embeds = states2.text_embeds!;
      feeds.time_ids = floats(Float32Array.from(goldens.timeIds!), [1, 6]);
    } else {
      feeds.encoder_hidden_states = states.last_hidden_state!;
    }
    const { out_sample: once } = await graph('unet').run(feeds);
    expectClose(once, output);

    const twice = Object.entries(feeds).map(([name, { dims, data }]) => {
      const doubled = new Float32Array(data.length * 2);
      doubled.set(data as Float32Array, 0);
      doubled.set(data as Float32Array, data.length);
      return [name, floats(doubled, [2, ...dims.slice(1)])] as const;
    });
    const { out_sample: both } = await graph('unet').run(Object.fromEntries(twice));
    expect(both!.dims).toEqual([2, ...output.shape.slice(1)]);
    for (const half of [0, 1]) {
      const part = (both!.data as Float32Array).subarray(half * output.data.length, (half + 1) * output.data.length);
      expect(relativeError(part, output.data)).toBeLessThan(tolerance);
    }
  });
});
