import type { Adapted } from '../addons/loras.ts';
import { RuntimeError } from '../errors.ts';
import type { Branch } from '../run.ts';
import { type FloatTensor, floats } from '../tensors/tensor.ts';
import type { ClipOutput, Embeddings } from '../text/clip.ts';
import { encoderOf, guidanceInput, type Reader, readPrompts } from './clipPrompts.ts';
import type { Conditioner } from './index.ts';

/** What a refiner is told of the beauty of the picture, and of that which guidance leads away from; diffusers' defaults. */
const AESTHETIC_SCORES = { positive: 6, negative: 2.5 };

/**
 * Stable Diffusion XL: the states of two encoders side by side, the second one's projected text, and sizes of the picture.
 * A refiner has the second encoder alone, and is told a score instead of a target size.
 */
export const stableDiffusionXL: Conditioner = {
  encoders: ({ configs }) => (configs.refiner ? ['text_encoder_2'] : ['text_encoder', 'text_encoder_2']),

  async *condition(context) {
    const { model, request, guided } = context;
    const { prompt, negativePrompt, clipSkip = 0, width, height, guidanceScale } = request;
    const { refiner, index } = model.configs;
    // An empty text is encoded; an absent one is zeros, unless the model's index says otherwise (diffusers' default).
    const absent = negativePrompt === undefined && request.negativePrompt2 === undefined;
    const zeros = guided && absent && index.force_zeros_for_empty_prompt !== false;
    // SDXL was trained on the state before the last, without the final norm.
    const form = { skip: clipSkip + 1, norm: false };
    const reader = async (name: Adapted & `text_${string}`, second: boolean): Promise<Reader> => ({
      encoder: await encoderOf(context, name),
      form,
      prompt: (second ? request.prompt2 : undefined) ?? prompt,
      negativePrompt:
        guided && !zeros ? ((second ? request.negativePrompt2 : undefined) ?? negativePrompt ?? '') : undefined,
      parameters: second ? ['prompt2', 'negativePrompt2'] : ['prompt', 'negativePrompt'],
    });
    const readers = refiner
      ? [await reader('text_encoder_2', false)]
      : [await reader('text_encoder', false), await reader('text_encoder_2', true)];
    const read = yield* readPrompts(context, readers);

    // Original size and crop, then the target size or a score; rows before columns.
    const timeIds = (score: number): FloatTensor => {
      const numbers = refiner ? [height, width, 0, 0, score] : [height, width, 0, 0, height, width];
      return floats(Float32Array.from(numbers), [1, numbers.length]);
    };
    const common = guidanceInput(model, guidanceScale);
    const branch = (outputs: readonly ClipOutput[], score: number): Branch => {
      const pooled = outputs.at(-1)?.pooled;
      if (!pooled) throw new RuntimeError('modelUnavailable', 'The second text encoder gives no text_embeds.');
      const extras = { ...common, text_embeds: floats(pooled, [1, pooled.length]), time_ids: timeIds(score) };
      return { embeddings: sideBySide(outputs.map(({ states }) => states)), extras };
    };
    const positives = read.map(({ positive }) => positive);
    const negatives = zeros ? positives.map(zerosLike) : read.flatMap(({ negative }) => negative ?? []);
    return {
      positive: branch(positives, AESTHETIC_SCORES.positive),
      negative: guided ? branch(negatives, AESTHETIC_SCORES.negative) : undefined,
    };
  },
};

/** [length, a] and [length, b] → [length, a + b] */
function sideBySide(parts: readonly Embeddings[]): Embeddings {
  const [first] = parts;
  if (parts.length === 1) return first!;
  const { length } = first!;
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  const data = new Float32Array(length * width);
  let column = 0;
  for (const part of parts) {
    for (let row = 0; row < length; row++) {
      data.set(part.data.subarray(row * part.width, (row + 1) * part.width), row * width + column);
    }
    column += part.width;
  }
  return { data, length, width };
}

function zerosLike({ states, pooled }: ClipOutput): ClipOutput {
  return {
    states: { ...states, data: new Float32Array(states.data.length) },
    pooled: pooled && new Float32Array(pooled.length),
  };
}
