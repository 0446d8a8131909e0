import { wholeCanvas } from './images/canvas.js';
import { decodeAtMost, decodeImage } from './images/decode.js';
import { decodeMask, inpaintCanvas } from './images/inpaint.js';
import { outpaintCanvas } from './images/outpaint.js';
import { useImage } from './taskImages.js';
/**
 * Fetches and decodes the pictures of a task, all at once and each once for each size that it is needed in. Throws
 * TaskError; stops fetching when `signal` is aborted.
 */
export async function readPictures(task, size, model, signal, caller, context) {
  const pictures = new Pictures(signal, caller, context);
  // Those that the model does not take are not fetched; the run refuses them.
  const referred = task.referenceImages.slice(0, model.mostReferences + 1);
  const [canvas, guides, references] = await Promise.all([
    canvasOf(task, size, pictures),
    Promise.all(
      task.controlNet.map(({ guideImage, parameter }) => pictures.decoded(guideImage, `${parameter}.guideImage`, size)),
    ),
    Promise.all(referred.map(({ image, parameter }) => pictures.ownSize(image, parameter, model.mostReferencePixels))),
  ]);
  return { guides, references, ...(canvas && { canvas }) };
}
async function canvasOf(task, size, pictures) {
  const { seedImage, maskImage, maskMargin, outpaint } = task;
  if (seedImage === undefined) return undefined;
  if (outpaint !== undefined) {
    const { left, right, top, bottom } = outpaint;
    const kept = { width: size.width - left - right, height: size.height - top - bottom };
    return await outpaintCanvas(await pictures.decoded(seedImage, 'seedImage', kept), outpaint);
  }
  const [picture, mask] = await Promise.all([
    pictures.decoded(seedImage, 'seedImage', size),
    maskImage && pictures.mask(maskImage, size),
  ]);
  return mask === undefined ? wholeCanvas(picture) : await inpaintCanvas(picture, mask, maskMargin);
}
/** Remembers what it has decoded: guide images are often the seed image, or each other. */
class Pictures {
  #signal;
  #caller;
  #context;
  #decoded = new Map();
  constructor(signal, caller, context) {
    this.#signal = signal;
    this.#caller = caller;
    this.#context = context;
  }
  decoded(reference, parameter, size) {
    const decode = (bytes, limits) => decodeImage(bytes, limits, size);
    return remember(this.#decoded, `${size.width} ${size.height} ${keyOf(reference)}`, () =>
      this.#decode(reference, parameter, decode),
    );
  }
  /** In its own size, or in fewer pixels of the same shape. */
  ownSize(reference, parameter, mostPixels) {
    const decode = (bytes, limits) => decodeAtMost(bytes, limits, mostPixels);
    return remember(this.#decoded, `own ${keyOf(reference)}`, () => this.#decode(reference, parameter, decode));
  }
  mask(reference, size) {
    return this.#decode(reference, 'maskImage', (bytes, limits) => decodeMask(bytes, limits, size));
  }
  #decode(reference, parameter, decode) {
    return useImage(reference, parameter, this.#caller, this.#context, decode, this.#signal);
  }
}
function keyOf(reference) {
  switch (reference.kind) {
    case 'uuid':
      return reference.uuid;
    case 'url':
      return reference.url;
    case 'base64':
      return reference.data;
  }
}
function remember(known, key, make) {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}
//# sourceMappingURL=taskPictures.js.map
