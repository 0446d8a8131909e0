import { toWireImage } from './images.js';
/** The images of a task, in the form they travel in. Throws a LatentwireError that says which of them is none. */
export async function wireImages(task) {
  const { seedImage, maskImage, controlNet, referenceImages } = task;
  const images = {};
  if (seedImage !== undefined) images.seedImage = await toWireImage(seedImage, 'seedImage');
  if (maskImage !== undefined) images.maskImage = await toWireImage(maskImage, 'maskImage');
  if (referenceImages !== undefined) {
    images.referenceImages = await Promise.all(
      referenceImages.map((one, index) => toWireImage(one, `referenceImages[${index}]`)),
    );
  }
  if (controlNet !== undefined) {
    images.controlNet = await Promise.all(
      controlNet.map(async (one, index) => {
        const guideImage = await toWireImage(one.guideImage, `controlNet[${index}].guideImage`);
        return { ...one, guideImage };
      }),
    );
  }
  return images;
}
export function wirePreviews(previews) {
  if (previews === false) return false;
  return { delivery: 'binary', ...(previews === true ? {} : previews) };
}
//# sourceMappingURL=task.js.map
