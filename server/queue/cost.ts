import { countRows, type ModelDescription, macsOf, type RowCounts, type RunRequest } from '../../runtime/index.ts';

/** What the cost of a run depends on. */
type CostTraits = Pick<ModelDescription, 'family' | 'input' | 'guidanceRule' | 'defaultScheduler' | 'upscaler'>;

/**
 * Cost of a row of each network, in rows of the denoiser for the same picture. From the arithmetic of Stable Diffusion
 * 1.5 at 512×512, similar for larger families; the shallow part is measured by `npm run bench:deep`.
 */
const costs: Omit<RowCounts, 'imagePrompt'> = {
  denoiser: 1,
  shallow: 0.1,
  controlNet: 0.4,
  encoder: 1.4,
  decoder: 3,
  preview: 0.3,
};

/**
 * Cost of a picture that an encoder of image prompts is shown, whatever the size of the result: in rows of the denoiser for a
 * megapixel. From the products of CLIP's ViT-H at 224×224 (167 billion) and of that UNet (339 billion for 0.26 megapixels).
 */
const IMAGE_PROMPT = 0.13;

/**
 * Multiplications and additions of a row of the denoiser for each megapixel: 339 G for 512×512 pixels with Stable
 * Diffusion 1.5.
 */
const macsPerRow = 339e9 / 0.262144;

/** Rows × megapixels of a run: the work charged to its claimant. */
export function workOf(request: RunRequest, model: CostTraits): number {
  if (request.kind === 'upscale') return macsOf(request.image, request, model.upscaler) / macsPerRow;
  const { imagePrompt, ...rows } = countRows(request, model);
  let work = 0;
  for (const network of Object.keys(costs) as (keyof typeof costs)[]) work += rows[network] * costs[network];
  // A run without work still takes a turn.
  return Math.max(1, work) * ((request.width * request.height) / 1e6) + imagePrompt * IMAGE_PROMPT;
}
