import { createHash } from 'node:crypto';
import { TaskError } from '../../protocol/errors.ts';
import type { MayWarn, UsageFigures } from '../../protocol/replies.ts';
import { type AccountManagementTask, type AccountOperation, MAX_DAYS } from '../../protocol/tasks/accountManagement.ts';
import type { Context } from '../context.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { warned } from '../lifecycle/results.ts';
import { dayOf, Tally, textOfDay } from '../observe/usage.ts';

/** Statistics of the caller's tasks, in the form of the hosted service. All costs are 0. */
export async function accountManagement(
  task: AccountManagementTask & MayWarn,
  caller: Caller,
  { usage }: Context,
): Promise<void> {
  const { today } = usage;
  const last = task.endDate === undefined ? today : dayOf(task.endDate);
  const first = task.startDate === undefined ? last - MAX_DAYS + 1 : dayOf(task.startDate);
  if (last < first || last - first > MAX_DAYS) {
    const message = `\`startDate\` and \`endDate\` must be at most ${MAX_DAYS} days apart, in this order.`;
    throw new TaskError('invalidStartDate', { message, parameter: 'startDate', type: 'string' });
  }
  const since = (days: number) => usage.between(caller.owner, today - days + 1, today);
  const asked = usage.between(caller.owner, first, last);
  const chosen = task.models === undefined ? asked : asked.filter(({ air }) => task.models?.includes(air));
  const figures = (tallies: readonly { tally: Tally }[]) => figuresOf(sum(tallies), task.operation);
  const groups = (name: (entry: (typeof chosen)[number]) => string) => {
    const found = new Map<string, typeof chosen>();
    for (const entry of chosen) found.set(name(entry), [...(found.get(name(entry)) ?? []), entry]);
    return [...found].map(([key, entries]) => [key, figures(entries)] as const);
  };
  const isAsked = (group: 'date' | 'model' | 'apiKey') => task.groupBy.includes(group);
  const uuid = accountOf(caller.owner);
  caller.data({
    taskType: task.taskType,
    taskUUID: task.taskUUID,
    operation: task.operation,
    organizationName: 'Latentwire',
    organizationUUID: uuid,
    balance: { amount: 0, freeBalance: 0, currency: 'USD' },
    team: [],
    apiKeys: [],
    usage: {
      today: figures(since(1)),
      last7Days: figures(since(7)),
      last30Days: figures(since(30)),
      total: figuresOf(usage.total(caller.owner), task.operation),
      ...(isAsked('date') && {
        timeseries: groups(({ day }) => textOfDay(day)).map(([date, each]) => ({ date, ...each })),
      }),
      ...(isAsked('model') && {
        model: groups(({ air }) => air)
          .filter(([air]) => air !== '')
          .map(([model, each]) => ({ model, ...each })),
      }),
      ...(isAsked('apiKey') && { apiKey: chosen.length === 0 ? [] : [{ apiKey: uuid, ...figures(chosen) }] }),
    },
    ...warned(task),
  });
}

function sum(entries: readonly { tally: Tally }[]): Tally {
  const all = new Tally();
  for (const { tally } of entries) all.add(tally);
  return all;
}

/** The fields of a tally for an operation. */
function figuresOf(tally: Tally, operation: AccountOperation): UsageFigures {
  const count = tally.tasks;
  switch (operation) {
    case 'getUsagePerformance':
      return {
        count,
        avgInferenceTime: tally.meanMs,
        p50InferenceTime: tally.quantileMs(0.5),
        p90InferenceTime: tally.quantileMs(0.9),
        p99InferenceTime: tally.quantileMs(0.99),
      };
    case 'getUsageErrors':
      return { count, clientErrors: tally.clientErrors, serverErrors: tally.serverErrors };
    default:
      return { count, spend: 0 };
  }
}

/** A UUID for a key that does not reveal the key. */
function accountOf(owner: string): string {
  const hex = createHash('sha256').update(`account ${owner}`).digest('hex');
  // Version 8 of RFC 9562: the content is up to the implementation.
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
