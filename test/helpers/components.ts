import type { Component } from '../../runtime/families/family.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';
import { type ModelGoldens, type Recorded, relativeError } from './goldens.ts';
import { cpu } from './graphs.ts';
import { openComponent } from './openComponent.ts';

/**
 * How far each component's outputs are from the recorded ones: the largest difference over the largest magnitude, with
 * the keys `text_encoder`, `text_encoder_2` (of XL), `unet`, `vae_encoder`, `vae_decoder`.
 */
export async function componentErrors(path: string, goldens: ModelGoldens): Promise<Record<string, number>> {
  const errors: Record<string, number> = {};
  const run = async (component: Component, feeds: Record<string, Tensor>) => {
    const graph = await openComponent(path, component, cpu);
    try {
      return await graph.run(feeds);
    } finally {
      await graph.close();
    }
  };
  const measure = (name: string, actual: Tensor | undefined, expected: Recorded) => {
    // The text states are recorded for the first prompt alone.
    const values = (actual?.data as Float32Array | undefined)?.subarray(0, expected.data.length) ?? [];
    errors[name] = Math.max(errors[name] ?? 0, relativeError(values, expected.data));
  };
  const encode = async (component: 'text_encoder' | 'text_encoder_2') => {
    const expected = component === 'text_encoder' ? goldens.textEncoder : goldens.textEncoder2!;
    const { ids } = expected;
    const states = await run(component, { input_ids: int64s(ids.flat(), [ids.length, ids[0]!.length]) });
    const count = Object.keys(states).filter((name) => name.startsWith('hidden_states.')).length;
    measure(component, states.last_hidden_state, expected.lastHiddenStateOfFirstPrompt);
    measure(component, states[`hidden_states.${count - 2}`], expected.penultimateOfFirstPrompt);
    if (expected.textEmbeds) measure(component, states.text_embeds, expected.textEmbeds);
    else measure(component, states.pooler_output, expected.pooled);
    const first = (tensor: Tensor) => {
      const [, length, width] = tensor.dims as [number, number, number];
      return floats((tensor.data as Float32Array).slice(0, length * width), [1, length, width]);
    };
    const pooled = states.text_embeds;
    return {
      last: first(states.last_hidden_state!),
      penultimate: first(states[`hidden_states.${count - 2}`]!),
      pooled: pooled && floats((pooled.data as Float32Array).slice(0, pooled.dims[1]), [1, pooled.dims[1]!]),
    };
  };

  const first = await encode('text_encoder');
  const feeds: Record<string, Tensor> = {
    sample: recorded(goldens.unet.sample),
    timestep: floats(Float32Array.of(goldens.unet.timestep), [1]),
    encoder_hidden_states: first.last,
  };
  if (goldens.textEncoder2) {
    const second = await encode('text_encoder_2');
    feeds.encoder_hidden_states = sideBySide(first.penultimate, second.penultimate);
    feeds.text_embeds = second.pooled!;
    feeds.time_ids = floats(Float32Array.from(goldens.timeIds!), [1, goldens.timeIds!.length]);
  }
  measure('unet', (await run('denoiser', feeds)).out_sample, goldens.unet.output);

  const { latent_parameters: moments } = await run('vae_encoder', { sample: recorded(goldens.vae.image) });
  const { latentMean, latentLogvar } = goldens.vae;
  measure('vae_encoder', moments, {
    shape: [...latentMean.shape],
    data: [...latentMean.data, ...latentLogvar.data],
  });
  const { sample } = await run('vae_decoder', { latent_sample: recorded(goldens.vae.latents) });
  measure('vae_decoder', sample, goldens.vae.decoded);
  return errors;
}

const recorded = ({ shape, data }: Recorded): Tensor => floats(Float32Array.from(data), shape);

/** [1, length, a] and [1, length, b] → [1, length, a + b] */
function sideBySide(a: Tensor, b: Tensor): Tensor {
  const [length, wa, wb] = [a.dims[1]!, a.dims[2]!, b.dims[2]!];
  const data = new Float32Array(length * (wa + wb));
  for (let row = 0; row < length; row++) {
    data.set((a.data as Float32Array).subarray(row * wa, (row + 1) * wa), row * (wa + wb));
    data.set((b.data as Float32Array).subarray(row * wb, (row + 1) * wb), row * (wa + wb) + wa);
  }
  return floats(data, [1, length, wa + wb]);
}
