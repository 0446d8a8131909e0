import type { ImageTask, UpscaleTask } from '../typescript/index.ts';
import type { Recipe } from './recipe.ts';

/** A task that this tab has sent and that has not ended. */
export interface UnfinishedTask {
  taskUUID: string;
  recipe: Recipe;
  /** All but the seed, which JSON might round; the recipe has its digits. */
  task: ImageTask | UpscaleTask;
  /** Of a task that enlarges a picture. */
  enlarged?: number | undefined;
  /** Milliseconds since 1970. */
  sentAt: number;
}

const key = 'latentwire.unfinished';
/** The server has the results of a task for an hour; after that, sending it again would draw it again. */
const keptMs = 3_600_000;

/**
 * The unfinished tasks of this tab, so that a reload goes on with them: a task that is sent again under its own UUID is
 * joined, or has its results. Another tab has its own.
 */
export const unfinishedTasks = {
  read(): UnfinishedTask[] {
    try {
      const tasks = JSON.parse(sessionStorage.getItem(key) ?? '[]') as UnfinishedTask[];
      return tasks.filter(({ sentAt }) => Date.now() - sentAt < keptMs);
    } catch {
      return [];
    }
  },
  add(task: UnfinishedTask): void {
    write([...this.read().filter(({ taskUUID }) => taskUUID !== task.taskUUID), task]);
  },
  remove(taskUUID: string): void {
    write(this.read().filter((task) => task.taskUUID !== taskUUID));
  },
};

function write(tasks: readonly UnfinishedTask[]): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(tasks));
  } catch {
    // Without it a reload forgets the task.
  }
}
