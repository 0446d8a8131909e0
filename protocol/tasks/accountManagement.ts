import * as z from 'zod';
import { answeredAtOnce, described, ignored, refuse, taskKind, uuid } from '../parameters.ts';

/** What is asked: who the caller is, or figures about the tasks of its key. */
export type AccountOperation = (typeof OPERATIONS)[number];

/** Asks about the caller's own account: the tasks that came with its API key. */
export interface AccountManagementTask {
  taskType: 'accountManagement';
  taskUUID: string;
  operation: AccountOperation;
  /** Days, `2026-11-28`, both included. Absent: the last 30. */
  startDate?: string | undefined;
  endDate?: string | undefined;
  /** AIRs; absent: all. */
  models?: string[] | undefined;
  groupBy: ('date' | 'model' | 'apiKey')[];
}

const OPERATIONS = ['getDetails', 'getUsageActivity', 'getUsagePerformance', 'getUsageErrors'] as const;
const GROUPS = ['date', 'model', 'apiKey'] as const;

/** Longest span of days. */
export const MAX_DAYS = 30;

const operation = described(z.enum(OPERATIONS), {
  type: 'string',
  rule: `one of ${OPERATIONS.join(', ')}`,
  allowedValues: OPERATIONS,
});

const day = () =>
  described(
    z
      .string()
      .regex(/^\d{4}-\d\d-\d\d(T[\d:.]+Z?)?$/)
      .refine((text) => !Number.isNaN(Date.parse(text.slice(0, 10))))
      .transform((text) => text.slice(0, 10))
      .optional(),
    { type: 'string', rule: 'a day, as in 2026-11-28' },
  );

const asList = (value: unknown) => (typeof value === 'string' ? [value] : value);

const shape = {
  taskType: z.literal('accountManagement'),
  taskUUID: uuid(),
  operation,
  startDate: day(),
  endDate: day(),
  models: described(z.preprocess(asList, z.array(z.string().max(256)).max(100)).optional(), {
    type: 'array',
    rule: 'an array of at most 100 AIRs',
  }),
  groupBy: described(z.preprocess(asList, z.array(z.enum(GROUPS)).max(GROUPS.length)).optional(), {
    type: 'array',
    rule: `one or several of ${GROUPS.join(', ')}`,
    allowedValues: GROUPS,
  }),
  ...answeredAtOnce(),
  apiKeys: ignored('a key sees only its own tasks.'),
  timezone: ignored('days begin at midnight in UTC.', (value) => value === 'UTC' || value === 'Etc/UTC'),
};

export const accountManagement = taskKind(shape, (task, context): AccountManagementTask => {
  const { taskType, taskUUID, startDate, endDate, models, groupBy = [...GROUPS] } = task;
  if (startDate !== undefined && endDate !== undefined) {
    const days = (Date.parse(endDate) - Date.parse(startDate)) / 86_400_000;
    if (days < 0) refuse(context, 'invalid', ['endDate'], '`endDate` must not be before `startDate`.');
    if (days > MAX_DAYS) {
      refuse(context, 'invalid', ['endDate'], `\`endDate\` must be at most ${MAX_DAYS} days after \`startDate\`.`);
    }
  }
  return { taskType, taskUUID, operation: task.operation, startDate, endDate, models, groupBy };
});
