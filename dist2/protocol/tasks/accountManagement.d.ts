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
declare const OPERATIONS: readonly ['getDetails', 'getUsageActivity', 'getUsagePerformance', 'getUsageErrors'];
/** Longest span of days. */
export declare const MAX_DAYS = 30;
export declare const accountManagement: import('../parameters.ts').TaskKind<AccountManagementTask>;
