import { find, make } from './elements.ts';
import { isUnderWay, type Picture, type Pictures, showFinished } from './pictures.ts';

const list = find('gallery', HTMLUListElement);
const empty = find('gallery-empty', HTMLElement);
const clear = find('gallery-clear', HTMLButtonElement);
const end = find('gallery-end', HTMLElement);

/** Type of the drag data that names a picture of this server. */
export const dragType = 'application/x-latentwire-image';

export function fillDrag(picture: Picture, transfer: DataTransfer): void {
  const { imageUUID, imageURL } = picture.result!;
  transfer.setData(dragType, JSON.stringify({ imageUUID, imageURL }));
  transfer.setData('text/uri-list', imageURL);
  transfer.setData('text/plain', imageUUID);
  transfer.effectAllowed = 'copyLink';
}

export class Gallery {
  onchoose: (picture: Picture) => void = () => {};
  /** Called when everything that is finished shall go. */
  onclear: () => void = () => {};
  readonly #pictures: Pictures;
  readonly #tiles = new Map<Picture, Tile>();
  #chosen: Picture | undefined;

  constructor(pictures: Pictures) {
    this.#pictures = pictures;
    clear.addEventListener('click', () => this.#clear());
    clear.addEventListener('blur', () => this.#disarm());
    // Older pictures are read when the end of the list comes near.
    new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) void this.#pictures.loadMore();
      },
      { rootMargin: '400px' },
    ).observe(end);
  }

  update(chosen: Picture | undefined): void {
    this.#chosen = chosen;
    const { all } = this.#pictures;
    const present = new Set(all);
    for (const picture of this.#tiles.keys()) if (!present.has(picture)) this.#tiles.delete(picture);
    const tiles = all.map((picture) => {
      const tile = this.#tiles.get(picture) ?? this.#makeTile(picture);
      this.updateTile(picture);
      return tile.item;
    });
    // Only what moved is touched: replacing a focused tile would drop the focus.
    for (const [i, item] of tiles.entries())
      if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
    while (list.childElementCount > tiles.length) list.lastElementChild!.remove();
    empty.hidden = all.length > 0 || this.#pictures.hasMore;
    // Taken away and put back, it is looked at again: a page may not have filled the window.
    end.hidden = true;
    if (this.#pictures.hasMore) requestAnimationFrame(() => (end.hidden = false));
    clear.hidden = all.every(isUnderWay);
    this.#disarm();
  }

  updateTile(picture: Picture): void {
    clear.hidden = this.#pictures.all.every(isUnderWay);
    const tile = this.#tiles.get(picture);
    if (!tile) return;
    const { link, image, badge, done } = tile;
    const url = picture.result?.imageURL ?? picture.looks.at(-1);
    image.hidden = url === undefined;
    if (url !== undefined && tile.url !== url) {
      tile.url = url;
      if (picture.result) showFinished(image, url, () => void this.#missing(picture, tile));
      else image.src = url;
    }
    badge.textContent =
      picture.state === 'waiting' ? 'Waiting' : url === undefined && !isUnderWay(picture) ? picture.state : '';
    done.hidden = picture.state !== 'running';
    done.style.transform = `scaleX(${picture.stepsDone / (picture.steps ?? 1)})`;
    if (picture.result) link.href = picture.result.imageURL;
    link.ariaLabel = `${picture.recipe.positivePrompt}${picture.result ? '' : `, ${picture.state}`}`;
    link.ariaCurrent = String(picture === this.#chosen);
  }

  #makeTile(picture: Picture): Tile {
    const image = make('img', { alt: '', loading: 'lazy', draggable: false });
    const badge = make('span', { className: 'badge' });
    const done = make('span', { className: 'bar-done' });
    // A link, because links can be dragged in every browser, opened beside, and reached by keyboard.
    const link = make('a', { tabIndex: 0, title: picture.recipe.positivePrompt }, image, badge, done);
    link.role = 'button';
    const choose = (event: Event) => {
      event.preventDefault();
      this.onchoose(picture);
    };
    link.addEventListener('click', (event) => {
      if (!event.metaKey && !event.ctrlKey && !event.shiftKey) choose(event);
    });
    link.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') choose(event);
    });
    link.addEventListener('dragstart', (event) => {
      if (!picture.result || !event.dataTransfer) return event.preventDefault();
      fillDrag(picture, event.dataTransfer);
      event.dataTransfer.setDragImage(image, 44, 44);
    });
    const tile: Tile = { item: make('li', {}, link), link, image, badge, done, url: undefined };
    this.#tiles.set(picture, tile);
    return tile;
  }

  /** A picture that does not load is forgotten only when the server says that it is gone. */
  async #missing(picture: Picture, tile: Tile): Promise<void> {
    tile.image.hidden = true;
    tile.badge.textContent = 'Not here';
    const answer = await fetch(picture.result!.imageURL, { method: 'HEAD' }).catch(() => undefined);
    if (answer?.status === 404 || answer?.status === 410) await this.#pictures.remove(picture);
  }

  #clear(): void {
    if (clear.dataset.armed) {
      this.#disarm();
      this.onclear();
      return;
    }
    const finished = this.#pictures.all.filter((picture) => !isUnderWay(picture)).length;
    clear.dataset.armed = 'true';
    clear.textContent = this.#pictures.hasMore
      ? 'Delete every picture?'
      : finished === 1
        ? 'Delete this one?'
        : `Delete all ${finished}?`;
  }

  #disarm(): void {
    delete clear.dataset.armed;
    clear.textContent = 'Clear';
  }
}

interface Tile {
  item: HTMLLIElement;
  link: HTMLAnchorElement;
  image: HTMLImageElement;
  badge: HTMLElement;
  done: HTMLElement;
  /** What `image` shows. */
  url: string | undefined;
}
