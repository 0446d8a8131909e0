import type { ImageReference } from '../../protocol/images.ts';
import { type Size, sizeLike } from '../../protocol/sizes.ts';
import type { ImageInferenceTask } from '../../protocol/tasks/imageInference.ts';
import type { ModelDescription, Pixels } from '../../runtime/index.ts';
import type { Context } from '../context.ts';
import { type Canvas, wholeCanvas } from '../images/canvas.ts';
import { decodeAtMost, decodeImage, type ImageLimits } from '../images/decode.ts';
import { decodeMask, inpaintCanvas } from '../images/inpaint.ts';
import { outpaintCanvas } from '../images/outpaint.ts';
import type { Caller } from './caller.ts';
import { useImage } from './images.ts';

/** The input pictures of a task, for all of its results. */
export interface TaskPictures {
  /** Of the picture that is drawn. */
  size: Size;
  /** Absent: the run starts from noise alone. */
  canvas?: Canvas;
  /** In the order of the task's ControlNets. */
  guides: Pixels[];
  /** In their original sizes. */
  references: Pixels[];
  /** Those of each of the task's IP-Adapters, in their original shapes. */
  prompts: Pixels[][];
}

/**
 * Image encoders use a few hundred pixels on each side. Of 6 million pixels, shrunk to these first, an encoder is shown what it
 * is shown of the original, but for 1 of 255.
 */
const MOST_PROMPT_PIXELS = 1024 ** 2;

/**
 * Downloads and decodes the pictures of a task concurrently, each once for each needed size. Throws TaskError; stops
 * when `signal` is aborted.
 */
export async function readPictures(
  task: ImageInferenceTask,
  given: Size | undefined,
  model: Pick<ModelDescription, 'mostReferences' | 'mostReferencePixels' | 'keepsPixels' | 'sizeMultiple'>,
  signal: AbortSignal,
  caller: Caller,
  context: Context,
): Promise<TaskPictures> {
  const pictures = new Pictures(signal, caller, context);
  // Pictures that the model does not take are not downloaded; the run refuses them.
  const referred = task.referenceImages.slice(0, model.mostReferences + 1);
  const decoded = referred.map(({ image, parameter }) => pictures.ownSize(image, parameter, model.mostReferencePixels));
  const decided =
    given ?? decoded[0]!.then((first) => sizeLike(first, model.sizeMultiple, context.config.maxOutputPixels));
  const [size, canvas, guides, references, prompts] = await Promise.all([
    decided,
    canvasOf(task, decided, model.keepsPixels, pictures),
    Promise.all(
      task.controlNet.map(async ({ guideImage, parameter }) =>
        pictures.decoded(guideImage, `${parameter}.guideImage`, await decided),
      ),
    ),
    Promise.all(decoded),
    Promise.all(
      task.ipAdapters.map(({ guideImages, parameter }) =>
        Promise.all(
          guideImages.map(({ image, parameter: place }) =>
            pictures.ownSize(image, `${parameter}.${place}`, MOST_PROMPT_PIXELS),
          ),
        ),
      ),
    ),
  ]);
  return { size, guides, references, prompts, ...(canvas && { canvas }) };
}

async function canvasOf(
  task: ImageInferenceTask,
  decided: Size | Promise<Size>,
  keepsPixels: boolean,
  pictures: Pictures,
): Promise<Canvas | undefined> {
  const { seedImage, maskImage, maskMargin, outpaint } = task;
  if (seedImage === undefined) return undefined;
  const size = await decided;
  if (outpaint !== undefined) {
    const { left, right, top, bottom } = outpaint;
    const kept = { width: size.width - left - right, height: size.height - top - bottom };
    return await outpaintCanvas(await pictures.decoded(seedImage, 'seedImage', kept), outpaint);
  }
  const [picture, mask] = await Promise.all([
    pictures.decoded(seedImage, 'seedImage', size),
    maskImage && pictures.mask(maskImage, size),
  ]);
  return mask === undefined ? wholeCanvas(picture) : await inpaintCanvas(picture, mask, maskMargin, keepsPixels);
}

/** Caches decoded pictures: guide images often equal the seed image or each other. */
class Pictures {
  readonly #signal: AbortSignal;
  readonly #caller: Caller;
  readonly #context: Context;
  readonly #decoded = new Map<string, Promise<Pixels>>();

  constructor(signal: AbortSignal, caller: Caller, context: Context) {
    this.#signal = signal;
    this.#caller = caller;
    this.#context = context;
  }

  decoded(reference: ImageReference, parameter: string, size: Size): Promise<Pixels> {
    const decode = (bytes: Buffer, limits: ImageLimits) => decodeImage(bytes, limits, size);
    return remember(this.#decoded, `${size.width} ${size.height} ${keyOf(reference)}`, () =>
      this.#decode(reference, parameter, decode),
    );
  }

  /** In its original size, or scaled down in the same shape. */
  ownSize(reference: ImageReference, parameter: string, mostPixels: number | undefined): Promise<Pixels> {
    const decode = (bytes: Buffer, limits: ImageLimits) => decodeAtMost(bytes, limits, mostPixels);
    return remember(this.#decoded, `own ${mostPixels} ${keyOf(reference)}`, () =>
      this.#decode(reference, parameter, decode),
    );
  }

  mask(reference: ImageReference, size: Size): Promise<Uint8Array> {
    return this.#decode(reference, 'maskImage', (bytes, limits) => decodeMask(bytes, limits, size));
  }

  #decode<T>(
    reference: ImageReference,
    parameter: string,
    decode: (bytes: Buffer, limits: ImageLimits) => Promise<T>,
  ): Promise<T> {
    return useImage(reference, parameter, this.#caller, this.#context, decode, this.#signal);
  }
}

function keyOf(reference: ImageReference): string {
  switch (reference.kind) {
    case 'uuid':
      return reference.uuid;
    case 'url':
      return reference.url;
    case 'base64':
      return reference.data;
  }
}

function remember<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}
