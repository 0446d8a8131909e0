import type { MayWarn } from '../../protocol/replies.ts';
import { type AccountManagementTask } from '../../protocol/tasks/accountManagement.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
/** Tells the caller about the tasks of its own key, in the words of the hosted service. Nothing costs anything here. */
export declare function accountManagement(
  task: AccountManagementTask & MayWarn,
  caller: Caller,
  { usage }: Context,
): Promise<void>;
