import type { TaskResult } from '../typescript/index.ts';
import { GalleryStore, type PictureKey, type SavedPicture } from './galleryStore.ts';
import type { Recipe } from './recipe.ts';

/** One picture: one result of a task, under way or finished. */
export interface Picture {
  readonly taskUUID: string;
  readonly resultIndex: number;
  readonly recipe: Recipe;
  /** How many times as wide and high as its recipe says; absent: not enlarged. */
  readonly enlarged?: number | undefined;
  state: 'waiting' | 'running' | 'finished' | 'cancelled' | 'failed';
  /** Tasks before this one, while it waits. */
  position?: number;
  /** What is read from disk before it goes on, and percent of all that is. */
  loading?: { component: string; progress: number } | undefined;
  /** Steps really run, known once it started, and those done. */
  steps?: number;
  stepsDone: number;
  startedAt?: number;
  elapsedMs?: number;
  /** Object URL of the preview of each step; holes where none came. Only pictures of this visit have any. */
  readonly looks: string[];
  result?: { imageUUID: string; imageURL: string; seed: string };
  /** What of the task had no effect. Only pictures of this visit have any. */
  warnings?: string[];
  /** When it was finished, in milliseconds since 1970. */
  madeAt?: number;
}

export const isUnderWay = ({ state }: Picture): boolean => state === 'waiting' || state === 'running';

/**
 * The pictures of the gallery, newest first: those under way, and of the finished ones as many as were asked for. Finished
 * ones are remembered by the browser; their files stay on the server.
 */
export class Pictures {
  /** Told after each change; `picture` is absent when the list itself changed. */
  onchange: (picture?: Picture) => void = () => {};
  /** Told when the browser has no room to remember a picture. */
  onfull: () => void = () => {};
  readonly all: Picture[] = [];
  /** Whether older ones than those in {@link all} are remembered. */
  hasMore = true;
  readonly #store = new GalleryStore();
  /** The oldest one that was read. */
  #oldest: SavedPicture | undefined;
  #loading: Promise<void> | undefined;

  constructor() {
    this.#store.onchange = (change) => {
      if ('put' in change) this.#show(change.put);
      else this.#forget(change.removed);
      this.onchange();
    };
  }

  /** Whether pictures are still here after the tab is closed. */
  isLasting(): Promise<boolean> {
    return this.#store.isLasting();
  }

  /** Reads the next ones, older than those that were read before. */
  loadMore(): Promise<void> {
    this.#loading ??= this.#loadMore().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #loadMore(): Promise<void> {
    if (!this.hasMore) return;
    const page = await this.#store.page(pageLength, this.#oldest);
    this.hasMore = page.length === pageLength;
    this.#oldest = page.at(-1) ?? this.#oldest;
    for (const saved of page) this.#show(saved);
    this.onchange();
  }

  find(taskUUID: string, resultIndex: number): Picture | undefined {
    return this.all.find((picture) => picture.taskUUID === taskUUID && picture.resultIndex === resultIndex);
  }

  add(taskUUID: string, resultIndex: number, recipe: Recipe, enlarged?: number): Picture {
    const picture: Picture = { taskUUID, resultIndex, recipe, enlarged, state: 'waiting', stepsDone: 0, looks: [] };
    this.all.unshift(picture);
    // Previews are a few kilobytes each; only the latest pictures keep theirs, so that an open page does not grow.
    for (const older of this.all.slice(mostWithLooks)) forgetLooks(older);
    this.onchange();
    return picture;
  }

  change(picture: Picture, changes: Partial<Picture>): void {
    Object.assign(picture, changes);
    this.onchange(picture);
  }

  addLook(picture: Picture, step: number, image: Uint8Array<ArrayBuffer>, mime: string): void {
    const replaced = picture.looks[step];
    picture.looks[step] = URL.createObjectURL(new Blob([image], { type: mime }));
    if (replaced !== undefined) URL.revokeObjectURL(replaced);
    this.onchange(picture);
  }

  /** An enlarged picture has the seed of the one it was made of. */
  finish(picture: Picture, { imageUUID, imageURL, warnings = [], ...origin }: TaskResult): void {
    // A task that is sent again after a reload has its earlier results again.
    if (picture.result) return;
    const elapsedMs = picture.startedAt === undefined ? undefined : performance.now() - picture.startedAt;
    const seed = 'seed' in origin ? String(origin.seed) : (picture.recipe.seed ?? '');
    const result = { imageUUID, imageURL, seed };
    const madeAt = Date.now();
    this.change(picture, {
      ...{ state: 'finished', result, madeAt, loading: undefined, warnings: warnings.map(({ message }) => message) },
      ...(elapsedMs !== undefined && { elapsedMs }),
      ...(picture.steps && { stepsDone: picture.steps }),
    });
    const { taskUUID, resultIndex, recipe, enlarged, steps } = picture;
    this.#store
      .put({ taskUUID, resultIndex, recipe, enlarged, steps, elapsedMs, result, madeAt })
      .catch(() => this.onfull());
  }

  async remove(...pictures: Picture[]): Promise<void> {
    const keys = pictures.map(({ taskUUID, resultIndex }): PictureKey => [taskUUID, resultIndex]);
    this.#forget(keys);
    this.onchange();
    await this.#store.remove(...keys);
  }

  /** Puts a remembered picture in its place, unless it is there. */
  #show(saved: SavedPicture): void {
    const known = this.find(saved.taskUUID, saved.resultIndex);
    if (known) return;
    const { steps, elapsedMs, ...rest } = saved;
    const picture: Picture = {
      ...{ ...rest, state: 'finished', stepsDone: steps ?? 0, looks: [] },
      ...(steps !== undefined && { steps }),
      ...(elapsedMs !== undefined && { elapsedMs }),
    };
    const place = this.all.findIndex(({ madeAt }) => madeAt !== undefined && madeAt < saved.madeAt);
    this.all.splice(place < 0 ? this.all.length : place, 0, picture);
  }

  #forget(keys: readonly PictureKey[]): void {
    for (const key of keys) {
      const picture = this.find(...key);
      if (picture === undefined) continue;
      this.all.splice(this.all.indexOf(picture), 1);
      forgetLooks(picture);
    }
  }
}

/** How many pictures are read at a time: more than a large window shows. */
const pageLength = 60;
const mostWithLooks = 40;

function forgetLooks(picture: Picture): void {
  for (const url of picture.looks) if (url !== undefined) URL.revokeObjectURL(url);
  picture.looks.length = 0;
}

/** The same path on the page's own host: where the host in the server's URLs cannot be reached. */
const nearURL = (imageURL: string): string => new URL(new URL(imageURL, location.href).pathname, location.href).href;

/** The file of a finished picture. Throws where the server no longer has it. */
export async function fetchPicture(imageURL: string): Promise<Blob> {
  const answer = await fetch(imageURL).catch(() => fetch(nearURL(imageURL)));
  if (!answer.ok) throw new Error(`${imageURL} answered with ${answer.status}.`);
  return await answer.blob();
}

/**
 * Shows a finished picture in an `img`. Through a tunnel or a proxy the host in the server's URLs may be wrong, so the same
 * path on the page's own host is tried before giving up.
 */
export function showFinished(image: HTMLImageElement, imageURL: string, onmissing: () => void = () => {}): void {
  image.onerror = () => {
    const near = nearURL(imageURL);
    if (image.src === near || near === imageURL) {
      image.onerror = null;
      onmissing();
    } else {
      image.src = near;
    }
  };
  image.src = imageURL;
}
