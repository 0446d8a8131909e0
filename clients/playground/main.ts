import {
  type Generation,
  type ImageTask,
  LatentwireError,
  type ModelCategory,
  type TaskResult,
  type UploadedImage,
  type UpscaleTask,
} from '../typescript/index.ts';
import { type Companion, Companions } from './companions.ts';
import { count, find, kept, make } from './elements.ts';
import { fillDrag, Gallery } from './gallery.ts';
import type { Upload } from './imageSlot.ts';
import { Link } from './link.ts';
import { OtherModels } from './otherModels.ts';
import { fetchPicture, isUnderWay, type Picture, Pictures } from './pictures.ts';
import type { Recipe } from './recipe.ts';
import { RecipeOffer } from './recipeOffer.ts';
import type { FoundRecipe } from './recipeReader.ts';
import { References } from './references.ts';
import { SeedImage } from './seedImage.ts';
import { Settings } from './settings.ts';
import { Stage } from './stage.ts';
import { type UnfinishedTask, unfinishedTasks } from './unfinished.ts';

/** Few enough for a server to take at once, many enough that the way there and back does not count. */
const deletesAtOnce = 16;

const examples = [
  'a red potion on a blue table',
  'the sea at sunset',
  'a purple chest on grass',
  'a golden mushroom in the snow',
  'an orange heart on a green table',
];

const announcer = find('announcer', HTMLElement);
const cancel = find('cancel', HTMLButtonElement);
const form = find('form', HTMLFormElement);
const actions = {
  seedImage: find('act-seed-image', HTMLButtonElement),
  enlarge: { 2: find('act-enlarge-2', HTMLButtonElement), 4: find('act-enlarge-4', HTMLButtonElement) },
  reuse: find('act-reuse', HTMLButtonElement),
  copy: find('act-copy', HTMLButtonElement),
  download: find('act-download', HTMLButtonElement),
  remove: find('act-remove', HTMLButtonElement),
};

const pictures = new Pictures();
const stage = new Stage();
const gallery = new Gallery(pictures);
const settings = new Settings();
const link = new Link();
const upload: Upload = (image) => link.client.upload(image);
const seedImage = new SeedImage(upload);
const loras = new Companions({
  id: 'loras',
  word: 'LoRA',
  weight: { min: -4, max: 4, sliderMin: -1, sliderMax: 2 },
});
const embeddings = new Companions({
  id: 'embeddings',
  word: 'Embedding',
  weight: { min: -4, max: 4, sliderMin: -1, sliderMax: 2 },
});
const otherModels = new OtherModels();
/** The finished picture that the page shows. */
function shown(): UploadedImage | undefined {
  const { imageUUID, imageURL } = stage.picture?.result ?? {};
  return imageUUID !== undefined && imageURL !== undefined ? { imageUUID, imageURL } : undefined;
}
const controlNets = new Companions({
  id: 'control-nets',
  word: 'ControlNet',
  weight: { min: 0, max: 1, sliderMin: 0, sliderMax: 1 },
  guide: { invitation: 'Drop a guide image here, such as edges, depth or a pose.', upload, shown },
});
const ipAdapters = new Companions({
  id: 'ip-adapters',
  word: 'Image prompt',
  weight: { min: -2, max: 2, sliderMin: 0, sliderMax: 1.5 },
  guide: { invitation: 'Drop a picture here whose content or style to draw.', upload, shown },
});
const references = new References(upload, shown);
/** What is on its way, by the UUID of the task. */
const unfinished = new Map<string, Generation<TaskResult>>();
const earlierTasks = unfinishedTasks.read();

function choose(picture: Picture | undefined): void {
  armed(false);
  stage.show(picture);
  gallery.update(picture);
  drawActions();
}

/** Of an enlarged picture. */
const mostPixels = 4096 ** 2;

function pixelsOf({ recipe, enlarged = 1 }: Picture): number {
  return recipe.width * recipe.height * enlarged ** 2;
}

function drawActions(): void {
  const { picture } = stage;
  const finished = picture?.result !== undefined;
  for (const button of [actions.seedImage, actions.copy, actions.download]) button.hidden = !finished;
  for (const [factor, button] of Object.entries(actions.enlarge)) {
    button.hidden = !finished || pixelsOf(picture!) * Number(factor) ** 2 > mostPixels;
  }
  actions.reuse.hidden = picture === undefined;
  actions.remove.hidden = picture === undefined || isUnderWay(picture);
  cancel.hidden = unfinished.size === 0;
}

pictures.onchange = (picture) => {
  if (picture) gallery.updateTile(picture);
  else if (stage.picture && !pictures.all.includes(stage.picture)) choose(pictures.all[0]);
  else gallery.update(stage.picture);
  if (picture && picture === stage.picture) stage.update();
  drawActions();
};
settings.shownSeed = () => stage.picture?.result?.seed;
gallery.onchoose = choose;
stage.ondrag = fillDrag;

references.onsize = (size) => settings.likeReference(size);
settings.onmodel = (model) => {
  for (const list of [loras, embeddings, controlNets, ipAdapters, otherModels, references]) list.model = model;
};
for (const [key, list] of Object.entries({ loras, embeddings })) {
  list.write(kept.read<Companion[]>(key) ?? []);
  list.onchange = () => kept.write(key, list.read());
}
otherModels.write(kept.read<Pick<Recipe, 'vae' | 'refiner'>>('otherModels') ?? {});
otherModels.onchange = () => kept.write('otherModels', otherModels.read());

const offer = new RecipeOffer(useFound);
seedImage.onfile = (file) => void offer.read(file);

/** @returns what is not here, in words for people */
function useFound(found: FoundRecipe): string[] {
  const unused = settings.use(found);
  const lists = [
    ['LoRA', loras, found.lora],
    ['embedding', embeddings, found.embeddings],
  ] as const;
  for (const [word, list, wanted] of lists) {
    list.write(wanted);
    const used = new Set(list.read().map(({ model }) => model));
    list.write(wanted.filter(({ model }) => used.has(model)));
    unused.push(...wanted.flatMap(({ model }) => (used.has(model) ? [] : [`${word} ${model}`])));
  }
  otherModels.write(found.vae === undefined ? {} : { vae: found.vae });
  if (found.vae !== undefined && otherModels.read().vae !== found.vae) {
    otherModels.write({});
    unused.push(`VAE ${found.vae}`);
  }
  return [...unused, ...found.others];
}

link.onopen = async () => {
  const list = <Category extends ModelCategory>(category: Category) => link.client.models({ category }).catch(() => []);
  const [models, parts] = await Promise.all([
    list('checkpoint'),
    Promise.all([list('lora'), list('embeddings'), list('controlnet'), list('ipadapter'), list('vae')]),
  ]);
  settings.models = models;
  const vaes = parts[4];
  [loras.known, embeddings.known, controlNets.known, ipAdapters.known] = parts;
  otherModels.know(
    vaes.filter(({ type }) => type === 'vae'),
    models.filter(({ type }) => type === 'refiner'),
  );
};

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  settings.clearErrors();
  const recipe = settings.read();
  const { numberResults } = settings;
  try {
    Object.assign(recipe, await readPictures());
  } catch (error) {
    settings.showError(error as Error);
    return;
  }
  // What is added has nothing to keep, which is what the strength is about.
  if (!recipe.seedImage || recipe.outpaint) delete recipe.strength;
  if (recipe.outpaint) resize(recipe, 1);
  void generate(recipe, numberResults);
});

/** What the server must have before the task, the seed image and the mask, and what acts beside the model. */
async function readPictures(): Promise<Partial<Recipe>> {
  const guided = [controlNets, ipAdapters, references].map((list) => list.ready());
  const [pictures] = await Promise.all([seedImage.forTask(), ...guided]);
  const lists = {
    lora: loras.read(),
    embeddings: embeddings.read(),
    controlNet: controlNets.read() as NonNullable<Recipe['controlNet']>,
    ipAdapters: ipAdapters.read() as NonNullable<Recipe['ipAdapters']>,
    referenceImages: references.read(),
  };
  const used = Object.entries(lists).filter(([, list]) => list.length > 0);
  return { ...pictures, ...otherModels.read(), ...Object.fromEntries(used) };
}

/** Counts what outpainting adds into the size, or out of it: the form's size is that of the part that is kept. */
function resize(recipe: Recipe, by: 1 | -1): void {
  const { top, right, bottom, left } = recipe.outpaint!;
  recipe.width += by * (left + right);
  recipe.height += by * (top + bottom);
}

async function generate(recipe: Recipe, numberResults: number): Promise<void> {
  const { seed: _, seedImage: from, maskImage, width, height, ...rest } = recipe;
  const { controlNet, ipAdapters, referenceImages, ...parameters } = rest;
  const decoder = settings.previewDecoder;
  const task: ImageTask = {
    ...parameters,
    // The size that is shown: without one, a picture gets that of its first reference.
    ...((recipe.outpaint || referenceImages || !settings.isOwnSize(recipe)) && { width, height }),
    ...(from && { seedImage: from.imageUUID }),
    ...(maskImage && { maskImage: maskImage.imageUUID }),
    ...(controlNet && {
      controlNet: controlNet.map((one) => ({ ...one, guideImage: one.guideImage.imageUUID })),
    }),
    ...(ipAdapters && {
      ipAdapters: ipAdapters.map(({ guideImage, ...one }) => ({ ...one, guideImages: [guideImage.imageUUID] })),
    }),
    ...(referenceImages && { referenceImages: referenceImages.map(({ imageUUID }) => imageUUID) }),
    ...(decoder !== undefined && { previews: { decoder } }),
    numberResults,
    outputFormat: 'PNG',
  };
  await follow(recipe, task);
}

/** Goes on with a task that an earlier load of the page has sent. */
async function resume({ taskUUID, recipe, task, enlarged }: UnfinishedTask): Promise<void> {
  const first = pictures.find(taskUUID, 0) ?? pictures.add(taskUUID, 0, recipe, enlarged);
  if (isUnderWay(first)) choose(first);
  await follow(recipe, { ...task, taskUUID }, enlarged);
}

/** Enlarges the finished picture that is shown. */
async function enlarge(factor: 2 | 4): Promise<void> {
  const { recipe, enlarged = 1, result } = stage.picture!;
  const { imageUUID, seed } = result!;
  settings.clearErrors();
  const task: UpscaleTask = { inputImage: imageUUID, upscaleFactor: factor, outputFormat: 'PNG' };
  await follow({ ...recipe, seed }, task, enlarged * factor);
}

/** Sends a task and shows what becomes of it. @param enlarged - how many times as wide and high the result is as its recipe says */
async function follow(recipe: Recipe, task: ImageTask | UpscaleTask, enlarged?: number): Promise<void> {
  const { seed } = recipe;
  let generation: Generation<TaskResult>;
  try {
    generation = isUpscale(task)
      ? link.client.upscale(task)
      : link.client.generate({ ...task, ...(seed !== undefined && { seed: readSeed(seed) }) });
  } catch (error) {
    settings.showError(error as Error);
    return;
  }
  const { taskUUID } = generation;
  unfinished.set(taskUUID, generation);
  unfinishedTasks.add({ taskUUID, recipe, task, enlarged, sentAt: Date.now() });
  const pictureOf = (resultIndex: number): Picture => {
    const known = pictures.find(taskUUID, resultIndex);
    if (known) return known;
    // The stage goes with the task, unless somebody is looking at another picture.
    const follow = resultIndex === 0 || stage.picture?.taskUUID === taskUUID;
    const picture = pictures.add(taskUUID, resultIndex, recipe, enlarged);
    if (follow) choose(picture);
    return picture;
  };
  // Most tasks are answered at once. One that is refused never shows; one that must wait for a connection does.
  const soon = setTimeout(() => pictureOf(0), 200);

  try {
    for await (const event of generation) {
      switch (event.event) {
        case 'queued':
          pictures.change(pictureOf(0), { position: event.position });
          break;
        case 'loading': {
          const { component, progress } = event;
          // Weights are the task's, not one result's.
          pictureOf(0);
          for (const picture of pictures.all.filter((one) => one.taskUUID === taskUUID && isUnderWay(one))) {
            if (picture.loading === undefined) announce('Loading the model');
            pictures.change(picture, { loading: { component, progress } });
          }
          break;
        }
        case 'started':
          pictures.change(pictureOf(event.resultIndex), {
            ...{ state: 'running', steps: event.steps, stepsDone: 0, startedAt: performance.now() },
          });
          break;
        case 'stepped':
          // A run that is joined after a reload has started before.
          pictures.change(pictureOf(event.resultIndex), {
            ...{ state: 'running', steps: event.steps, stepsDone: event.step + 1, loading: undefined },
          });
          announceStep(event.step + 1, event.steps);
          break;
        case 'previewed':
          pictures.addLook(pictureOf(event.resultIndex), event.step, event.image, event.mime);
          break;
        case 'result': {
          const picture = pictureOf(event.resultIndex);
          pictures.finish(picture, event);
          const { elapsedMs } = picture;
          announce(elapsedMs === undefined ? 'Finished' : `Finished in ${(elapsedMs / 1000).toFixed(1)} seconds`);
          break;
        }
        case 'cancelled':
          end(taskUUID, 'cancelled');
          announce('Cancelled');
      }
    }
  } catch (error) {
    end(taskUUID, 'failed');
    if (!(error instanceof LatentwireError)) throw error;
    settings.showError(error);
  } finally {
    clearTimeout(soon);
    unfinished.delete(taskUUID);
    unfinishedTasks.remove(taskUUID);
    drawActions();
  }
}

function isUpscale(task: ImageTask | UpscaleTask): task is UpscaleTask {
  return task.inputImage !== undefined;
}

/** What the task did not finish stays to be looked at where there is something to see, and goes where there is not. */
function end(taskUUID: string, state: 'cancelled' | 'failed'): void {
  for (const picture of pictures.all.filter((one) => one.taskUUID === taskUUID && isUnderWay(one))) {
    const elapsedMs = picture.startedAt === undefined ? undefined : performance.now() - picture.startedAt;
    if (picture.looks.length === 0) void pictures.remove(picture);
    else pictures.change(picture, { state, ...(elapsedMs !== undefined && { elapsedMs }) });
  }
}

function readSeed(digits: string): bigint {
  if (!/^\d+$/.test(digits)) {
    throw new LatentwireError({ code: 'invalidSeed', message: 'A seed is a whole number.', parameter: 'seed' });
  }
  return BigInt(digits);
}

function announce(words: string): void {
  announcer.textContent = words;
}

/** Announces quarters, not each step. */
function announceStep(done: number, steps: number): void {
  const quarter = Math.ceil(steps / 4);
  if (done < steps && done % quarter === 0) announce(`Step ${done} of ${steps}`);
}

function cancelOne(): void {
  // The one being looked at, else the one that has waited longest.
  const taskUUID = stage.picture && unfinished.has(stage.picture.taskUUID) ? stage.picture.taskUUID : undefined;
  const generation = unfinished.get(taskUUID ?? '') ?? [...unfinished.values()][0];
  generation?.cancel().catch((error: Error) => settings.showError(error));
}

cancel.addEventListener('click', cancelOne);
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !document.querySelector('dialog[open]')) cancelOne();
  if (event.key === '/' && event.target === document.body) {
    event.preventDefault();
    find('prompt', HTMLTextAreaElement).focus();
  }
});

actions.seedImage.addEventListener('click', () => {
  const { imageUUID, imageURL } = stage.picture!.result!;
  seedImage.image = { imageUUID, imageURL };
  announce('Set as seed image');
});
for (const factor of [2, 4] as const) actions.enlarge[factor].addEventListener('click', () => void enlarge(factor));
actions.reuse.addEventListener('click', () => {
  const { result } = stage.picture!;
  const recipe = { ...stage.picture!.recipe };
  if (recipe.outpaint) resize(recipe, -1);
  settings.write(recipe, result?.seed);
  seedImage.restore(recipe);
  loras.write(recipe.lora ?? []);
  embeddings.write(recipe.embeddings ?? []);
  otherModels.write(recipe);
  controlNets.write(recipe.controlNet ?? []);
  ipAdapters.write(recipe.ipAdapters ?? []);
  references.write(recipe.referenceImages ?? []);
  announce('Settings restored');
});
actions.copy.addEventListener('click', async () => {
  await copyText(stage.picture!.result!.imageUUID);
  const words = actions.copy.querySelector('span')!;
  words.textContent = 'Copied';
  announce('UUID copied');
  setTimeout(() => {
    words.textContent = 'UUID';
  }, 1500);
});
/** A deleted picture cannot be had back, so it takes a second click. */
actions.remove.addEventListener('click', () => {
  if (armed(true)) return;
  void deletePictures([stage.picture!]);
});
actions.remove.addEventListener('blur', () => armed(false));

/** @returns whether the button had been waiting for its first click. */
function armed(arm: boolean): boolean {
  const wasArmed = actions.remove.dataset.armed === 'true';
  actions.remove.dataset.armed = String(arm && !wasArmed);
  actions.remove.querySelector('span')!.textContent = arm && !wasArmed ? 'Delete?' : '';
  return !wasArmed;
}

gallery.onclear = async () => {
  // One page after the other, until only those are left that the server did not delete.
  for (;;) {
    const finished = pictures.all.filter((picture) => !isUnderWay(picture));
    if (finished.length > 0 && !(await deletePictures(finished))) return;
    if (!pictures.hasMore) return;
    await pictures.loadMore();
  }
};

/**
 * Deletes the files on the server, and then the pictures from the gallery.
 *
 * @returns whether all are gone
 */
async function deletePictures(chosen: readonly Picture[]): Promise<boolean> {
  settings.clearErrors();
  const gone: Picture[] = [];
  const failures: LatentwireError[] = [];
  for (let i = 0; i < chosen.length; i += deletesAtOnce) {
    await Promise.all(
      chosen.slice(i, i + deletesAtOnce).map(async (picture) => {
        try {
          if (picture.result) await link.client.deleteImage(picture.result.imageUUID);
          gone.push(picture);
        } catch (error) {
          if (!(error instanceof LatentwireError)) throw error;
          // What is another key's, or gone already, leaves the gallery all the same.
          if (error.code === 'mediaNotFound' || error.code === 'forbiddenMedia') gone.push(picture);
          if (error.code !== 'mediaNotFound') failures.push(error);
        }
      }),
    );
    await pictures.remove(...gone.splice(0));
  }
  const [first] = failures;
  if (first) {
    settings.showError(
      new Error(`The server still has ${count(failures.length, 'deleted picture')}: ${first.message}`),
    );
  }
  return failures.every(({ code }) => code === 'forbiddenMedia');
}
actions.download.addEventListener('click', () => void save());

async function save(): Promise<void> {
  const { recipe, result } = stage.picture!;
  const words = recipe.positivePrompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['picture'];
  const blob = await fetchPicture(result!.imageURL);
  const extension = blob.type.split('/')[1]?.replace('jpeg', 'jpg') ?? 'png';
  const url = URL.createObjectURL(blob);
  make('a', { href: url, download: `${words.slice(0, 8).join('-')}-${result!.seed}.${extension}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The clipboard's own way is missing where the page comes over plain http from another machine. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = make('textarea', { value: text });
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}

find('examples', HTMLUListElement).append(
  ...examples.map((text) => {
    const chip = make('button', { type: 'button', textContent: text });
    chip.addEventListener('click', () => {
      settings.setPrompt(text);
      form.requestSubmit();
    });
    return make('li', {}, chip);
  }),
);

pictures.onfull = () => {
  settings.showError(new Error('The browser has no space for more pictures. Delete some, or download this one.'));
};
if (!(await pictures.isLasting())) {
  find('gallery-empty', HTMLElement).textContent =
    'This browser cannot store a gallery. Pictures are lost when you close the tab.';
}
await pictures.loadMore().catch(() => {});
if (stage.picture === undefined) choose(pictures.all[0]);
for (const task of earlierTasks) void resume(task);
