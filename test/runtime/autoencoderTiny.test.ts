import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type AutoencoderTinyConfig,
  writeTinyDecoder,
  writeTinyEncoder,
} from '../../runtime/graphs/autoencoderTiny.ts';
import { GraphError } from '../../runtime/graphs/builder.ts';
import { floats } from '../../runtime/tensors/tensor.ts';
import { modelsFolder, readGoldens } from '../helpers/goldens.ts';
import { expectClose, openWritten, type Part, readPart, recorded } from '../helpers/graphs.ts';

const goldens = readGoldens('tiny-taesd');

describe('a tiny autoencoder', () => {
  let part: Part<AutoencoderTinyConfig>;

  beforeAll(async () => {
    part = await readPart<AutoencoderTinyConfig>(join(modelsFolder, 'tiny-taesd'));
  });

  test('decodes latents as PyTorch did', async () => {
    const graph = await openWritten(writeTinyDecoder(part.config, part.tensors));
    const { sample } = await graph.run({ latent_sample: recorded(goldens.latents) });
    expectClose(sample, goldens.decoded, 1e-5);
    await graph.close();
  });

  test('encodes an image as PyTorch did', async () => {
    const graph = await openWritten(writeTinyEncoder(part.config, part.tensors));
    const { latent_sample: latents } = await graph.run({ sample: recorded(goldens.image) });
    expectClose(latents, goldens.encoded, 1e-5);
    await graph.close();
  });

  test('decodes several latents of any size in one call', async () => {
    const graph = await openWritten(writeTinyDecoder(part.config, part.tensors));
    const one = floats(new Float32Array(4 * 3 * 5).fill(0.3), [1, 4, 3, 5]);
    const two = floats(new Float32Array(2 * 4 * 3 * 5).fill(0.3), [2, 4, 3, 5]);
    const { sample: single } = await graph.run({ latent_sample: one });
    const { sample: both } = await graph.run({ latent_sample: two });
    expect(single?.dims).toEqual([1, 3, 24, 40]);
    expect(both?.dims).toEqual([2, 3, 24, 40]);
    expectClose(both, { shape: [2, 3, 24, 40], data: [...single!.data, ...single!.data].map(Number) }, 1e-6);
    await graph.close();
  });

  test('with settings that change the network is refused in a sentence', () => {
    const config = { ...part.config, act_fn: 'silu' };
    expect(() => writeTinyDecoder(config, part.tensors)).toThrow(GraphError);
    const reason = `The tiny autoencoder's config says act_fn: "silu"; supported: "relu".`;
    expect(() => writeTinyEncoder(config, part.tensors)).toThrow(reason);
  });
});
