import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { StoredTensors } from '../files/safetensors.ts';
import type { UpscalerSizes } from '../graphs/upscaler.ts';
import type { GenerateRequest, UpscaleRequest } from '../messages.ts';
import { tileBytes } from '../pipelines/tiles.ts';

/** Channels of each network at its largest resolution, which determine the memory per pixel; 0: none. */
export interface Widths {
  /** At the resolution of the latents. */
  denoiser: number;
  /** At the resolution of the picture. */
  decoder: number;
  encoder: number;
  tiny: number;
}

export const noWidths: Widths = { denoiser: 0, decoder: 0, encoder: 0, tiny: 0 };

/** Stable Diffusion's widths, for graphs exported without a config; its XL version has the same autoencoder. */
const published: Widths = { denoiser: 960, decoder: 256, encoder: 128, tiny: 64 };

/**
 * Number of activations of that width that a network holds at its peak. Measured as resident memory of the process
 * between 512² and 2048² pixels with the embedded model: 4.7 for the UNet and 4.2 for the decoder, including unused
 * memory of onnxruntime's arena. With random weights of half of Stable Diffusion's width the estimate is 2.8 kB per
 * pixel; measured were 2.3 kB.
 */
const STATES = 5;

/** Bytes of a float32, the precision on the CPU. */
const FLOAT = 4;

/** Pixels per latent position; 8 × 8 in all published models. */
const PIXELS = 64;

/** Bytes per pixel outside of the networks: the picture as numbers and as bytes, in both processes. */
const PICTURE = 48;

/** The query weights of a transformer's first block, in any layout. */
const transformer =
  /^(?:model\.diffusion_model\.)?(?:transformer_blocks|double_blocks|joint_blocks|layers)\.(0)\..*(?:to_q|qkv)\.weight$/;

/**
 * Equivalent width of a transformer: it holds about 12 activations of its width per token of 16 × 16 pixels, while
 * `STATES` counts per position of 8 × 8.
 */
const TRANSFORMER_SHARE = 12 / 4 / 5;

/**
 * The layer with the widest input at the largest resolution, by its name in either layout; of several the last one
 * counts.
 */
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

/** Reads the widths from tensor names and shapes. */
export function widthsOf(tensors: StoredTensors): Widths {
  const found = { ...noWidths };
  const last: Partial<Record<keyof Widths, number>> = {};
  for (const [name, { shape }] of tensors) {
    for (const [network, pattern] of widest) {
      const match = pattern.exec(name);
      if (!match || Number(match[1]) < (last[network] ?? 0)) continue;
      last[network] = Number(match[1]);
      // The tiny decoder and a ControlNet are as wide as the output of this layer.
      const width = (network === 'tiny' || match[1] === '' ? shape[0] : shape[1]) ?? 0;
      found[network] = pattern === transformer ? width * TRANSFORMER_SHARE : width;
    }
  }
  return found;
}

/** Of an exported graph: from the config beside it, else the published widths. */
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

/** Working memory of an upscale: of its largest tile, and of both pictures. */
export function upscaleBytes({ image, width, height }: UpscaleRequest, sizes: UpscalerSizes | undefined): number {
  return tileBytes(image, { width, height }, sizes) + PICTURE * width * height;
}

/**
 * Working memory of a run in bytes per pixel of the picture, without weights. Each graph keeps its memory for the next
 * call, so they add up.
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
