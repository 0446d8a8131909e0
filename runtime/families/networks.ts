import { basename, join } from 'node:path';
import { foreignKind } from '../files/foreign.ts';
import { inPart, isFile, ModelError, mostTokenizerBytes, readJson, readText } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { readTokenizerFiles } from '../files/tokenizerFiles.ts';
import { type AutoencoderKLConfig, writeVaeDecoder, writeVaeEncoder } from '../graphs/autoencoderKL.ts';
import { checkShapes } from '../graphs/checkShapes.ts';
import { type ClipTextConfig, writeClipText } from '../graphs/clipText.ts';
import { type ControlNetConfig, writeControlNet } from '../graphs/controlNet.ts';
import {
  shallowTensors,
  type UNet2DConditionConfig,
  writeShallowUNet,
  writeUNet2DCondition,
} from '../graphs/unet2DCondition.ts';
import { openTokenizer } from '../text/tokenizer.ts';
import type { Config, EncoderKind, NetworkKind } from './family.ts';

/** Words of CLIP's published vocabulary, which comes with the program. */
export const CLIP_WORDS = 49408;

/** CLIP's text encoder, with or without projection. */
export const clipText: EncoderKind = {
  classes: ['CLIPTextModel', 'CLIPTextModelWithProjection'],
  input: 'input_ids',
  publishedWords: CLIP_WORDS,
  write: (config, tensors, form) => writeClipText(config as ClipTextConfig, tensors, form),
  check(config, tensors) {
    checkShapes(tensors);
    const positions = embeddingOf(tensors, 'position_embedding')?.[0] ?? 0;
    const given = config.max_position_embeddings ?? 77;
    if (Number(given) > positions) {
      throw new ModelError(`its config says max_position_embeddings: ${given}, but the weights have ${positions}.`);
    }
  },
  wordsOf: (tensors) => embeddingOf(tensors, 'token_embedding')?.[0],
  openTokenizer({ folder, padToken }, config) {
    const positions = config.max_position_embeddings;
    return openTokenizer(folder, typeof positions === 'number' ? positions : 77, padToken);
  },
  async checkTokenizer(folder, name) {
    const described = await isFile(join(folder, 'tokenizer.json'));
    for (const needed of described ? [] : ['vocab.json', 'merges.txt']) {
      if (await isFile(join(folder, needed))) continue;
      throw new ModelError(`The ${name} is missing: there is no ${basename(folder)}/${needed}.`);
    }
    return inPart(name, async () => {
      if (described) await readJson(join(folder, 'tokenizer.json'), mostTokenizerBytes);
      else {
        await readJson(join(folder, 'vocab.json'), mostTokenizerBytes);
        await checkMerges(join(folder, 'merges.txt'));
      }
      const { vocab = {} } = (await readTokenizerFiles(folder)) ?? {};
      let highest = 0;
      for (const id of Object.values(vocab)) highest = Math.max(highest, id);
      return highest;
    });
  },
};

/** CLIP's text encoder whose projected text the denoiser is told. */
export const clipTextProjected: EncoderKind = {
  ...clipText,
  check(config, tensors) {
    clipText.check?.(config, tensors);
    // CLIP runs without it, but the denoiser needs the pooled, projected text.
    if (!tensors.has('text_projection.weight')) {
      throw new ModelError('the weights have no tensor "text_projection.weight".');
    }
  },
};

/** The UNet of Stable Diffusion 1, 2 and XL. */
export const unet: NetworkKind = {
  classes: ['UNet2DConditionModel'],
  input: 'timestep',
  write: (config, tensors, form) => writeUNet2DCondition(config as UNet2DConditionConfig, tensors, form),
  check(config, tensors) {
    checkShapes(tensors);
    checkSize(config, 'in_channels', tensors.get('conv_in.weight')?.shape[1]);
    checkSize(config, 'out_channels', tensors.get('conv_out.weight')?.shape[0]);
  },
  shallow: {
    tensors: shallowTensors,
    write: (config, tensors, form) => writeShallowUNet(config as UNet2DConditionConfig, tensors, form),
  },
};

/** A ControlNet of such a UNet. */
export const unetControlNet: NetworkKind = {
  classes: ['ControlNetModel'],
  input: 'controlnet_cond',
  write: (config, tensors, form) => writeControlNet(config as ControlNetConfig, tensors, form),
  check: (_config, tensors) => checkShapes(tensors),
};

export const vaeEncoder: NetworkKind = {
  classes: ['AutoencoderKL', 'AutoencoderKLFlux2'],
  input: 'sample',
  write: (config, tensors, form) => writeVaeEncoder(config as AutoencoderKLConfig, tensors, form),
  check: (_config, tensors) => checkShapes(tensors),
};

export const vaeDecoder: NetworkKind = {
  classes: ['AutoencoderKL', 'AutoencoderKLFlux2'],
  input: 'latent_sample',
  write: (config, tensors, form) => writeVaeDecoder(config as AutoencoderKLConfig, tensors, form),
  check(config, tensors) {
    checkShapes(tensors);
    checkSize(config, 'latent_channels', tensors.get('decoder.conv_in.weight')?.shape[1]);
  },
};

/** Pixels on each side of one position of an autoencoder's latents; 8 for all published models. */
export function vaeScaleOf(vae: Config): number {
  const blocks = vae.block_out_channels;
  return Array.isArray(blocks) && blocks.length > 0 ? 2 ** (blocks.length - 1) : 8;
}

/** Numbers of a config by which memory is reserved, or inputs are made, must be those of the weights. */
export function checkSize(config: Config, field: string, size: number | undefined): void {
  const given = config[field];
  if (size === undefined || given === undefined || given === null || given === size) return;
  throw new ModelError(`its config says ${field}: ${given}, but the weights have ${size}.`);
}

function embeddingOf(tensors: StoredTensors, name: string): readonly number[] | undefined {
  return ['text_model.', '']
    .map((root) => tensors.get(`${root}embeddings.${name}.weight`)?.shape)
    .find((shape) => shape !== undefined);
}

/** Texts would be cut wrongly, but without an error, by what is no list of pairs. */
async function checkMerges(file: string): Promise<void> {
  const text = (await readText(file, mostTokenizerBytes)) ?? '';
  const kind = text.startsWith('#version') ? undefined : await foreignKind(file, 'merges');
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
  const odd = lines.find((line) => line.split(' ').length !== 2);
  if (kind === undefined && odd === undefined) return;
  const reason = kind ?? `one of its lines is ${JSON.stringify(odd?.slice(0, 60))}`;
  throw new ModelError(`${basename(file)} is not a list of pairs of tokens: ${reason}.`);
}
