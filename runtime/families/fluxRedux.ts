import { ModelError } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { writeFluxRedux } from '../graphs/fluxRedux.ts';
import { type SiglipVisionConfig, siglipRoot, writeSiglipVision } from '../graphs/siglipVision.ts';
import type { ImagePromptKind } from './family.ts';
import { withImageRows } from './imagePrompts.ts';

/** Sides of the pictures that published encoders are shown are multiples of this. */
const USUAL_STEP = 32;

/** FLUX.1 Redux: SigLIP's states of all patches of a picture, embedded in the words that T5 writes prompts in. */
export const fluxRedux: ImagePromptKind = {
  pipeline: 'FluxPriorReduxPipeline',
  file: {
    recognises: (tensors) => tensors.has('redux_up.weight') && tensors.has('redux_down.weight'),
    encoder: {
      title: 'the image encoder SigLIP',
      example: 'sigclip_vision_patch14_384.safetensors',
      // The one that it was trained with; others of its width see a picture otherwise.
      prefers: /^(?!.*siglip[-_ ]?2).*patch14[-_]384/i,
      recognises: (tensors, embedder) =>
        // CLIP's encoders of pictures have a row for the whole picture, which SigLIP has not.
        tensors.has(`${siglipRoot(tensors)}embeddings.patch_embedding.bias`) &&
        !tensors.has(`${siglipRoot(tensors)}embeddings.class_embedding`) &&
        (embedder === undefined || widthGiven(tensors) === widthTaken(embedder)),
      configOf(tensors) {
        const shapeOf = (name: string) => tensors.get(`${siglipRoot(tensors)}embeddings.${name}.weight`)?.shape ?? [];
        const [, , patch = 0] = shapeOf('patch_embedding');
        const [positions = 0] = shapeOf('position_embedding');
        const covered = Math.sqrt(positions) * patch;
        // What is left beside whole patches is not looked at: 27 patches of 14 pixels are of a picture of 384.
        const usual = Math.ceil(covered / USUAL_STEP) * USUAL_STEP;
        return { image_size: usual < covered + patch ? usual : covered };
      },
    },
  },
  writeEncoder: (config, tensors, form) => writeSiglipVision(config as SiglipVisionConfig, tensors, form),
  writeEmbedder: (_config, tensors, form) => writeFluxRedux(tensors, form),
  check(encoder, embedder) {
    const [given, taken] = [widthGiven(encoder), widthTaken(embedder)];
    if (given === taken) return;
    throw new ModelError(`The image_encoder gives ${given} channels, but the image_embedder takes ${taken}.`);
  },
  addTo: (positive, prompts) => ({ ...positive, embeddings: withImageRows(positive.embeddings, prompts) }),
};

function widthGiven(encoder: StoredTensors): number | undefined {
  return encoder.get(`${siglipRoot(encoder)}post_layernorm.weight`)?.shape[0];
}

function widthTaken(embedder: StoredTensors): number | undefined {
  return embedder.get('redux_up.weight')?.shape[1];
}
