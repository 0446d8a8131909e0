import type { Branch } from '../run.ts';
import { encoderOf, guidanceInput, readPrompts } from './clipPrompts.ts';
import type { Conditioner } from './index.ts';

/** Stable Diffusion 1.x and 2.x: one text encoder, its last state after the final norm. */
export const stableDiffusion: Conditioner = {
  encoders: () => ['text_encoder'],

  async *condition(context) {
    const { model, request, guided } = context;
    const { prompt, negativePrompt = '', clipSkip: skip = 0, guidanceScale } = request;
    const [read] = yield* readPrompts(context, [
      {
        encoder: await encoderOf(context, 'text_encoder'),
        form: { skip, norm: true },
        prompt,
        negativePrompt: guided ? negativePrompt : undefined,
        parameters: ['prompt', 'negativePrompt'],
      },
    ]);
    const { positive, negative } = read!;
    const extras = guidanceInput(model, guidanceScale);
    const branch = ({ states }: typeof positive): Branch => ({ embeddings: states, extras });
    return { positive: branch(positive), negative: negative && branch(negative) };
  },
};
