import { kept } from './elements.ts';
import type { Recipe } from './recipe.ts';

/** A finished picture as this browser remembers it; its file is on the server. */
export interface SavedPicture {
  taskUUID: string;
  resultIndex: number;
  recipe: Recipe;
  /** How many times as wide and high as its recipe says. */
  enlarged?: number | undefined;
  steps?: number | undefined;
  elapsedMs?: number | undefined;
  result: { imageUUID: string; imageURL: string; seed: string };
  /** Milliseconds since 1970. */
  madeAt: number;
}

export type PictureKey = [taskUUID: string, resultIndex: number];

/** What another tab did. */
type Change = { put: SavedPicture } | { removed: PictureKey[] };

/**
 * The gallery of this browser, the same in every tab: one record for each picture, so that no tab writes over what another
 * one did, and no limit but the browser's room. Where a browser forbids storage it lives as long as the tab.
 */
export class GalleryStore {
  /** Called with the changes of other tabs. */
  onchange: (change: Change) => void = () => {};
  /** Absent where the browser keeps nothing. */
  readonly #database: Promise<IDBDatabase | undefined> = openDatabase();
  readonly #channel = new BroadcastChannel('latentwire.gallery');

  constructor() {
    this.#channel.addEventListener('message', ({ data }) => this.onchange(data as Change));
  }

  /** Whether pictures are still here after the tab is closed. */
  async isLasting(): Promise<boolean> {
    return (await this.#database) !== undefined;
  }

  /** The newest pictures, or those that follow the oldest one that is known. */
  async page(limit: number, after?: SavedPicture): Promise<SavedPicture[]> {
    const pictures = await this.#pictures('readonly');
    if (pictures === undefined) return [];
    const range = after && IDBKeyRange.upperBound([after.madeAt, after.taskUUID, after.resultIndex], true);
    const found: SavedPicture[] = [];
    const walk = pictures.index('newest').openCursor(range ?? null, 'prev');
    await new Promise<void>((resolve, reject) => {
      walk.onerror = () => reject(walk.error);
      walk.onsuccess = () => {
        const cursor = walk.result;
        if (cursor) found.push(cursor.value as SavedPicture);
        if (!cursor || found.length === limit) resolve();
        else cursor.continue();
      };
    });
    return found;
  }

  async count(): Promise<number> {
    const pictures = await this.#pictures('readonly');
    return pictures === undefined ? 0 : await settled(pictures.count());
  }

  /** Rejects where the browser has no room for another one. */
  async put(picture: SavedPicture): Promise<void> {
    const pictures = await this.#pictures('readwrite');
    if (pictures === undefined) return;
    pictures.put(picture);
    await committed(pictures.transaction);
    this.#channel.postMessage({ put: picture } satisfies Change);
  }

  async remove(...keys: PictureKey[]): Promise<void> {
    const pictures = await this.#pictures('readwrite');
    if (pictures === undefined) return;
    for (const key of keys) pictures.delete(key);
    await committed(pictures.transaction);
    this.#channel.postMessage({ removed: keys } satisfies Change);
  }

  async #pictures(mode: IDBTransactionMode): Promise<IDBObjectStore | undefined> {
    return (await this.#database)?.transaction('pictures', mode).objectStore('pictures');
  }
}

async function openDatabase(): Promise<IDBDatabase | undefined> {
  try {
    const request = indexedDB.open('latentwire', 1);
    request.onupgradeneeded = () => {
      const pictures = request.result.createObjectStore('pictures', { keyPath: ['taskUUID', 'resultIndex'] });
      pictures.createIndex('newest', ['madeAt', 'taskUUID', 'resultIndex']);
      // Earlier versions of the page kept a list in localStorage, the newest first.
      const earlier = kept.read<Omit<SavedPicture, 'madeAt'>[]>('gallery') ?? [];
      for (const [i, picture] of earlier.entries()) pictures.put({ ...picture, madeAt: Date.now() - i });
      kept.remove('gallery');
    };
    return await settled(request);
  } catch {
    return undefined;
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
