import { find } from './elements.ts';
import { type FoundRecipe, readRecipe } from './recipeReader.ts';

const line = find('offer', HTMLElement);
const words = find('offer-text', HTMLElement);
const button = find('offer-use', HTMLButtonElement);

/** A line under the seed image that offers the settings its file was made with, where the file has them. */
export class RecipeOffer {
  #found: FoundRecipe | undefined;
  /** Counts files, so that one that is slowly read does not replace what came after it. */
  #files = 0;

  /** @param use - fills the form, and returns what it could not use, in words for people */
  constructor(use: (found: FoundRecipe) => string[]) {
    button.addEventListener('click', () => {
      const unused = use(this.#found!);
      button.hidden = true;
      words.textContent = unused.length > 0 ? `Ignored: ${listed(unused)}.` : 'Settings applied.';
      // The button that had the focus is gone.
      find('prompt', HTMLTextAreaElement).focus();
    });
  }

  /** Reads another file, or none. */
  async read(file: Blob | undefined): Promise<void> {
    const count = ++this.#files;
    line.hidden = true;
    if (file === undefined) return;
    // A file that has gone meanwhile is the upload's to complain about.
    const bytes = await file.arrayBuffer().catch(() => new ArrayBuffer(0));
    if (count !== this.#files) return;
    this.#found = readRecipe(new Uint8Array(bytes));
    line.hidden = this.#found === undefined;
    button.hidden = false;
    words.textContent = 'Settings found.';
  }
}

/** A file may name as much as it likes. */
function listed(unused: string[]): string {
  const shown = unused.slice(0, 8).map((one) => (one.length > 60 ? `${one.slice(0, 59)}…` : one));
  const more = unused.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}
