import { count, find, make } from './elements.ts';
import { isUnderWay, type Picture, showFinished } from './pictures.ts';

const frame = find('frame', HTMLElement);
const layers = find('pictures', HTMLElement);
const noise = find('noise', HTMLCanvasElement);
const invitation = find('invitation', HTMLElement);
const note = find('frame-note', HTMLElement);
const strip = find('tiles', HTMLElement);
const scrubber = find('scrubber', HTMLInputElement);
const caption = find('progress-text', HTMLElement);

const still = matchMedia('(prefers-reduced-motion: reduce)');

/** The large picture, and under it one tile for each step, to look back. */
export class Stage {
  picture: Picture | undefined;
  /** Called when a picture is dragged off the stage. */
  ondrag: (picture: Picture, transfer: DataTransfer) => void = () => {};
  /** Whether the newest look is shown as it comes; looking back ends it. */
  #following = true;
  #shownURL: string | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;

  constructor() {
    drawNoise();
    scrubber.addEventListener('input', () => {
      const newest = newestPosition(this.picture!);
      const position = Math.min(Number(scrubber.value), newest);
      this.#following = position === newest;
      this.#look(position);
    });
    new ResizeObserver(() => this.#fitThumb()).observe(strip);
    layers.addEventListener('dragstart', (event) => {
      if (this.picture?.result && event.dataTransfer) this.ondrag(this.picture, event.dataTransfer);
      else event.preventDefault();
    });
  }

  show(picture: Picture | undefined): void {
    this.picture = picture;
    this.#following = true;
    this.#shownURL = undefined;
    layers.replaceChildren();
    strip.replaceChildren();
    this.update();
  }

  /** Brings the stage up to what is now known of its picture. */
  update(): void {
    const { picture } = this;
    const underWay = picture !== undefined && isUnderWay(picture);
    invitation.hidden = picture !== undefined;
    scrubber.hidden = picture === undefined;
    frame.toggleAttribute('data-live', underWay);
    note.hidden = true;
    clearInterval(this.#clock);
    if (!picture) {
      frame.style.setProperty('--ratio', '1');
      strip.parentElement!.hidden = false;
      strip.replaceChildren(...Array.from({ length: 21 }, () => make('span')));
      caption.textContent = 'The steps of a picture appear here.';
      return;
    }
    frame.style.setProperty('--ratio', String(picture.recipe.width / picture.recipe.height));
    if (underWay) this.#clock = setInterval(() => this.#tick(), 100);
    this.#layTiles(picture);
    const newest = newestPosition(picture);
    this.#look(this.#following ? newest : Math.min(Number(scrubber.value), newest));
  }

  /** Moves the clock of a running picture, and the noise of one that has nothing to show. */
  #tick(): void {
    const { picture } = this;
    if (!picture) return;
    this.#tell(Number(scrubber.value));
    if (newestPosition(picture) < 0 && picture.state === 'running' && !still.matches) drawNoise();
  }

  #layTiles(picture: Picture): void {
    // One for each step, and one for the finished picture. Pictures of an earlier visit have no looks to go back to.
    const tiles = picture.looks.length === 0 && !isUnderWay(picture) ? 0 : (picture.steps ?? picture.recipe.steps) + 1;
    strip.parentElement!.hidden = tiles === 0;
    if (strip.childElementCount !== tiles) {
      strip.replaceChildren(...Array.from({ length: tiles }, () => make('span')));
      scrubber.max = String(Math.max(0, tiles - 1));
      this.#fitThumb();
    }
    for (const [position, url] of positions(picture)) {
      const tile = strip.children[position];
      if (!(tile instanceof HTMLElement) || tile.dataset.url === url) continue;
      tile.dataset.url = url;
      tile.style.backgroundImage = `url("${url}")`;
    }
  }

  #fitThumb(): void {
    const width = strip.clientWidth / Math.max(1, strip.childElementCount);
    scrubber.style.setProperty('--tile', `${Math.max(6, width)}px`);
  }

  #look(position: number): void {
    const picture = this.picture!;
    scrubber.value = String(Math.max(0, position));
    this.#tell(position);
    const url = lookAt(picture, position);
    if (url === undefined || url === this.#shownURL) return;
    this.#shownURL = url;
    const image = make('img', { alt: `${describe(picture, position)}: ${picture.recipe.positivePrompt}` });
    image.draggable = picture.result !== undefined;
    const finished = url === picture.result?.imageURL;
    image.dataset.step = finished ? 'finished' : String(position);
    image.addEventListener('load', () => {
      // Looks may finish loading out of order; only the one asked for last may come on top.
      if (this.#shownURL !== url) return;
      const below = [...layers.children];
      layers.append(image);
      const settle = () => {
        for (const older of below) older.remove();
      };
      if (still.matches) settle();
      else image.addEventListener('animationend', settle, { once: true });
    });
    if (finished) showFinished(image, url, () => this.#say('The server no longer has this picture.'));
    else image.src = url;
  }

  #tell(position: number): void {
    const picture = this.picture!;
    const { state, recipe, result } = picture;
    const here = describe(picture, position);
    scrubber.setAttribute('aria-valuetext', here);
    const seconds = picture.elapsedMs ?? (picture.startedAt ? performance.now() - picture.startedAt : undefined);
    const time = seconds === undefined ? undefined : `${(seconds / 1000).toFixed(1)} s`;
    const facts: (string | undefined)[] = [];
    if (state === 'waiting') facts.push('Waiting');
    else if (state === 'running') facts.push(picture.loading ? 'Loading the model' : here, time);
    else if (state === 'finished') {
      const atEnd = picture.looks.length === 0 || position === newestPosition(picture);
      facts.push(
        atEnd
          ? `${count(picture.steps ?? recipe.steps, partOf(picture))}${time && seconds ? ` in ${time}` : ''}`
          : here,
      );
      const { enlarged = 1 } = picture;
      facts.push(`seed ${result!.seed}`, `${recipe.width * enlarged} × ${recipe.height * enlarged}`);
      facts.push(...(picture.warnings ?? []));
    } else
      facts.push(
        state === 'cancelled' ? `Cancelled after ${count(picture.stepsDone, partOf(picture))}` : 'Failed',
        time,
      );
    const words = facts.filter(Boolean).join(' · ');
    if (caption.textContent !== words) caption.textContent = words;
    if (state === 'waiting') {
      this.#say(picture.position ? `Waiting for ${count(picture.position, 'task')} ahead in the queue` : 'Starting…');
    }
    if (picture.loading && isUnderWay(picture)) {
      const { component, progress } = picture.loading;
      this.#say(`Loading the ${nameOf(component)} · ${Math.round(progress)} %`);
    }
  }

  #say(words: string): void {
    note.textContent = words;
    note.hidden = false;
  }
}

/** What each tile shows, the finished picture last. Steps whose preview did not come show the look before them. */
function* positions(picture: Picture): Generator<[position: number, url: string]> {
  let latest: string | undefined;
  for (const [step, url] of picture.looks.entries()) {
    latest = url ?? latest;
    if (latest !== undefined) yield [step, latest];
  }
  if (!picture.result) return;
  const end = picture.steps ?? picture.recipe.steps;
  if (latest !== undefined) for (let step = picture.looks.length; step < end; step++) yield [step, latest];
  yield [end, picture.result.imageURL];
}

/** -1: nothing to see yet. */
function newestPosition(picture: Picture): number {
  return picture.result ? (picture.steps ?? picture.recipe.steps) : picture.looks.length - 1;
}

/** The look of this step, or of the last before it that has one. */
function lookAt(picture: Picture, position: number): string | undefined {
  if (picture.result && (position === newestPosition(picture) || picture.looks.length === 0)) {
    return picture.result.imageURL;
  }
  return picture.looks.slice(0, position + 1).findLast((url) => url !== undefined);
}

function describe(picture: Picture, position: number): string {
  const steps = picture.steps ?? picture.recipe.steps;
  if (picture.result && position >= newestPosition(picture)) return 'Finished';
  const part = picture.enlarged ? 'Tile' : 'Step';
  return position < 0 ? 'Starting' : `${part} ${position + 1} of ${steps}`;
}

/** What a picture is made in. */
function partOf({ enlarged }: Picture): string {
  return enlarged ? 'tile' : 'step';
}

/** A component in the words of people: `vae_decoder` is the VAE decoder. */
function nameOf(component: string): string {
  return component
    .replaceAll('_', ' ')
    .replace(/^unet\b/, 'UNet')
    .replace(/^vae\b/, 'VAE');
}

/** What every picture begins as. Muted, because it is a background too. */
function drawNoise(): void {
  const context = noise.getContext('2d')!;
  const pixels = context.createImageData(noise.width, noise.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    for (let channel = 0; channel < 3; channel++) {
      // The sum of three uniform numbers is near enough to a normal one.
      pixels.data[i + channel] = 128 + (Math.random() + Math.random() + Math.random() - 1.5) * 110;
    }
    pixels.data[i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}
