import type { ImageInput, UploadedImage } from '../typescript/index.ts';
import { make } from './elements.ts';
import { dragType } from './gallery.ts';
import { showFinished } from './pictures.ts';

/** What a slot is made of. */
export interface SlotParts {
  slot: HTMLElement;
  thumbnail: HTMLImageElement;
  words: HTMLElement;
  file: HTMLInputElement;
  clear: HTMLButtonElement;
}

export type Upload = (image: ImageInput) => Promise<UploadedImage>;

/** A slot like the seed image's, to be put somewhere. */
export function makeSlot(invitation: string, ...buttons: HTMLElement[]): SlotParts {
  const thumbnail = make('img', { alt: '', hidden: true });
  const words = make('p', { textContent: invitation });
  const accept = 'image/png,image/jpeg,image/webp,image/gif,image/bmp';
  const file = make('input', { type: 'file', accept, className: 'visually-hidden' });
  const clear = make('button', { type: 'button', textContent: 'Clear', hidden: true });
  const choose = make('label', { className: 'button file' }, file, 'Choose file');
  const buttonRow = make('div', {}, choose, ...buttons, clear);
  const slot = make(
    'div',
    { className: 'slot' },
    thumbnail,
    make('div', { className: 'slot-words' }, words, buttonRow),
  );
  return { slot, thumbnail, words, file, clear };
}

/** A place for one picture: dropped, chosen, or dragged from the gallery. */
export class ImageSlot {
  onchange: () => void = () => {};
  /** Told of the file that is put here, and of none where something else is. */
  onfile: (file: Blob | undefined) => void = () => {};
  /** Settles once nothing is on its way to the server; rejects where the last picture did not get there. */
  ready: Promise<void> = Promise.resolve();
  /** What is said beside a picture. */
  filledText: string;
  readonly #parts: SlotParts;
  readonly #upload: Upload;
  readonly #invitation: string;
  #image: UploadedImage | undefined;
  /** Counts what was put here, so that a slow upload does not replace what came after it. */
  #put = 0;

  constructor(parts: SlotParts, upload: Upload, filledText: string) {
    this.#parts = parts;
    this.#upload = upload;
    this.#invitation = parts.words.textContent ?? '';
    this.filledText = filledText;
    const { slot, file, clear } = parts;
    file.addEventListener('change', () => {
      const [chosen] = file.files ?? [];
      if (chosen) this.take(chosen);
      file.value = '';
    });
    clear.addEventListener('click', () => {
      this.image = undefined;
      file.focus();
    });
    this.acceptDrops(slot);
  }

  get image(): UploadedImage | undefined {
    return this.#image;
  }

  set image(image: UploadedImage | undefined) {
    this.onfile(undefined);
    this.#set(image);
  }

  #set(image: UploadedImage | undefined): void {
    this.#put++;
    this.#image = image;
    this.ready = Promise.resolve();
    this.onchange();
    this.draw();
  }

  take(source: ImageInput): void {
    this.onfile(source instanceof Blob ? source : undefined);
    this.ready = this.#take(source);
    this.ready.catch(() => {});
  }

  /** Shows what is known now. */
  draw(): void {
    this.#draw(this.#image ? this.filledText : this.#invitation, this.#image?.imageURL);
  }

  async #take(source: ImageInput): Promise<void> {
    const put = ++this.#put;
    const url = source instanceof Blob ? URL.createObjectURL(source) : undefined;
    this.#draw('Uploading…', url);
    try {
      const uploaded = await this.#upload(source);
      if (put === this.#put) this.#set(uploaded);
    } catch (error) {
      if (put !== this.#put) return;
      this.#set(undefined);
      this.complain(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      if (url !== undefined) URL.revokeObjectURL(url);
    }
  }

  complain(message: string): void {
    this.#parts.words.textContent = message;
    this.#parts.words.className = 'field-error';
  }

  #draw(text: string, url: string | undefined): void {
    const { thumbnail, words, clear } = this.#parts;
    words.className = '';
    words.textContent = text;
    thumbnail.hidden = url === undefined;
    clear.hidden = this.#image === undefined;
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

  acceptDrops(target: HTMLElement): void {
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
      else if (dropped) this.take(dropped);
      else if (link) this.take(link.trim());
    });
  }
}
