import type { ImageResult, UploadedImage } from '../typescript/index.ts';
import { kept } from './elements.ts';

/** The parameters a picture was made with; seeds and all, as the form writes them. */
export interface Recipe {
  positivePrompt: string;
  negativePrompt?: string;
  model?: string;
  width: number;
  height: number;
  steps: number;
  CFGScale: number;
  scheduler?: string;
  /** Digits: a seed may be larger than a number holds. */
  seed?: string;
  seedImage?: UploadedImage;
  strength?: number;
  /** White where the seed image changes. */
  maskImage?: UploadedImage;
  /** Pixels added around the seed image; width and height count them. */
  outpaint?: { top: number; right: number; bottom: number; left: number; blur: number };
  vae?: string;
  refiner?: { model: string; startStepPercentage: number };
  lora?: { model: string; weight: number }[];
  embeddings?: { model: string; weight: number }[];
  controlNet?: { model: string; weight: number; guideImage: UploadedImage }[];
}

/** One picture: one result of a task, under way or finished. */
export interface Picture {
  readonly taskUUID: string;
  readonly resultIndex: number;
  readonly recipe: Recipe;
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
}

export const isUnderWay = ({ state }: Picture): boolean => state === 'waiting' || state === 'running';

/** The pictures of the gallery, newest first. Finished ones are remembered by UUID; their files stay on the server. */
export class Pictures {
  /** Told after each change; `picture` is absent when the list itself changed. */
  onchange: (picture?: Picture) => void = () => {};
  readonly all: Picture[];

  constructor() {
    this.all = (kept.read<SavedPicture[]>('gallery') ?? []).map((saved) => ({
      ...saved,
      state: 'finished',
      stepsDone: saved.steps ?? 0,
      looks: [],
    }));
  }

  find(taskUUID: string, resultIndex: number): Picture | undefined {
    return this.all.find((picture) => picture.taskUUID === taskUUID && picture.resultIndex === resultIndex);
  }

  add(taskUUID: string, resultIndex: number, recipe: Recipe): Picture {
    const picture: Picture = { taskUUID, resultIndex, recipe, state: 'waiting', stepsDone: 0, looks: [] };
    this.all.unshift(picture);
    for (const forgotten of this.all.splice(mostPictures)) forgetLooks(forgotten);
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

  finish(picture: Picture, { imageUUID, imageURL, seed }: ImageResult): void {
    const elapsedMs = performance.now() - (picture.startedAt ?? performance.now());
    const result = { imageUUID, imageURL, seed: String(seed) };
    this.change(picture, { state: 'finished', elapsedMs, result, ...(picture.steps && { stepsDone: picture.steps }) });
    this.#save();
  }

  remove(...pictures: Picture[]): void {
    for (const picture of pictures) {
      this.all.splice(this.all.indexOf(picture), 1);
      forgetLooks(picture);
    }
    this.#save();
    this.onchange();
  }

  #save(): void {
    const saved = this.all.filter((picture) => picture.result !== undefined);
    kept.write(
      'gallery',
      saved.map(({ taskUUID, resultIndex, recipe, steps, elapsedMs, result }) => ({
        ...{ taskUUID, resultIndex, recipe, steps, elapsedMs, result },
      })),
    );
  }
}

type SavedPicture = Pick<Picture, 'taskUUID' | 'resultIndex' | 'recipe' | 'result'> & {
  steps?: number;
  elapsedMs?: number;
};

const mostPictures = 200;
const mostWithLooks = 40;

function forgetLooks(picture: Picture): void {
  for (const url of picture.looks) if (url !== undefined) URL.revokeObjectURL(url);
  picture.looks.length = 0;
}

/** The same path on the page's own host: where the host that the server believes to have cannot be reached. */
const nearURL = (imageURL: string): string => new URL(new URL(imageURL, location.href).pathname, location.href).href;

/** The file of a finished picture. Throws where the server no longer has it. */
export async function fetchPicture(imageURL: string): Promise<Blob> {
  const answer = await fetch(imageURL).catch(() => fetch(nearURL(imageURL)));
  if (!answer.ok) throw new Error(`${imageURL} answered with ${answer.status}.`);
  return await answer.blob();
}

/**
 * Shows a finished picture in an `img`. The server's URLs name the host it believes to have; through a tunnel or a proxy
 * that may be wrong, so the same path on the page's own host is tried before giving up.
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
