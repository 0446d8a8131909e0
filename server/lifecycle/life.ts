import { TaskError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { shuttingDown } from '../queue/queue.ts';
import type { Caller } from './caller.ts';
import { toTaskError } from './errors.ts';
import { checkRoom } from './images.ts';
import type { ResultTask, TaskPlan } from './job.ts';
import type { TaskMeter } from './meter.ts';
import { TaskRecord } from './records.ts';
import { acknowledge, attach, repeats } from './repeat.ts';
import { runTask } from './run.ts';
import { logEnd } from './taskLog.ts';

/**
 * Takes a task from its arrival to its end: record, lane, admission to the queue, deadline, runs, delivery. Settles when an
 * HTTP request may end. A task with a known UUID does not run again: the sender of a repetition gets its results, the
 * finished ones now and the others as they finish.
 *
 * @param planOf - checks the task against models and limits, and fills in defaults; throws TaskError
 */
export async function makeResults(
  task: ResultTask,
  caller: Caller,
  context: Context,
  planOf: () => Promise<TaskPlan>,
): Promise<void> {
  if (repeats(task, caller, context)) return attach(task, caller, context);
  if (context.closing) throw shuttingDown();
  // Before the first await: a cancel or a repetition may follow at once.
  const record = new TaskRecord(task, caller, context.clock.now());
  context.records.add(record);
  // On arrival: the order of arrival counts, not the order of planning.
  const lane = context.records.enterLane(record, caller, task.lane);
  let meter: TaskMeter | undefined;
  void record.ended.then(() => {
    context.metrics.taskEnded(record, meter?.model);
    context.usage.taskEnded(record, meter);
    logEnd(record, context.clock.now() - record.startedAt, caller.id, context.log, meter);
  });
  let plan: TaskPlan;
  try {
    await checkRoom(context);
    checkPriority(task, context.keys.policyOf(caller.owner).maxPriority);
    plan = await planOf();
    record.warnings.push(...plan.warnings);
    record.settings = plan.settings;
    if (record.state !== 'unfinished') return;
    const older = lane.older();
    const freed = older.reduce((sum, { admitted }) => sum + admitted, 0);
    context.queue.admit(caller.claimant, task.numberResults, freed);
    record.admitted = task.numberResults;
    record.atEnd(() => context.queue.release(caller.claimant, task.numberResults));
    // Includes tasks in planning: an older task never supersedes a newer one.
    for (const each of older) each.cancel('superseded');
  } catch (error) {
    return context.records.refuse(record, toTaskError(error, context));
  }
  keepDeadline(record, task.deadline, context);
  meter = context.metrics.task(plan.air);
  context.log.info(
    {
      taskUUID: task.taskUUID,
      session: caller.id,
      model: plan.air,
      results: task.numberResults,
      steps: plan.steps,
    },
    'A task was accepted.',
  );
  if (task.deliveryMethod === 'async') acknowledge(record, caller);
  if (task.deliveryMethod === 'sync') caller.awaits(record.ended);
  void runTask({ task, plan, record, meter, caller, context });
}

function checkPriority({ priority }: ResultTask, max: number): void {
  if (priority <= max) return;
  throw new TaskError('invalidPriority', {
    message: `\`priority\` must be at most ${max} with this key.`,
    parameter: 'priority',
    type: 'integer',
    max,
  });
}

/** Fails a task that has not started by its deadline. */
function keepDeadline(record: TaskRecord, deadline: number | undefined, { clock }: Context): void {
  if (deadline === undefined) return;
  const timer = clock.after(Math.max(0, record.startedAt + deadline - clock.now()), () => {
    if (record.started) return;
    const message = `The task had not started ${deadline} ms after its arrival and was not run.`;
    record.fail(new TaskError('startTimeout', { message, parameter: 'deadline', type: 'integer' }));
  });
  void record.ended.then(() => timer.cancel());
}
