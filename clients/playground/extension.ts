import { find } from './elements.ts';
import type { Recipe } from './recipe.ts';

export type Sides = NonNullable<Recipe['outpaint']>;

const section = find('outpaint', HTMLDetailsElement);
const summary = section.querySelector('summary')!;
const fields = {
  top: find('outpaint-top', HTMLInputElement),
  right: find('outpaint-right', HTMLInputElement),
  bottom: find('outpaint-bottom', HTMLInputElement),
  left: find('outpaint-left', HTMLInputElement),
  blur: find('outpaint-blur', HTMLInputElement),
};
const usualSummary = summary.textContent ?? '';

/** Pixels that the picture shall have more than the seed image, on each side. */
export class Extension {
  onchange: () => void = () => {};

  constructor() {
    for (const field of Object.values(fields)) {
      field.addEventListener('input', () => this.#changed());
      field.addEventListener('change', () => {
        const step = Number(field.step);
        field.value = String(Math.ceil(Math.max(0, field.valueAsNumber || 0) / step) * step);
        this.#changed();
      });
    }
    this.#draw();
  }

  set hidden(hidden: boolean) {
    section.hidden = hidden;
  }

  /** Absent where nothing is added, or where there is nothing to add to. */
  get value(): Sides | undefined {
    const pixels = (side: keyof Sides) => Math.max(0, fields[side].valueAsNumber || 0);
    const sides = { top: pixels('top'), right: pixels('right'), bottom: pixels('bottom'), left: pixels('left') };
    const grows = Object.values(sides).some((added) => added > 0);
    return grows && !section.hidden ? { ...sides, blur: pixels('blur') } : undefined;
  }

  set value(sides: Sides | undefined) {
    for (const side of Object.keys(fields) as (keyof Sides)[]) {
      fields[side].value = String(sides?.[side] ?? fields[side].defaultValue);
    }
    this.#changed();
  }

  #changed(): void {
    section.querySelector('.field-error')?.remove();
    this.#draw();
    this.onchange();
  }

  #draw(): void {
    const { value } = this;
    find('outpaint-blur-value', HTMLOutputElement).value = `${fields.blur.value} px`;
    summary.textContent = value
      ? `${usualSummary} · ${value.left + value.right} × ${value.top + value.bottom} more`
      : usualSummary;
  }
}
