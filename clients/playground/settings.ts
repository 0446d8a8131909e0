import { type Size, sizeLike } from '../../protocol/sizes.ts';
import type { LatentwireError, ModelInfo } from '../typescript/index.ts';
import { find, kept, make } from './elements.ts';
import type { Recipe } from './recipe.ts';
import type { FoundRecipe } from './recipeReader.ts';

const form = find('form', HTMLFormElement);
const panel = find('settings', HTMLDetailsElement);
const alert = find('alert', HTMLElement);
const prompt = find('prompt', HTMLTextAreaElement);
const negative = find('negative', HTMLTextAreaElement);
const model = find('model', HTMLSelectElement);
const width = find('width', HTMLInputElement);
const height = find('height', HTMLInputElement);
const steps = find('steps', HTMLInputElement);
const guidance = find('guidance', HTMLInputElement);
const strength = find('strength', HTMLInputElement);
const seed = find('seed', HTMLInputElement);
const scheduler = find('scheduler', HTMLSelectElement);
const results = find('results', HTMLInputElement);
const previews = find('previews', HTMLSelectElement);
const previewsField = find('previews-field', HTMLElement);
const negativeField = find('negative-field', HTMLElement);
const guidanceField = find('guidance-field', HTMLElement);

const fields = {
  prompt,
  negative,
  model,
  width,
  height,
  steps,
  guidance,
  strength,
  seed,
  scheduler,
  results,
  previews,
};
type Saved = Record<keyof typeof fields, string>;

/** The better known ones come first; whatever else the server knows follows. */
const wellKnown = [
  'Euler',
  'Euler a',
  'DPM++ 2M',
  'DPM++ 2M Karras',
  'DPM++ 2M SDE',
  'DPM++ 2M SDE Karras',
  'UniPC',
  'DDIM',
  'DDPMScheduler',
  'Heun',
  'LMS',
  'PNDMScheduler',
  'LCM',
];

/** Reference pictures are scaled down to so many pixels. */
const mostReferencePixels = 1024 ** 2;

/** The form: what the next picture will be made with. Remembered by the browser. */
export class Settings {
  /** Told when another model is chosen, or becomes known. */
  onmodel: (model: ModelInfo | undefined) => void = () => {};
  #models: readonly ModelInfo[] = [];
  /** The seed that the button beside the field puts there. */
  shownSeed: () => string | undefined = () => undefined;
  /** The model chosen before its list came. */
  #wantedModel: string | undefined;
  readonly #remembered: boolean;
  /** What somebody has filled in; the model's defaults come later, and leave that alone. */
  readonly #touched = new Set<HTMLElement>();

  constructor() {
    const saved = kept.read<Partial<Saved>>('settings');
    fillSchedulers(saved?.scheduler ? [saved.scheduler] : []);
    this.#remembered = saved !== undefined;
    for (const [name, field] of Object.entries(fields)) {
      const value = saved?.[name as keyof Saved];
      if (typeof value === 'string') field.value = value;
    }
    this.#wantedModel = saved?.model;
    this.#changed();

    const wide = matchMedia('(min-width: 900px)');
    const unfold = () => {
      panel.open = wide.matches;
    };
    unfold();
    wide.addEventListener('change', unfold);

    for (const field of Object.values(fields)) {
      field.addEventListener('input', () => {
        this.#touched.add(field);
        clearError(field);
        this.#changed();
      });
    }
    model.addEventListener('change', () => this.#useDefaults());
    prompt.addEventListener('keydown', (event) => {
      // While an input method composes a word, Enter is its own.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    find('swap', HTMLButtonElement).addEventListener('click', () => {
      [width.value, height.value] = [height.value, width.value];
      this.#touched.add(width).add(height);
      this.#changed();
    });
    find('seed-random', HTMLButtonElement).addEventListener('click', () => this.setSeed(''));
    find('seed-reuse', HTMLButtonElement).addEventListener('click', () => this.setSeed(this.shownSeed() ?? seed.value));
    find('reset', HTMLButtonElement).addEventListener('click', () => {
      negative.value = '';
      this.#useDefaults();
    });
  }

  get numberResults(): number {
    return Math.max(1, Number(results.value) || 1);
  }

  get #model(): ModelInfo | undefined {
    return this.#models.find(({ air }) => air === model.value);
  }

  /** What previews are made with; absent where there is no choice. */
  get previewDecoder(): string | undefined {
    return previewsField.hidden ? undefined : previews.value;
  }

  set models(models: readonly ModelInfo[]) {
    this.#models = models;
    const chosen = model.value || this.#wantedModel;
    fillSchedulers(models[0]?.schedulers ?? []);
    model.replaceChildren(
      ...models.map(({ air, name, available, reason }) =>
        make('option', {
          value: air,
          textContent: available === false ? `${name} (cannot be loaded)` : name,
          title: typeof reason === 'string' ? reason : air,
          disabled: available === false,
        }),
      ),
    );
    if (models.some(({ air }) => air === chosen)) model.value = chosen!;
    else if (!this.#remembered || chosen) this.#useDefaults(this.#touched);
    this.#changed();
  }

  /** Size, steps, guidance and scheduler as the chosen model likes them. */
  #useDefaults(except: ReadonlySet<HTMLElement> = new Set()): void {
    const info = this.#model;
    const defaults = new Map<HTMLInputElement | HTMLSelectElement, string>([
      [width, String(info?.defaultWidth ?? 256)],
      [height, String(info?.defaultHeight ?? 256)],
      [steps, String(info?.defaultSteps ?? 20)],
      [guidance, String(info?.defaultCFG ?? 3)],
      [strength, String(info?.defaultStrength ?? 0.8)],
      [scheduler, ''],
    ]);
    for (const [field, value] of defaults) if (!except.has(field)) field.value = value;
    this.#changed();
  }

  /** Whether the size is the model's own. Then it need not be sent, and may be one that clients cannot ask for. */
  isOwnSize({ model: air, width, height }: Recipe): boolean {
    const info = this.#models.find((one) => one.air === air);
    return info?.defaultWidth === width && info.defaultHeight === height;
  }

  /** Fills in the size that the server would derive from the first reference picture. Values that the user typed stay. */
  likeReference(size: Size): void {
    if (this.#touched.has(width) || this.#touched.has(height)) return;
    const fitting = sizeLike(size, this.#model?.sizeMultiple ?? 8, mostReferencePixels);
    const [before, now] = [
      [width.value, height.value],
      [String(fitting.width), String(fitting.height)],
    ] as const;
    // The model may be told of by a change, and the size of the reference by the model.
    if (before.join() === now.join()) return;
    [width.value, height.value] = now;
    this.#changed();
  }

  setPrompt(text: string): void {
    prompt.value = text;
    prompt.focus();
    this.#changed();
  }

  setSeed(digits: string): void {
    seed.value = digits;
    clearError(seed);
    this.#changed();
  }

  read(): Recipe {
    const digits = seed.value.trim();
    return {
      positivePrompt: prompt.value.trim(),
      width: Number(width.value),
      height: Number(height.value),
      steps: Number(steps.value),
      CFGScale: Number(guidance.value),
      strength: Number(strength.value),
      ...(!negativeField.hidden && negative.value.trim() && { negativePrompt: negative.value.trim() }),
      ...(model.value && { model: model.value }),
      ...(scheduler.value && { scheduler: scheduler.value }),
      ...(digits && { seed: digits }),
    };
  }

  /** Puts a picture's parameters back, with the seed that made it. */
  write(recipe: Recipe, usedSeed: string | undefined): void {
    for (const field of Object.values(fields)) this.#touched.add(field);
    prompt.value = recipe.positivePrompt;
    negative.value = recipe.negativePrompt ?? '';
    if (recipe.model !== undefined) model.value = recipe.model;
    width.value = String(recipe.width);
    height.value = String(recipe.height);
    steps.value = String(recipe.steps);
    guidance.value = String(recipe.CFGScale);
    scheduler.value = recipe.scheduler ?? '';
    if (recipe.strength !== undefined) strength.value = String(recipe.strength);
    seed.value = usedSeed ?? recipe.seed ?? '';
    this.clearErrors();
    this.#changed();
  }

  /**
   * Fills in what a file says; what it does not say stays as it is.
   *
   * @returns what the form cannot have, in words for people
   */
  use(found: FoundRecipe): string[] {
    const unused: string[] = [];
    const put = (field: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement, value: string) => {
      field.value = value;
      this.#touched.add(field);
    };
    put(prompt, found.positivePrompt);
    put(negative, found.negativePrompt);
    if (found.model !== undefined) {
      const known = this.#models.filter(({ available }) => available !== false);
      const same = known.find(({ air }) => air === found.model) ?? known.find(({ name }) => name === found.model);
      if (same) put(model, same.air);
      else unused.push(`model ${found.model}`);
    }
    const info = this.#model;
    if (found.width !== undefined && found.height !== undefined) {
      const before = [width.value, height.value] as const;
      put(width, String(found.width));
      put(height, String(found.height));
      const isOwn = info?.defaultWidth === found.width && info.defaultHeight === found.height;
      if (!isOwn && !(width.validity.valid && height.validity.valid)) {
        [width.value, height.value] = before;
        unused.push(`size ${found.width} × ${found.height}`);
      }
    }
    // Sliders take the nearest value that they have.
    const sliders = [
      [steps, found.steps, 'steps'],
      [guidance, found.CFGScale, 'guidance'],
      [strength, found.strength, 'strength'],
    ] as const;
    for (const [slider, value, word] of sliders) {
      if (value === undefined) continue;
      put(slider, String(value));
      if (Number(slider.value) !== value) unused.push(`${word} ${value} (${slider.value} instead)`);
    }
    if (found.scheduler !== undefined) {
      const spelled = normalized(found.scheduler);
      const same = [...scheduler.options].find(({ value }) => value !== '' && normalized(value) === spelled);
      if (same) put(scheduler, same.value);
      else unused.push(`scheduler ${found.scheduler}`);
    }
    if (found.seed !== undefined) put(seed, found.seed);
    this.clearErrors();
    this.#changed();
    return unused;
  }

  clearErrors(): void {
    alert.hidden = true;
    for (const field of Object.values(fields)) clearError(field);
    for (const words of panel.querySelectorAll('details > .field-error')) words.remove();
  }

  /** Says what is wrong beside the field it is about, or under the prompt where it is about none. */
  showError(error: LatentwireError | Error): void {
    const parameter = 'parameter' in error ? error.parameter?.split(/[.[]/)[0] : undefined;
    const place = parameter && document.querySelector<HTMLElement>(`[data-parameter~="${CSS.escape(parameter)}"]`);
    const named = Object.values(fields).find(({ name }) => name === parameter);
    const field = named ?? (place ? place.querySelector('select') : undefined);
    if (place instanceof HTMLDetailsElement && !place.hidden) {
      panel.open = true;
      place.open = true;
      const words = make('p', { className: 'field-error', textContent: error.message });
      words.role = 'alert';
      place.append(words);
      place.scrollIntoView({ block: 'nearest' });
      return;
    }
    if (!place || !field || field === prompt) {
      alert.textContent = error.message;
      alert.hidden = false;
      if (field === prompt) prompt.ariaInvalid = 'true';
      return;
    }
    panel.open = true;
    clearError(field);
    const words = make('p', { className: 'field-error', id: `${field.id}-error`, textContent: error.message });
    words.role = 'alert';
    place.append(words);
    field.ariaInvalid = 'true';
    field.setAttribute('aria-describedby', words.id);
    place.scrollIntoView({ block: 'nearest' });
  }

  #changed(): void {
    const info = this.#model;
    previewsField.hidden = !info?.previewDecoders?.includes('tiny');
    // Models that were distilled with their guidance inside hear neither of the two.
    guidanceField.hidden = info?.guidance === 'none';
    negativeField.hidden = info !== undefined && info.guidance !== 'CFGScale';
    for (const side of [width, height]) side.step = String(info?.sizeMultiple ?? 8);
    this.onmodel(info);
    for (const range of [steps, guidance, strength]) find(`${range.id}-value`, HTMLOutputElement).value = range.value;
    const values = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
    kept.write('settings', { ...values, model: model.value || this.#wantedModel });
  }
}

/** Tools differ in case and in what stands between words. */
function normalized(name: string): string {
  return name
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
    .trim();
}

function fillSchedulers(known: readonly string[]): void {
  const chosen = scheduler.value;
  const option = (value: string) => make('option', { value, textContent: value.replace(/Scheduler$/, '') });
  const others = known.filter((name) => name !== 'Default' && !wellKnown.includes(name)).map(option);
  scheduler.replaceChildren(make('option', { value: '', textContent: "The model's own" }), ...wellKnown.map(option));
  if (others.length > 0) scheduler.append(make('optgroup', { label: 'More' }, ...others));
  scheduler.value = chosen;
}

function clearError(field: HTMLElement): void {
  if (field.ariaInvalid === null) return;
  field.ariaInvalid = null;
  field.removeAttribute('aria-describedby');
  document.getElementById(`${field.id}-error`)?.remove();
  if (field === prompt) alert.hidden = true;
}
