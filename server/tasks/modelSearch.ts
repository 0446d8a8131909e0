import type { ModelItem } from '../../protocol/replies.ts';
import type { ModelSearchTask } from '../../protocol/tasks/modelSearch.ts';
import { schedulerSpellings } from '../../runtime/index.ts';
import type { Caller } from '../caller.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { Context } from '../context.ts';

/** Lists the models of the catalog that fit, the unavailable ones with their reason. */
export async function modelSearch(task: ModelSearchTask, caller: Caller, { catalog }: Context): Promise<void> {
  const schedulers = schedulerSpellings();
  const found = (await catalog.list()).filter((entry) => matches(entry, task));
  caller.data({
    taskType: task.taskType,
    taskUUID: task.taskUUID,
    results: found.slice(task.offset, task.offset + task.limit).map((entry) => toItem(entry, schedulers)),
    totalResults: found.length,
  });
}

function matches({ ids, model }: CatalogEntry, task: ModelSearchTask): boolean {
  const { category, architecture, tags = [], search = '' } = task;
  if (category !== undefined && category.toLowerCase() !== 'checkpoint') return false;
  if (architecture !== undefined && architecture.toLowerCase() !== model.family.toLowerCase()) return false;
  const ownTags = model.tags.map((tag) => tag.toLowerCase());
  if (!tags.every((tag) => ownTags.includes(tag.toLowerCase()))) return false;
  const text = [...ids, model.name, model.description ?? '', ...ownTags].join(' ').toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function toItem({ air, model }: CatalogEntry, schedulers: string[]): ModelItem {
  return {
    air,
    name: model.name,
    version: air.split('@')[1] ?? '1',
    category: 'checkpoint',
    architecture: model.family,
    type: 'base',
    tags: model.tags,
    private: true,
    comment: model.description ?? '',
    defaultWidth: model.defaultWidth,
    defaultHeight: model.defaultHeight,
    defaultSteps: model.defaultSteps,
    defaultScheduler: model.defaultScheduler,
    defaultCFG: model.defaultGuidanceScale,
    available: model.available,
    ...(model.reason !== undefined && { reason: model.reason }),
    schedulers,
    sizeBytes: model.sizeBytes,
  };
}
