import type { TaskEvent } from '../../protocol/events.ts';
import { type Pixels, RuntimeError } from '../../runtime/index.ts';
import { workOf } from '../queue/cost.ts';
import type { QueuedRunEvent } from '../queue/queue.ts';
import { deliver } from './deliver.ts';
import { toTaskError } from './errors.ts';
import type { Job, PreparedRun } from './job.ts';
import { Previewer } from './previews.ts';
import type { TaskRecord } from './records.ts';

/** Runs all results; never rejects, because errors go to the record. */
export async function runTask(job: Job): Promise<void> {
  const { task, plan, record, meter, caller, context } = job;
  try {
    const { runs, settings } = await plan.prepare(record.signal);
    if (record.state !== 'unfinished') return;
    record.settings = settings;
    const made = runs.map((run, index) => {
      const work = workOf(run.request, plan.model);
      const events = context.queue.run(caller.claimant, run.request, task.priority, work, record.signal);
      return makeResult(job, run, index, meter.follow(events));
    });
    await Promise.all(made);
    record.end('finished');
  } catch (error) {
    if (record.state !== 'unfinished') return;
    record.fail(toTaskError(error, context));
  }
}

/** Follows the run of one result: sends its events, stores and sends its image. Throws the error that ends the task. */
async function makeResult(
  job: Job,
  run: PreparedRun,
  index: number,
  events: AsyncIterable<QueuedRunEvent>,
): Promise<void> {
  const { plan, record, context } = job;
  const previewer =
    plan.previews === false ? undefined : new Previewer(record, index, plan.previews, run.request, context);
  let drawn: Pixels | undefined;
  for await (const event of events) {
    // Events after the end of the task are dropped; the run itself ends within a step.
    if (record.state !== 'unfinished') continue;
    note(record, index, event, plan.progress);
    if (event.type === 'previewed') previewer?.offer(event);
    if (event.type === 'finished') drawn = event.pixels;
  }
  previewer?.stop();
  const pixels = drawn;
  if (pixels === undefined) throw new RuntimeError('inferenceError', 'The run ended without an image.');
  // The runtime is free for the next run from here on. Sequential, so that results come in the order in which their
  // runs ended, not in the order of encoding time.
  const delivered = record.delivered.then(async () => deliver(job, run, index, await run.finish(pixels)));
  record.delivered = delivered.catch(() => {});
  await delivered;
}

/** Writes an event of a run into the record of its task, and sends it where the task asks for progress. */
function note(record: TaskRecord, index: number, event: QueuedRunEvent, progress: boolean): void {
  const { taskType, taskUUID } = record;
  const tell = (told: TaskEvent) => {
    if (progress) for (const caller of record.callers) caller.event(told);
  };
  switch (event.type) {
    case 'queued': {
      // The position of a task is that of its next result.
      const before = Math.min(...record.positions.values());
      record.positions.set(index, event.position);
      const position = Math.min(...record.positions.values());
      if (position !== before) tell({ event: 'queued', taskType, taskUUID, position });
      break;
    }
    case 'loading': {
      const { component, doneBytes, ofBytes } = event;
      const percent = ofBytes > 0 ? Math.floor((100 * doneBytes) / ofBytes) : 0;
      record.loading = { component, progress: percent };
      tell({ event: 'loading', taskType, taskUUID, component, progress: percent });
      break;
    }
    case 'started':
      record.positions.delete(index);
      record.steps[index] = { done: 0, of: event.steps };
      tell({ event: 'started', taskType, taskUUID, resultIndex: index, steps: event.steps });
      break;
    case 'stepped':
    case 'previewed': {
      const { step, steps } = event;
      record.loading = undefined;
      record.steps[index] = { done: step + 1, of: steps };
      if (event.type === 'stepped') tell({ event: 'stepped', taskType, taskUUID, resultIndex: index, step, steps });
      break;
    }
    case 'finished':
      record.loading = undefined;
      break;
  }
}
