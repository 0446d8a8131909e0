import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { StoredTensors } from '../files/safetensors.ts';
import type { GenerateRequest } from '../messages.ts';

/** Channels at the largest size that each network works at, by which its memory grows with the picture; 0: it has none. */
export interface Widths {
  /** At the size of the latents. */
  denoiser: number;
  /** At the size of the picture. */
  decoder: number;
  encoder: number;
  tiny: number;
}

export const noWidths: Widths = { denoiser: 0, decoder: 0, encoder: 0, tiny: 0 };

/** Stable Diffusion's, for graphs that were exported without a config; its XL version has the same autoencoder. */
const published: Widths = { denoiser: 960, decoder: 256, encoder: 128, tiny: 64 };

/**
 * States of that many channels that a network holds at once, at its largest. Measured as resident memory of the process
 * between 512² and 2048² pixels with the embedded model: 4.7 for the UNet and 4.2 for the decoder, with what onnxruntime's
 * arena takes beyond what it uses. With random weights of half of Stable Diffusion's width the whole estimate is 2.8 kB a
 * pixel, and 2.3 kB were taken.
 */
const STATES = 5;

/** Bytes of a float32, as everything is computed on the CPU. */
const FLOAT = 4;

/** Pixels of one position of the latents; 8 × 8 in all published models. */
const PIXELS = 64;

/** Bytes a pixel that a run takes outside of its networks: the picture as numbers and as bytes, on both sides of the border. */
const PICTURE = 48;

/** The queries of a transformer's first block, in the names of any layout. */
const transformer =
  /^(?:model\.diffusion_model\.)?(?:transformer_blocks|double_blocks|joint_blocks|layers)\.(0)\..*(?:to_q|qkv)\.weight$/;

/**
 * What a transformer's width counts as: it holds about 12 states of its width for each token of 16 × 16 pixels, where
 * `STATES` are counted for each position of 8 × 8.
 */
const TRANSFORMER_SHARE = 12 / 4 / 5;

/** The layer whose input is widest at the largest size, by its name in either layout; of several the last one counts. */
const widest: readonly (readonly [keyof Widths, RegExp])[] = [
  ['denoiser', /^up_blocks\.(\d+)\.resnets\.0\.conv1\.weight$/],
  ['denoiser', /^model\.diffusion_model\.output_blocks\.(\d+)\.0\.in_layers\.2\.weight$/],
  ['denoiser', /^()controlnet_cond_embedding\.conv_out\.weight$/],
  ['denoiser', transformer],
  ['decoder', /^decoder\.up_blocks\.(\d+)\.resnets\.0\.conv1\.weight$/],
  ['decoder', /^(?:first_stage_model\.)?decoder\.up\.0\.block\.(0)\.conv1\.weight$/],
  ['encoder', /^encoder\.down_blocks\.0\.resnets\.(0)\.conv1\.weight$/],
  ['encoder', /^(?:first_stage_model\.)?encoder\.down\.0\.block\.(0)\.conv1\.weight$/],
  ['tiny', /^decoder\.layers\.(0)\.weight$/],
];

/** Reads the widths off the names and shapes of tensors. */
export function widthsOf(tensors: StoredTensors): Widths {
  const found = { ...noWidths };
  const last: Partial<Record<keyof Widths, number>> = {};
  for (const [name, { shape }] of tensors) {
    for (const [network, pattern] of widest) {
      const match = pattern.exec(name);
      if (!match || Number(match[1]) < (last[network] ?? 0)) continue;
      last[network] = Number(match[1]);
      // The tiny decoder and a ControlNet are as wide as what this layer gives.
      const width = (network === 'tiny' || match[1] === '' ? shape[0] : shape[1]) ?? 0;
      found[network] = pattern === transformer ? width * TRANSFORMER_SHARE : width;
    }
  }
  return found;
}

/** Of a graph that was exported: what the config beside it says, else the published widths. */
export async function widthsOfExported(file: string): Promise<Widths> {
  const folder = dirname(file);
  const network = ({ unet: 'denoiser', vae_decoder: 'decoder', vae_encoder: 'encoder' } as const)[basename(folder)];
  if (network === undefined || basename(file) !== 'model.onnx') return noWidths;
  const blocks = await blocksIn(join(folder, 'config.json'));
  if (!blocks) return { ...noWidths, [network]: published[network] };
  const [first, second = first] = blocks as [number, number?];
  return { ...noWidths, [network]: { denoiser: first + second, decoder: second, encoder: first }[network] };
}

async function blocksIn(file: string): Promise<number[] | undefined> {
  try {
    const { block_out_channels: blocks } = JSON.parse(await readFile(file, 'utf8')) as { block_out_channels?: unknown };
    const usable =
      Array.isArray(blocks) && blocks.length > 0 && blocks.every((each) => Number.isInteger(each) && each > 0);
    return usable ? blocks : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Bytes for each pixel of the picture that a run takes while it computes, beside its weights. Each graph keeps what it took
 * for its next call, so they add up.
 *
 * @param widths - of each folder and file that the request needs, the models first
 * @param rows - that the denoiser computes for one picture
 */
export function workingBytes(request: GenerateRequest, widths: readonly Widths[], rows: number): number {
  let states = 0;
  for (const { denoiser } of widths) states += (denoiser * rows) / PIXELS;
  states += Math.max(0, ...widths.map(({ decoder }) => decoder));
  if (request.image) states += Math.max(0, ...widths.map(({ encoder }) => encoder));
  states += Math.max(0, ...widths.map(({ tiny }) => tiny));
  return Math.ceil(states * STATES * FLOAT) + PICTURE;
}
