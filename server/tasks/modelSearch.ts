import type { CheckpointItem, MayWarn, ModelItem } from '../../protocol/replies.ts';
import type { ModelSearchTask } from '../../protocol/tasks/modelSearch.ts';
import { schedulerSpellings } from '../../runtime/index.ts';
import type { CatalogEntry, ModelKind } from '../catalog/catalog.ts';
import { noteOf, tinyDecoderOf } from '../catalog/taskModels.ts';
import { interpolation } from '../catalog/upscalers.ts';
import type { Context } from '../context.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { warned } from '../lifecycle/results.ts';

/** Runware's category of each kind, which also tells the parameter that takes it. */
const categories: Record<ModelKind, ModelItem['category']> = {
  checkpoint: 'checkpoint',
  lora: 'lora',
  embedding: 'embeddings',
  controlNet: 'controlnet',
  vae: 'vae',
  tinyVae: 'vae',
  ipAdapter: 'ipadapter',
  upscaler: 'upscaler',
  // Never listed.
  textEncoder: 'checkpoint',
  imageEncoder: 'checkpoint',
};

/** The condition under which the negative prompt has an effect. */
const guidanceWords: Record<CatalogEntry['model']['guidanceRule'], CheckpointItem['guidance']> = {
  never: 'none',
  'above 1': 'CFGScale',
  'above 0': 'CFGScale',
  'true scale': 'trueCFGScale',
};

/** Lists the matching models of the catalog, unavailable ones with their reason. */
export async function modelSearch(
  task: ModelSearchTask & MayWarn,
  caller: Caller,
  { catalog }: Context,
): Promise<void> {
  const schedulers = new Map<string, string[]>();
  const entries = await catalog.list();
  // Interpolation is listed with the networks that it stands beside.
  const listed = task.category === 'upscaler' ? [...entries, interpolation] : entries;
  const found = listed.filter((entry) => matches(entry, task));
  caller.data({
    taskType: task.taskType,
    taskUUID: task.taskUUID,
    results: found
      .slice(task.offset, task.offset + task.limit)
      .map((entry) => toItem(entry, entries, { schedulers, note: noteOf(entry, entries, catalog.defaultVaes) })),
    totalResults: found.length,
    ...warned(task),
  });
}

function matches({ ids, kind, model }: CatalogEntry, task: ModelSearchTask): boolean {
  const { category, type, architecture, tags = [], search = '' } = task;
  if (category !== undefined && category !== categories[kind]) return false;
  if (type !== undefined && type.toLowerCase() !== typeOf(kind, model).toLowerCase()) return false;
  if (architecture !== undefined && !architecturesOf(model).includes(architecture.toLowerCase())) return false;
  const ownTags = model.tags.map((tag) => tag.toLowerCase());
  if (!tags.every((tag) => ownTags.includes(tag.toLowerCase()))) return false;
  const text = [...ids, model.name, model.description ?? '', ...ownTags].join(' ').toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** From the most specific name to the family: sd1x is an sd. */
function architecturesOf({ architecture, family }: CatalogEntry['model']): string[] {
  const known = [architecture, family].filter((word) => word !== 'unknown');
  return known.length === 0 ? ['unknown'] : known;
}

function toItem(
  entry: CatalogEntry,
  entries: readonly CatalogEntry[],
  { schedulers, note }: { schedulers: Map<string, string[]>; note: string | undefined },
): ModelItem {
  const { air, kind, model } = entry;
  const category = categories[kind];
  const common = {
    air,
    name: model.name,
    version: air.split('@')[1] ?? '1',
    architecture: architecturesOf(model)[0]!,
    type: typeOf(kind, model),
    tags: model.tags,
    private: true,
    comment: model.description ?? '',
    available: model.available,
    ...(note !== undefined && { reason: note }),
    precision: model.precision,
    sizeBytes: model.sizeBytes,
  };
  if (category === 'upscaler') return { ...common, category, scale: model.upscaler?.scale ?? 1 };
  if (category !== 'checkpoint') return { ...common, category };
  return {
    ...common,
    category,
    defaultWidth: model.defaultWidth,
    defaultHeight: model.defaultHeight,
    defaultSteps: model.defaultSteps,
    defaultScheduler: model.defaultScheduler,
    defaultCFG: model.defaultGuidanceScale,
    defaultStrength: model.defaultStrength,
    sizeMultiple: model.sizeMultiple,
    guidance: guidanceWords[model.guidanceRule],
    referenceImages: model.mostReferences,
    schedulers: spellingsFor(model.defaultScheduler, schedulers),
    previewDecoders: ['linear', ...(tinyDecoderOf(entry, entries) === undefined ? [] : ['tiny'])],
  } satisfies CheckpointItem;
}

/** Schedulers that work with models that have this default scheduler. */
function spellingsFor(className: string, known: Map<string, string[]>): string[] {
  const spellings = known.get(className) ?? schedulerSpellings({ _class_name: className });
  known.set(className, spellings);
  return spellings;
}

/** Runware's types `base` and `refiner` for checkpoints; for the others the kind. */
function typeOf(kind: ModelKind, model: CatalogEntry['model']): string {
  if (kind !== 'checkpoint') return kind;
  return model.refiner === true ? 'refiner' : 'base';
}
