import { ModelError } from '../files/reading.js';
/** What a UNet is given, told by its channels: latents, with a mask and the masked picture's, or with a picture's. */
export function denoiserInputOf({ configs: { denoiser, vae } }) {
  const [taken, latents] = [denoiser.in_channels, vae.latent_channels];
  if (typeof taken !== 'number' || typeof latents !== 'number' || taken === latents) return 'latents';
  if (taken === 2 * latents + 1) return 'inpaint';
  if (taken === 2 * latents) return 'edit';
  throw new ModelError(
    `The unet takes ${taken} channels, but the autoencoder has ${latents}: supported are ${latents} (from text), ${2 * latents + 1} (inpainting) and ${2 * latents} (editing).`,
  );
}
//# sourceMappingURL=input.js.map
