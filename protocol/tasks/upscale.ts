import * as z from 'zod';
import { type Delivery, delivery, deliveryOf } from '../delivery.ts';
import { type ImageReference, optionalImage } from '../images.ts';
import {
  decimal,
  ignored,
  integer,
  isFalse,
  nested,
  refuse,
  taskKind,
  text,
  unsupported,
  uuid,
} from '../parameters.ts';

/** Enlarges a picture. */
export interface UpscaleTask<Name extends string = 'upscale' | 'imageUpscale'> extends Delivery {
  /** As it was sent. */
  taskType: Name;
  taskUUID: string;
  inputImage: ImageReference;
  /** Path of the picture in the task, for errors. */
  parameter: 'inputImage' | 'inputs.image';
  /** AIR or alias. Absent: the server's first upscaler. */
  model?: string | undefined;
  /** How many times as wide and high, or how many megapixels. */
  target: { factor: number } | { megapixels: number };
}

export const DEFAULT_UPSCALE_FACTOR = 2;

const NO_TEXT = 'upscalers read no text and draw no noise.';

const shapeOf = <Name extends string>(name: Name) => ({
  taskType: z.literal(name),
  taskUUID: uuid(),
  inputImage: optionalImage(),
  inputs: nested({ image: optionalImage() }, 'an object'),
  model: text({ min: 1, max: 256 }),
  upscaleFactor: integer({ min: 2, max: 4, default: DEFAULT_UPSCALE_FACTOR }),
  targetMegapixels: decimal({ min: 1, max: 8 }),
  ...delivery,

  // Of upscalers that draw the picture again.
  ...Object.fromEntries(
    [
      ...['settings', 'positivePrompt', 'negativePrompt', 'steps', 'seed', 'CFGScale', 'scheduler', 'strength'],
      ...['controlNetWeight', 'colorFix', 'tileDiffusion', 'clipSkip'],
    ].map((key) => [key, ignored(NO_TEXT)]),
  ),
  numberResults: ignored('a task makes one picture.', (value) => value === 1),
  watermark: unsupported('watermarks are not supported.', isFalse),
});

/** The task under one of its names. */
function upscaleAs<Name extends 'upscale' | 'imageUpscale'>(name: Name) {
  return taskKind(shapeOf(name), (parsed, context): UpscaleTask<Name> => {
    const { upscaleFactor, targetMegapixels, inputs } = parsed;
    const inputImage = parsed.inputImage ?? inputs?.image;
    if (inputImage === undefined) {
      refuse(
        context,
        'missing',
        ['inputImage'],
        '`inputImage` is required: the picture to enlarge, here or in `inputs.image`.',
      );
      return z.NEVER;
    }
    if (upscaleFactor !== undefined && targetMegapixels !== undefined) {
      refuse(context, 'invalid', ['targetMegapixels'], 'Use either `upscaleFactor` or `targetMegapixels`.');
    }
    return {
      taskType: name,
      taskUUID: parsed.taskUUID,
      inputImage,
      parameter: parsed.inputImage === undefined ? 'inputs.image' : 'inputImage',
      model: parsed.model,
      target:
        targetMegapixels === undefined
          ? { factor: upscaleFactor ?? DEFAULT_UPSCALE_FACTOR }
          : { megapixels: targetMegapixels },
      ...deliveryOf(parsed),
    };
  });
}

export const upscale = upscaleAs('upscale');
/** The older name. */
export const imageUpscale = upscaleAs('imageUpscale');
