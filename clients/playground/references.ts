import type { ModelInfo, UploadedImage } from '../typescript/index.ts';
import { find, make } from './elements.ts';
import { ImageSlot, makeSlot, type Upload } from './imageSlot.ts';

/** The pictures that the prompt refers to, for models that draw by them. Hidden for all others. */
export class References {
  onchange: () => void = () => {};
  /** Told of the size of the first picture, once it is there. */
  onsize: (size: { width: number; height: number }) => void = () => {};
  readonly #upload: Upload;
  readonly #shown: () => UploadedImage | undefined;
  readonly #section = find('references', HTMLDetailsElement);
  readonly #summary = this.#section.querySelector('summary')!;
  readonly #list = this.#section.querySelector('ul')!;
  readonly #adder = this.#section.querySelector<HTMLButtonElement>(':scope > button')!;
  /** Kept, hidden, while a model without references is chosen. */
  #rows: { item: HTMLLIElement; slot: ImageSlot; thumbnail: HTMLImageElement }[] = [];
  #most = 0;

  /** @param shown - the finished picture that the page shows */
  constructor(upload: Upload, shown: () => UploadedImage | undefined) {
    this.#upload = upload;
    this.#shown = shown;
    this.#adder.addEventListener('click', () => {
      const { item } = this.#add();
      this.#draw();
      item.querySelector<HTMLElement>('input, button')?.focus();
    });
  }

  set model(model: ModelInfo | undefined) {
    this.#most = model?.referenceImages ?? 0;
    this.#draw();
    this.#tellSize();
  }

  /** Those that have a picture, as many as the model takes. */
  read(): UploadedImage[] {
    return this.#rows.flatMap(({ slot }) => slot.image ?? []).slice(0, this.#most);
  }

  /** Settles once every picture is on the server; rejects where one did not get there. */
  async ready(): Promise<void> {
    if (this.#most > 0) await Promise.all(this.#rows.map(({ slot }) => slot.ready));
  }

  write(images: readonly UploadedImage[]): void {
    this.#rows = [];
    for (const image of images) this.#add().slot.image = image;
    this.#draw();
  }

  #add(): { item: HTMLLIElement; slot: ImageSlot } {
    const useShown = make('button', { type: 'button', textContent: 'Picture shown' });
    const remove = make('button', { type: 'button', textContent: 'Remove', ariaLabel: 'Remove this reference image' });
    const parts = makeSlot('Drop a reference picture here.', useShown, remove);
    const slot = new ImageSlot(parts, this.#upload, 'The prompt can refer to this picture.');
    const row = { item: make('li', {}, parts.slot), slot, thumbnail: parts.thumbnail };
    useShown.addEventListener('click', () => {
      const shown = this.#shown();
      if (shown) slot.image = shown;
      else slot.complain('No finished picture is shown.');
    });
    remove.addEventListener('click', () => {
      this.#rows = this.#rows.filter((other) => other !== row);
      this.#draw();
      this.#adder.focus();
    });
    slot.onchange = () => this.#draw();
    row.thumbnail.addEventListener('load', () => this.#tellSize());
    this.#rows.push(row);
    return row;
  }

  #tellSize(): void {
    const [first] = this.#rows;
    if (!first || first.thumbnail.hidden || this.#most === 0) return;
    const { naturalWidth: width, naturalHeight: height } = first.thumbnail;
    if (width > 0) this.onsize({ width, height });
  }

  #draw(): void {
    this.#section.querySelector(':scope > .field-error')?.remove();
    this.#list.replaceChildren(...this.#rows.map(({ item }) => item));
    const count = this.read().length;
    this.#summary.textContent = count > 0 ? `Reference images · ${count}` : 'Reference images';
    this.#section.hidden = this.#most === 0;
    this.#adder.disabled = this.#rows.length >= this.#most;
    this.onchange();
  }
}
