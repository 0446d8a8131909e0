import type { UploadedImage } from '../typescript/index.ts';
import { find } from './elements.ts';
import { Extension } from './extension.ts';
import { ImageSlot, type Upload } from './imageSlot.ts';
import { MaskBrush } from './maskBrush.ts';
import { fetchPicture } from './pictures.ts';
import type { Recipe } from './recipe.ts';

const parts = {
  slot: find('slot', HTMLElement),
  thumbnail: find('slot-image', HTMLImageElement),
  words: find('slot-text', HTMLElement),
  file: find('file', HTMLInputElement),
  clear: find('slot-clear', HTMLButtonElement),
};
const paint = find('slot-mask', HTMLButtonElement);
const painted = find('slot-painted', HTMLCanvasElement);
const strengthField = find('strength-field', HTMLElement);
const strength = find('strength', HTMLInputElement);
const strengthHint = find('strength-hint', HTMLElement);
const usualHint = strengthHint.textContent ?? '';

/** At and below this strength of a few dozen steps hardly any are run. */
const lowStrength = 0.25;

type Pictures = Pick<Recipe, 'seedImage' | 'maskImage' | 'outpaint'>;

/** The picture to start from, and the mask painted over it or what is added around it. */
export class SeedImage {
  /** Told of the file that is put here, and of none where something else is. */
  onfile: (file: Blob | undefined) => void = () => {};
  readonly #slot: ImageSlot;
  readonly #brush = new MaskBrush();
  readonly #extension = new Extension();
  readonly #upload: Upload;
  /** The mask as the server knows it; absent until a picture is made with it. */
  #uploadedMask: Promise<UploadedImage> | undefined;
  /** Settles once the mask of an earlier task is back; rejects where the server no longer has it. */
  #restored: Promise<void> | undefined;
  #shown: UploadedImage | undefined;

  constructor(upload: Upload) {
    this.#upload = upload;
    this.#slot = new ImageSlot(parts, upload, '');
    this.#slot.acceptDrops(find('frame', HTMLElement));
    this.#slot.onchange = () => this.#changed();
    this.#slot.onfile = (file) => this.onfile(file);
    this.#brush.onchange = () => {
      this.#uploadedMask = undefined;
      this.#draw();
      this.#slot.draw();
    };
    this.#extension.onchange = () => {
      this.#draw();
      this.#slot.draw();
    };
    paint.addEventListener('click', () => {
      this.#brush.open(parts.thumbnail.src).catch(() => this.#slot.complain('This picture cannot be shown.'));
    });
    strength.addEventListener('input', () => this.#drawHint());
    // A file that misses would otherwise replace the page.
    for (const type of ['dragover', 'drop'] as const) addEventListener(type, (event) => event.preventDefault());
    addEventListener('paste', (event) => {
      const pasted = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
      if (pasted) this.#slot.take(pasted);
    });
  }

  set image(image: UploadedImage | undefined) {
    this.#slot.image = image;
  }

  /** Puts the pictures of an earlier task back. */
  restore({ seedImage, maskImage, outpaint }: Pictures): void {
    this.#brush.clear();
    this.#slot.image = seedImage;
    this.#extension.value = outpaint;
    this.#restored = maskImage && this.#restoreMask(maskImage);
    this.#restored?.catch(() => {});
  }

  /** What a task is to send, once the server has it. Rejects where something did not get there. */
  async forTask(): Promise<Pictures> {
    await Promise.all([this.#slot.ready, this.#restored]);
    this.#brush.settle();
    const { image } = this.#slot;
    if (image === undefined) return {};
    const outpaint = this.#extension.value;
    if (outpaint) return { seedImage: image, outpaint };
    if (this.#brush.isEmpty) return { seedImage: image };
    this.#uploadedMask ??= this.#brush.toPNG().then(this.#upload);
    try {
      return { seedImage: image, maskImage: await this.#uploadedMask };
    } catch (error) {
      this.#uploadedMask = undefined;
      throw error;
    }
  }

  async #restoreMask(mask: UploadedImage): Promise<void> {
    const { image } = this.#slot;
    try {
      const bitmap = await createImageBitmap(await fetchPicture(mask.imageURL));
      if (this.#slot.image !== image) return;
      this.#brush.take(bitmap);
      this.#uploadedMask = Promise.resolve(mask);
      this.#draw();
      this.#slot.draw();
    } catch {
      if (this.#slot.image !== image) return;
      this.#restored = undefined;
      const message = 'The server no longer has the mask. Paint it again.';
      this.#slot.complain(message);
      throw new Error(message);
    }
  }

  #changed(): void {
    const { image } = this.#slot;
    // A mask belongs to the picture it was painted over.
    if (image?.imageUUID !== this.#shown?.imageUUID) {
      this.#brush.clear();
      this.#restored = undefined;
    }
    this.#shown = image;
    this.#draw();
  }

  #draw(): void {
    const hasImage = this.#slot.image !== undefined;
    const hasMask = hasImage && !this.#brush.isEmpty;
    // The server masks what is added by itself and takes no other mask beside it.
    this.#extension.hidden = !hasImage || hasMask;
    const grows = this.#extension.value !== undefined;
    this.#slot.filledText = hasMask
      ? 'Only the painted part changes.'
      : grows
        ? 'The next picture extends this one.'
        : 'The next picture starts from this one.';
    paint.hidden = !hasImage || grows;
    paint.textContent = hasMask ? 'Edit the mask' : 'Paint a mask';
    painted.hidden = !hasMask;
    if (hasMask) this.#brush.drawInto(painted);
    strengthField.hidden = !hasImage || grows;
    this.#drawHint();
  }

  #drawHint(): void {
    const isLow = Number(strength.value) <= lowStrength;
    const what = this.#brush.isEmpty ? 'anything' : 'anything you painted';
    strengthHint.textContent = isLow ? `Hardly ${what} will change` : usualHint;
  }
}
