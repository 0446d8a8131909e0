import { LatentwireError, type ModelInfo, type PartInfo, type UploadedImage } from '../typescript/index.ts';
import { find, make } from './elements.ts';
import { ImageSlot, makeSlot, type Upload } from './imageSlot.ts';

/** A LoRA, a ControlNet or an image prompt as a task has it. */
export interface Companion {
  model: string;
  weight: number;
  /** Those that take a picture of their own. */
  guideImage?: UploadedImage | undefined;
}

/** What differs between the sections. */
export interface CompanionKind {
  /** Id of the section. */
  id: string;
  /** What one of them is called: `LoRA`. */
  word: string;
  /** What the server takes, and how much of it the slider offers. */
  weight: { min: number; max: number; sliderMin: number; sliderMax: number };
  /** Present where each takes a picture of its own. */
  guide?: { invitation: string; upload: Upload; shown: () => UploadedImage | undefined };
}

/** Said where the architecture is not known at all, or only its family. */
const vague = ['unknown', 'sd'];

type OfArchitecture = Pick<ModelInfo, 'architecture'>;

/** Whether a model or a part was made for the architecture of a model, as far as both are known. */
export function fits({ architecture: one }: OfArchitecture, { architecture: other }: OfArchitecture): boolean {
  return one === other || vague.includes(one) || vague.includes(other);
}

/** A folded section of rows, each a model that acts beside the main one. Hidden while none fits. */
export class Companions {
  onchange: () => void = () => {};
  readonly #kind: CompanionKind;
  readonly #section: HTMLDetailsElement;
  readonly #summary: HTMLElement;
  readonly #list: HTMLUListElement;
  /** Rows whose model does not fit the chosen one are kept, hidden, for when it is chosen again. */
  #rows: Row[] = [];
  #known: readonly PartInfo[] = [];
  #model: ModelInfo | undefined;

  constructor(kind: CompanionKind) {
    this.#kind = kind;
    this.#section = find(kind.id, HTMLDetailsElement);
    this.#summary = this.#section.querySelector('summary')!;
    this.#list = this.#section.querySelector('ul')!;
    this.#section.querySelector(':scope > button')!.addEventListener('click', () => {
      const row = this.#add({ model: this.#fitting()[0]?.air ?? '', weight: 1 });
      this.#changed();
      row.focus();
    });
  }

  /** The server's, broken ones too. */
  set known(known: readonly PartInfo[]) {
    this.#known = known.filter(({ available }) => available);
    this.#draw();
  }

  set model(model: ModelInfo | undefined) {
    if (model === this.#model) return;
    this.#model = model;
    this.#draw();
  }

  /** Those that act with the chosen model. Throws a LatentwireError where one lacks its picture. */
  read(): Companion[] {
    const { word, guide } = this.#kind;
    const acting = this.#rows.filter((row) => row.isShown).map((row) => row.value);
    if (guide && acting.some(({ guideImage }) => guideImage === undefined)) {
      const message = `Give each ${word} a guide image, or remove it.`;
      throw new LatentwireError({ code: 'missingParameter', message, parameter: this.#section.dataset.parameter });
    }
    return acting;
  }

  /** Settles once every guide image is on the server; rejects where one did not get there. */
  async ready(): Promise<void> {
    await Promise.all(this.#rows.map((row) => row.ready));
  }

  write(companions: readonly Companion[]): void {
    this.#rows = [];
    for (const companion of companions) this.#add(companion);
    this.#changed();
  }

  #add(companion: Companion): Row {
    const row = new Row(this.#kind, companion);
    row.onchange = () => this.#changed();
    row.onremove = () => {
      this.#rows = this.#rows.filter((other) => other !== row);
      this.#changed();
      this.#section.querySelector<HTMLElement>(':scope > button')!.focus();
    };
    this.#rows.push(row);
    return row;
  }

  #changed(): void {
    this.#section.querySelector(':scope > .field-error')?.remove();
    this.#draw();
    this.onchange();
  }

  #fitting(): PartInfo[] {
    const model = this.#model;
    return model ? this.#known.filter((part) => fits(part, model)) : [];
  }

  #draw(): void {
    const fitting = this.#fitting();
    for (const row of this.#rows) row.offer(fitting);
    const shown = this.#rows.filter((row) => row.isShown);
    // Only what moved is touched: replacing a focused row would drop the focus.
    for (const [i, { item }] of shown.entries())
      if (this.#list.children[i] !== item) this.#list.insertBefore(item, this.#list.children[i] ?? null);
    while (this.#list.childElementCount > shown.length) this.#list.lastElementChild!.remove();
    this.#summary.textContent = shown.length > 0 ? `${this.#kind.word} · ${shown.length}` : this.#kind.word;
    this.#section.hidden = fitting.length === 0;
  }
}

/** One model with its weight, and where it takes one its picture. */
class Row {
  onchange: () => void = () => {};
  onremove: () => void = () => {};
  readonly item: HTMLLIElement;
  readonly #select: HTMLSelectElement;
  readonly #slider: HTMLInputElement;
  readonly #number: HTMLInputElement;
  readonly #slot: ImageSlot | undefined;
  readonly #limits: CompanionKind['weight'];
  /** What was asked for, also while the list has no such model. */
  #wanted: string;

  constructor({ word, weight, guide }: CompanionKind, companion: Companion) {
    this.#wanted = companion.model;
    this.#limits = weight;
    this.#select = make('select', { ariaLabel: word });
    this.#select.addEventListener('change', () => {
      this.#wanted = this.#select.value;
      this.onchange();
    });
    const { min, max, sliderMin, sliderMax } = weight;
    const value = String(companion.weight);
    const range = { step: '0.05', ariaLabel: `Weight of the ${word}` };
    this.#slider = make('input', { type: 'range', ...range, min: String(sliderMin), max: String(sliderMax), value });
    this.#number = make('input', { type: 'number', ...range, min: String(min), max: String(max), value });
    this.#slider.addEventListener('input', () => this.#weigh(this.#slider.value));
    this.#number.addEventListener('input', () => this.#weigh(this.#number.value));
    this.#number.addEventListener('change', () => {
      this.#number.value = String(this.value.weight);
    });
    const remove = make('button', { type: 'button', textContent: '×', ariaLabel: `Remove this ${word}` });
    remove.addEventListener('click', () => this.onremove());
    this.item = make(
      'li',
      {},
      make('div', { className: 'with-buttons' }, this.#select, remove),
      make('div', { className: 'weight' }, this.#slider, this.#number),
    );
    if (!guide) return;
    const useShown = make('button', { type: 'button', textContent: 'Picture shown' });
    const parts = makeSlot(guide.invitation, useShown);
    this.#slot = new ImageSlot(parts, guide.upload, 'This is the guide image.');
    this.#slot.image = companion.guideImage;
    this.#slot.onchange = () => this.onchange();
    useShown.addEventListener('click', () => {
      const shown = guide.shown();
      if (shown) this.#slot!.image = shown;
      else this.#slot!.complain('No finished picture is shown.');
    });
    this.item.insertBefore(parts.slot, this.item.lastElementChild);
  }

  get isShown(): boolean {
    return this.#select.value !== '';
  }

  get ready(): Promise<void> | undefined {
    return this.#slot?.ready;
  }

  get value(): Companion {
    const { min, max } = this.#limits;
    const weight = Math.min(max, Math.max(min, this.#number.valueAsNumber));
    const guideImage = this.#slot?.image;
    return {
      model: this.#select.value,
      weight: Number.isNaN(weight) ? 1 : weight,
      ...(guideImage && { guideImage }),
    };
  }

  focus(): void {
    this.#select.focus();
  }

  /** Lists these models; the row is shown while the wanted one is among them. */
  offer(models: readonly PartInfo[]): void {
    const values = models.map(({ air }) => air);
    if (values.join('\n') !== [...this.#select.options].map(({ value }) => value).join('\n')) {
      this.#select.replaceChildren(
        ...models.map(({ air, name }) => make('option', { value: air, textContent: name, title: air })),
      );
    }
    if (values.includes(this.#wanted)) this.#select.value = this.#wanted;
    else this.#select.selectedIndex = -1;
  }

  #weigh(value: string): void {
    if (this.#slider.value !== value) this.#slider.value = value;
    if (this.#number.value !== value) this.#number.value = value;
    this.onchange();
  }
}
