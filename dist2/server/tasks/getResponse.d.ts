import type { MayWarn } from '../../protocol/replies.ts';
import type { GetResponseTask } from '../../protocol/tasks/getResponse.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
/**
 * Tells how a task stands, synchronous ones too: its results in the order of their index, and whether there will be
 * more. The answer has the type and UUID of the task asked about.
 */
export declare function getResponse(task: GetResponseTask & MayWarn, caller: Caller, context: Context): Promise<void>;
