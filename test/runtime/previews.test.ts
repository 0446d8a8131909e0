import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PREVIEW_DECODERS } from '../../protocol/previews.ts';
import { stableDiffusion } from '../../runtime/families/stableDiffusion.ts';
import { ModelCache } from '../../runtime/pipelines/modelCache.ts';
import { findPreviewDecoder, previewDecoders } from '../../runtime/previews/index.ts';
import { toPixels } from '../../runtime/previews/pixels.ts';
import { modelsFolder, readGoldens } from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';
import { answer } from '../helpers/parts.ts';

const modelCache = new ModelCache({ provider: cpu, onLoaded: () => {} });
const tiny = () => modelCache.tinyDecoder(join(modelsFolder, 'tiny-taesd')).graph();
const source = { latentRgb: stableDiffusion.latents.rgb, tiny };

/** Pixels of a preview for each latent position, each way. */
const scales = { linear: 1, tiny: 8 } satisfies Record<keyof typeof previewDecoders, number>;

test.each(Object.entries(previewDecoders))('%s gives one picture of the right size', async (name, decoder) => {
  const scale = scales[name as keyof typeof scales];
  const pixels = await answer(decoder(new Float32Array(4 * 6 * 5), 6, 5, source));
  expect([pixels.width, pixels.height]).toEqual([6 * scale, 5 * scale]);
  expect(pixels.data).toHaveLength(6 * 5 * 3 * scale ** 2);
});

test('tiny shows what the tiny autoencoder of diffusers decodes', async () => {
  const { latents, decoded } = readGoldens('tiny-taesd');
  const [, , height, width] = latents.shape as [number, number, number, number];
  const { data } = await answer(previewDecoders.tiny(Float32Array.from(latents.data), width, height, source));
  const expected = toPixels(Float32Array.from(decoded.data), width * 8, height * 8).data;
  expect(data.every((value, at) => Math.abs(value - expected[at]!) <= 1)).toBe(true);
});

test('tiny needs a decoder with the request', async () => {
  const without = { latentRgb: stableDiffusion.latents.rgb };
  await expect(answer(previewDecoders.tiny(new Float32Array(4), 1, 1, without))).rejects.toMatchObject({
    code: 'unsupportedParameter',
    parameter: 'previews.decoder',
  });
});

test('linear maps each channel by its factors, adds the bias, and stays within a byte', async () => {
  const latentRgb = {
    factors: [
      [1, 0, 0],
      [0, 0.5, 0],
    ],
    bias: [0, 0, -1],
  };
  // Two channels of 3×1 pixels.
  const denoised = Float32Array.of(-9, 0, 9, -1, 0, 1);
  const { data } = await answer(previewDecoders.linear(denoised, 3, 1, { latentRgb }));
  expect([...data]).toEqual([0, 64, 0, 128, 128, 0, 255, 191, 0]);
});

test('an unknown decoder is an error that lists what there is', () => {
  expect(findPreviewDecoder()).toBe(previewDecoders.linear);
  expect(() => findPreviewDecoder('toString')).toThrow('Known: linear');
  expect(() => findPreviewDecoder('toString')).toThrow(expect.objectContaining({ parameter: 'previews.decoder' }));
});

test('the protocol names the decoders that there are', () => {
  expect([...PREVIEW_DECODERS].sort()).toEqual(Object.keys(previewDecoders).sort());
});
