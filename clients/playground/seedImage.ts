import type { ImageInput, UploadedImage } from '../typescript/index.ts';
import { find } from './elements.ts';
import { dragType } from './gallery.ts';
import { showFinished } from './pictures.ts';

const slot = find('slot', HTMLElement);
const thumbnail = find('slot-image', HTMLImageElement);
const words = find('slot-text', HTMLElement);
const file = find('file', HTMLInputElement);
const clear = find('slot-clear', HTMLButtonElement);
const strength = find('strength-field', HTMLElement);
const frame = find('frame', HTMLElement);
const invitation = words.textContent ?? '';

/** The place for the picture to start from: dropped, chosen, or taken from the gallery. */
export class SeedImage {
  onchange: () => void = () => {};
  #image: UploadedImage | undefined;
  /** Counts what was put here, so that a slow upload does not replace what came after it. */
  #put = 0;
  readonly #upload: (image: ImageInput) => Promise<UploadedImage>;

  constructor(upload: (image: ImageInput) => Promise<UploadedImage>) {
    this.#upload = upload;
    file.addEventListener('change', () => {
      const [chosen] = file.files ?? [];
      if (chosen) void this.#take(chosen);
      file.value = '';
    });
    clear.addEventListener('click', () => {
      this.image = undefined;
      file.focus();
    });
    for (const target of [slot, frame]) this.#acceptDrops(target);
    // A file that misses would otherwise replace the page.
    for (const type of ['dragover', 'drop'] as const) addEventListener(type, (event) => event.preventDefault());
    addEventListener('paste', (event) => {
      const pasted = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
      if (pasted) void this.#take(pasted);
    });
  }

  get image(): UploadedImage | undefined {
    return this.#image;
  }

  set image(image: UploadedImage | undefined) {
    this.#put++;
    this.#image = image;
    this.#draw(image ? 'The next picture starts from this one.' : invitation, image?.imageURL);
    this.onchange();
  }

  async #take(source: ImageInput): Promise<void> {
    const put = ++this.#put;
    const url = source instanceof Blob ? URL.createObjectURL(source) : undefined;
    this.#draw('Uploading…', url);
    try {
      const uploaded = await this.#upload(source);
      if (put === this.#put) this.image = uploaded;
    } catch (error) {
      if (put !== this.#put) return;
      this.image = undefined;
      words.textContent = error instanceof Error ? error.message : String(error);
      words.className = 'field-error';
    } finally {
      if (url !== undefined) URL.revokeObjectURL(url);
    }
  }

  #draw(text: string, url: string | undefined): void {
    words.className = '';
    words.textContent = text;
    thumbnail.hidden = url === undefined;
    clear.hidden = this.#image === undefined;
    strength.hidden = this.#image === undefined;
    if (url === undefined) thumbnail.removeAttribute('src');
    else if (url === this.#image?.imageURL) {
      showFinished(thumbnail, url, () => {
        this.image = undefined;
        words.textContent = 'The server no longer has that picture.';
      });
    } else {
      thumbnail.onerror = null;
      thumbnail.src = url;
    }
  }

  #acceptDrops(target: HTMLElement): void {
    // Entering a child leaves the parent; only the count tells when the pointer is really gone.
    let depth = 0;
    const mark = () => target.classList.toggle('dropping', depth > 0);
    const carriesImage = ({ types }: DataTransfer) =>
      types.includes('Files') || types.includes(dragType) || types.includes('text/uri-list');
    target.addEventListener('dragenter', (event) => {
      if (!event.dataTransfer || !carriesImage(event.dataTransfer)) return;
      depth++;
      mark();
    });
    target.addEventListener('dragleave', () => {
      depth = Math.max(0, depth - 1);
      mark();
    });
    target.addEventListener('drop', (event) => {
      depth = 0;
      mark();
      const { dataTransfer } = event;
      const known = dataTransfer?.getData(dragType);
      const [dropped] = dataTransfer?.files ?? [];
      const link = dataTransfer?.getData('text/uri-list').split('\n', 1)[0];
      if (known) this.image = JSON.parse(known) as UploadedImage;
      else if (dropped) void this.#take(dropped);
      else if (link) void this.#take(link.trim());
    });
  }
}
