import { ModelError } from '../files/reading.ts';
import { writeFluxRedux } from '../graphs/fluxRedux.ts';
import { type SiglipVisionConfig, writeSiglipVision } from '../graphs/siglipVision.ts';
import type { ImagePromptKind } from './family.ts';
import { withImageRows } from './imagePrompts.ts';

/** FLUX.1 Redux: SigLIP's states of all patches of a picture, embedded in the words that T5 writes prompts in. */
export const fluxRedux: ImagePromptKind = {
  pipeline: 'FluxPriorReduxPipeline',
  writeEncoder: (config, tensors, form) => writeSiglipVision(config as SiglipVisionConfig, tensors, form),
  writeEmbedder: (_config, tensors, form) => writeFluxRedux(tensors, form),
  check(encoder, embedder) {
    const given = encoder.get('vision_model.post_layernorm.weight')?.shape[0];
    const taken = embedder.get('redux_up.weight')?.shape[1];
    if (given === taken) return;
    throw new ModelError(`The image_encoder gives ${given} channels, but the image_embedder reads ${taken}.`);
  },
  addTo: (positive, prompts) => ({ ...positive, embeddings: withImageRows(positive.embeddings, prompts) }),
};
