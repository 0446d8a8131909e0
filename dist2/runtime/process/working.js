import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
export const noWidths = { unet: 0, decoder: 0, encoder: 0, tiny: 0 };
/** Stable Diffusion's, for graphs that were exported without a config; its XL version has the same autoencoder. */
const published = { unet: 960, decoder: 256, encoder: 128, tiny: 64 };
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
/** The layer whose input is widest at the largest size, by its name in either layout; of several the last one counts. */
const widest = [
  ['unet', /^up_blocks\.(\d+)\.resnets\.0\.conv1\.weight$/],
  ['unet', /^model\.diffusion_model\.output_blocks\.(\d+)\.0\.in_layers\.2\.weight$/],
  ['unet', /^()controlnet_cond_embedding\.conv_out\.weight$/],
  ['decoder', /^decoder\.up_blocks\.(\d+)\.resnets\.0\.conv1\.weight$/],
  ['decoder', /^(?:first_stage_model\.)?decoder\.up\.0\.block\.(0)\.conv1\.weight$/],
  ['encoder', /^encoder\.down_blocks\.0\.resnets\.(0)\.conv1\.weight$/],
  ['encoder', /^(?:first_stage_model\.)?encoder\.down\.0\.block\.(0)\.conv1\.weight$/],
  ['tiny', /^decoder\.layers\.(0)\.weight$/],
];
/** Reads the widths off the names and shapes of tensors. */
export function widthsOf(tensors) {
  const found = { ...noWidths };
  const last = {};
  for (const [name, { shape }] of tensors) {
    for (const [network, pattern] of widest) {
      const match = pattern.exec(name);
      if (!match || Number(match[1]) < (last[network] ?? 0)) continue;
      last[network] = Number(match[1]);
      // The tiny decoder and a ControlNet are as wide as what this layer gives.
      found[network] = (network === 'tiny' || match[1] === '' ? shape[0] : shape[1]) ?? 0;
    }
  }
  return found;
}
/** Of a graph that was exported: what the config beside it says, else the published widths. */
export async function widthsOfExported(file) {
  const folder = dirname(file);
  const network = { unet: 'unet', vae_decoder: 'decoder', vae_encoder: 'encoder' }[basename(folder)];
  if (network === undefined || basename(file) !== 'model.onnx') return noWidths;
  const blocks = await blocksIn(join(folder, 'config.json'));
  if (!blocks) return { ...noWidths, [network]: published[network] };
  const [first, second = first] = blocks;
  return { ...noWidths, [network]: { unet: first + second, decoder: second, encoder: first }[network] };
}
async function blocksIn(file) {
  try {
    const { block_out_channels: blocks } = JSON.parse(await readFile(file, 'utf8'));
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
 */
export function workingBytes(request, widths) {
  const rows = request.guidanceScale > 1 ? 2 : 1;
  let states = 0;
  for (const { unet } of widths) states += (unet * rows) / PIXELS;
  states += Math.max(0, ...widths.map(({ decoder }) => decoder));
  if (request.image) states += Math.max(0, ...widths.map(({ encoder }) => encoder));
  states += Math.max(0, ...widths.map(({ tiny }) => tiny));
  return Math.ceil(states * STATES * FLOAT) + PICTURE;
}
//# sourceMappingURL=working.js.map
