import { RuntimeError } from '../errors.ts';
import { ModelError } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { writeFluxRedux } from '../graphs/fluxRedux.ts';
import { type SiglipVisionConfig, writeSiglipVision } from '../graphs/siglipVision.ts';
import { visionRoot } from '../graphs/visionLayers.ts';
import type { Pixels } from '../messages.ts';
import type { Embeddings, Part } from '../run.ts';
import { resampled } from '../tensors/resample.ts';
import type { FloatTensor } from '../tensors/tensor.ts';
import type { ImagePromptContext, ImagePromptKind, OpenImagePrompt } from './family.ts';
import { callOnce, normalizedPixels, pictureKey, remembering } from './imagePrompts.ts';

/** Sides of the pictures that published encoders are shown are multiples of this. */
const USUAL_STEP = 32;

/** FLUX.1 Redux: SigLIP's states of all patches of a picture, embedded in the words that T5 writes prompts in. */
export const fluxRedux: ImagePromptKind = {
  title: 'FLUX.1 Redux',
  pipeline: 'FluxPriorReduxPipeline',
  file: {
    recognises: (tensors) => tensors.has('redux_up.weight') && tensors.has('redux_down.weight'),
    encoder: {
      named: () => ({ title: 'the image encoder SigLIP', example: 'sigclip_vision_patch14_384.safetensors' }),
      // The one that it was trained with; others of its width see a picture otherwise.
      prefers: /^(?!.*siglip[-_ ]?2).*patch14[-_]384/i,
      recognises: (tensors, embedder) =>
        // CLIP's encoders of pictures have a row for the whole picture, which SigLIP has not.
        tensors.has(`${visionRoot(tensors)}embeddings.patch_embedding.bias`) &&
        !tensors.has(`${visionRoot(tensors)}embeddings.class_embedding`) &&
        (embedder === undefined || widthGiven(tensors) === widthTaken(embedder)),
      configOf(tensors) {
        const shapeOf = (name: string) => tensors.get(`${visionRoot(tensors)}embeddings.${name}.weight`)?.shape ?? [];
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
  adaptsDenoiser: false,
  async *addTo(conditioning, prompts, context) {
    const weighted: WeightedRows[] = [];
    for (const prompt of prompts) {
      const { pictures, weight } = prompt.request;
      for (const picture of pictures) {
        weighted.push({ rows: yield* rowsOf(prompt, picture, context), weight: weight / pictures.length });
      }
    }
    const { positive } = conditioning;
    return { ...conditioning, positive: { ...positive, embeddings: withImageRows(positive.embeddings, weighted) } };
  },
};

/** A picture in the words of a prompt. */
function rowsOf(prompt: OpenImagePrompt, picture: Pixels, { remembered }: ImagePromptContext): Part<Embeddings> {
  return remembering(remembered, [prompt.encoderKey, prompt.key, pictureKey(picture)], async function* () {
    const encoder = yield* prompt.encoder();
    const shown = { pixel_values: squarePixels(picture, prompt.size) };
    const { last_hidden_state: states } = yield* callOnce(encoder, shown, ['last_hidden_state']);
    const embedder = yield* prompt.embedder();
    const answer = yield* callOnce(embedder, { image_embeds: states! }, ['prompt_embeds']);
    const { data, dims } = answer.prompt_embeds!;
    return { data, length: dims[1]!, width: dims[2]! };
  });
}

/** A picture as SigLIP is shown it, its sides not in proportion: [1, 3, size, size] in [-1, 1]. */
export function squarePixels(picture: Pixels, size: number): FloatTensor {
  const half = [0.5, 0.5, 0.5];
  return normalizedPixels(resampled(picture, { width: size, height: size }), half, half);
}

/** A picture in the words of a prompt, and how much these count. */
interface WeightedRows {
  rows: Embeddings;
  weight: number;
}

/**
 * The rows of a text with those of pictures behind them. A weight counts for all of them, those of the text too, and several
 * pictures are added up, as diffusers' pipeline has it.
 */
function withImageRows(text: Embeddings, prompts: readonly WeightedRows[]): Embeddings {
  const { width } = text;
  const other = prompts.find(({ rows }) => rows.width !== width);
  if (other) {
    const message = `The image prompt model gives embeddings of ${other.rows.width} channels, but this model takes ${width}.`;
    throw new RuntimeError('invalidParameter', message, { parameter: 'imagePrompts' });
  }
  const more = Math.max(...prompts.map(({ rows }) => rows.data.length));
  const data = new Float32Array(text.data.length + more);
  for (const { rows, weight } of prompts) {
    for (let at = 0; at < text.data.length; at++) data[at]! += weight * text.data[at]!;
    for (let at = 0; at < rows.data.length; at++) data[text.data.length + at]! += weight * rows.data[at]!;
  }
  return { data, length: data.length / width, width };
}

function widthGiven(encoder: StoredTensors): number | undefined {
  return encoder.get(`${visionRoot(encoder)}post_layernorm.weight`)?.shape[0];
}

function widthTaken(embedder: StoredTensors): number | undefined {
  return embedder.get('redux_up.weight')?.shape[1];
}
