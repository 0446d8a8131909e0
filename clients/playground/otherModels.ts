import type { ModelInfo, PartInfo } from '../typescript/index.ts';
import { fits } from './companions.ts';
import { find, make } from './elements.ts';
import type { Recipe } from './recipe.ts';

/** What takes the place of a part of the chosen model: another VAE, or a refiner for the last steps. */
export class OtherModels {
  onchange: () => void = () => {};
  readonly #vae = new Choice('vae');
  readonly #refiner = new Choice('refiner');
  readonly #start = find('refiner-start', HTMLInputElement);
  readonly #startField = find('refiner-start-field', HTMLElement);

  constructor() {
    for (const part of [this.#vae, this.#refiner]) part.onchange = () => this.#changed();
    this.#start.addEventListener('input', () => this.#changed());
    this.#draw();
  }

  /** The server's, broken ones too. */
  know(vaes: readonly PartInfo[], refiners: readonly ModelInfo[]): void {
    this.#vae.known = vaes;
    this.#refiner.known = refiners;
    this.#draw();
  }

  set model(model: ModelInfo | undefined) {
    this.#vae.model = model;
    this.#refiner.model = model;
    this.#draw();
  }

  read(): Pick<Recipe, 'vae' | 'refiner'> {
    const [vae, model] = [this.#vae.value, this.#refiner.value];
    return {
      ...(vae && { vae }),
      ...(model && { refiner: { model, startStepPercentage: Number(this.#start.value) } }),
    };
  }

  write({ vae, refiner }: Pick<Recipe, 'vae' | 'refiner'>): void {
    this.#vae.value = vae ?? '';
    this.#refiner.value = refiner?.model ?? '';
    if (refiner) this.#start.value = String(refiner.startStepPercentage);
    this.#changed();
  }

  #changed(): void {
    this.#draw();
    this.onchange();
  }

  #draw(): void {
    this.#startField.hidden = this.#refiner.value === '';
    find('refiner-start-value', HTMLOutputElement).value = `${this.#start.value} % of the steps`;
  }
}

/** A list whose first entry stands for none. Hidden while no model in it fits the chosen one. */
class Choice {
  onchange: () => void = () => {};
  readonly #field: HTMLElement;
  readonly #select: HTMLSelectElement;
  readonly #none: HTMLOptionElement;
  #known: readonly (PartInfo | ModelInfo)[] = [];
  #model: ModelInfo | undefined;
  /** What was asked for, also while the list has no such model. */
  #wanted = '';

  constructor(id: string) {
    this.#field = find(`${id}-field`, HTMLElement);
    this.#select = find(id, HTMLSelectElement);
    this.#none = this.#select.options[0]!;
    this.#select.addEventListener('change', () => {
      this.#wanted = this.#select.value;
      this.onchange();
    });
  }

  set known(known: readonly (PartInfo | ModelInfo)[]) {
    this.#known = known.filter(({ available }) => available);
    this.#draw();
  }

  set model(model: ModelInfo | undefined) {
    if (model === this.#model) return;
    this.#model = model;
    this.#draw();
  }

  /** Empty for none, and while the one that is wanted does not fit. */
  get value(): string {
    return this.#select.value;
  }

  set value(air: string) {
    this.#wanted = air;
    this.#draw();
  }

  #draw(): void {
    const model = this.#model;
    const fitting = model ? this.#known.filter((part) => part.air !== model.air && fits(part, model)) : [];
    const options = fitting.map(({ air, name }) => make('option', { value: air, textContent: name, title: air }));
    this.#select.replaceChildren(this.#none, ...options);
    this.#select.value = fitting.some(({ air }) => air === this.#wanted) ? this.#wanted : '';
    this.#field.hidden = fitting.length === 0;
  }
}
