import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { autoencoderTensors } from '../../runtime/families/ldmLayout.ts';
import { isSD3Transformer, sd3LoraAliases, sd3TransformerTensors } from '../../runtime/families/sd3Keys.ts';
import { readStoredTensors, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { type AutoencoderKLConfig, writeVaeDecoder, writeVaeEncoder } from '../../runtime/graphs/autoencoderKL.ts';
import type { AdaptedForm } from '../../runtime/graphs/builder.ts';
import { type SD3TransformerConfig, writeSD3Transformer } from '../../runtime/graphs/sd3Transformer.ts';
import { type T5Config, writeT5Encoder } from '../../runtime/graphs/t5Encoder.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';
import { type Recorded, relativeError } from '../helpers/goldens.ts';
import { expectClose, openWritten, type Part, readPart, recorded, tolerance } from '../helpers/graphs.ts';
import { readSD3Goldens } from '../helpers/sd3Goldens.ts';
import { folderOf, writeTransformerFile } from '../helpers/transformerGoldens.ts';

const goldens = readSD3Goldens();

const forms: [name: string, form: AdaptedForm, within: number][] = [
  ['fused attention', { linear: 'fused' }, tolerance],
  ['plain attention', { attention: 'plain' }, tolerance],
  ['float16', { precision: 'float16', border: 'float32' }, 5e-3],
];

/** Rows of the text states that CLIP's encoders give. */
const CLIP_ROWS = 77;

let transformer: Part<SD3TransformerConfig>;
let folder: string;

beforeAll(async () => {
  transformer = await readPart(folderOf('tiny-sd3', 'transformer'));
  folder = await mkdtemp(join(tmpdir(), 'sd3-'));
});
afterAll(() => rm(folder, { recursive: true }));

function feedsOf(states: Recorded): Record<string, Tensor> {
  const { hiddenStates, timestep } = goldens.transformer;
  return {
    sample: recorded(hiddenStates),
    timestep: floats(Float32Array.of(timestep), [1]),
    encoder_hidden_states: recorded(states),
    pooled_projections: recorded(goldens.conditioning.pooled),
  };
}

/** What the denoiser is told without T5. */
function withoutT5({ shape, data }: Recorded): Recorded {
  return { shape, data: data.map((value, at) => (at < CLIP_ROWS * shape[2]! ? value : 0)) };
}

async function expectCall(tensors: StoredTensors, form: AdaptedForm, within: number) {
  const { output, outputWithoutT5 } = goldens.transformer;
  const { promptEmbeds } = goldens.conditioning;
  const graph = await openWritten(writeSD3Transformer(transformer.config, tensors, form));
  expectClose((await graph.run(feedsOf(promptEmbeds))).out_sample, output, within);
  expectClose((await graph.run(feedsOf(withoutT5(promptEmbeds)))).out_sample, outputWithoutT5, within);
  await graph.close();
}

describe.each(forms)('Stable Diffusion 3.5 with %s gives what PyTorch gave', (_name, form, within) => {
  test('for one call of the transformer with and without T5', () => expectCall(transformer.tensors, form, within));

  test('for the text states of T5', async () => {
    const { config, tensors } = await readPart<T5Config>(folderOf('tiny-sd3', 'text_encoder_3'), 'model');
    const graph = await openWritten(writeT5Encoder(config, tensors, form));
    const { ids } = goldens.tokens.t5[0]!;
    const { last_hidden_state: states } = await graph.run({ input_ids: int64s(ids, [1, ids.length]) });
    const { shape, data } = goldens.conditioning.promptEmbeds;
    const width = shape[2]!;
    expectClose(states, { shape: [1, ids.length, width], data: data.slice(CLIP_ROWS * width) }, within);
    await graph.close();
  });
});

test('the autoencoder of Stable Diffusion 3.5 gives what PyTorch gave, both ways', async () => {
  const { config, tensors } = await readPart<AutoencoderKLConfig>(folderOf('tiny-sd3', 'vae'));
  const { image, latentMean, latentLogvar, latents, decodedTopLeft } = goldens.vae;
  const encoding = await openWritten(writeVaeEncoder(config, tensors));
  const { latent_parameters: moments } = await encoding.run({ sample: recorded(image) });
  expectClose(moments, { shape: [1, 32, 4, 6], data: [...latentMean.data, ...latentLogvar.data] });
  const decoding = await openWritten(writeVaeDecoder(config, tensors));
  const { scaling_factor: factor, shift_factor: shift } = config as { scaling_factor: number; shift_factor: number };
  const unscaled = latents.data.map((value) => value / factor + shift);
  const { sample } = await decoding.run({ latent_sample: recorded({ ...latents, data: unscaled }) });
  const [height, width] = decodedTopLeft.shape.slice(2) as [number, number];
  const corner = [...(sample!.data as Float32Array)].filter((_, at) => {
    const [x, y] = [at % 48, Math.floor(at / 48) % 32];
    return x < width && y < height;
  });
  expect(relativeError(corner, decodedTopLeft.data)).toBeLessThan(tolerance);
  await encoding.close();
  await decoding.close();
});

test.each(['all', 'without-text'])('a transformer in the original layout is the same: %s', async (kind) => {
  const file = join(folder, `${kind}.safetensors`);
  await writeTransformerFile(`tiny-sd3/${kind}`, file);
  const stored = await readStoredTensors(file);
  expect(isSD3Transformer(stored)).toBe(true);
  const renamed = sd3TransformerTensors(stored);
  for (const [name, { shape }] of transformer.tensors) expect(renamed.get(name)?.shape, name).toEqual(shape);
  await expectCall(renamed, {}, tolerance);
  expect(sd3TransformerTensors(transformer.tensors)).toEqual(transformer.tensors);
  expect(isSD3Transformer(transformer.tensors)).toBe(true);
  const vae = new Map([...stored].map(([name, tensor]) => [name.replace(/^first_stage_model\./, ''), tensor]));
  const { tensors } = await readPart(folderOf('tiny-sd3', 'vae'));
  const names = new Set(autoencoderTensors(vae).keys());
  expect([...tensors.keys()].filter((name) => !names.has(name))).toEqual([]);
});

test('a LoRA in the original layout names each module of the transformer once', () => {
  const aliases = (path: string) => sd3LoraAliases(path, 32, 2);
  expect(aliases('transformer_blocks.1.attn2.to_k')).toEqual([
    { name: 'joint_blocks.1.x_block.attn2.qkv', rows: [32, 64] },
  ]);
  expect(aliases('transformer_blocks.0.attn.add_v_proj')).toEqual([
    { name: 'joint_blocks.0.context_block.attn.qkv', rows: [64, 96] },
  ]);
  expect(aliases('transformer_blocks.0.ff.net.2')).toEqual([{ name: 'joint_blocks.0.x_block.mlp.fc2' }]);
  expect(aliases('transformer_blocks.1.norm1_context.linear')).toEqual([
    { name: 'joint_blocks.1.context_block.adaLN_modulation.1' },
  ]);
  expect(aliases('transformer_blocks.2.norm1_context.linear')).toEqual([]);
});
