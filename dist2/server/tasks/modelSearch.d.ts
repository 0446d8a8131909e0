import type { MayWarn } from '../../protocol/replies.ts';
import type { ModelSearchTask } from '../../protocol/tasks/modelSearch.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
/** Lists the models of the catalog that fit, the unavailable ones with their reason. */
export declare function modelSearch(
  task: ModelSearchTask & MayWarn,
  caller: Caller,
  { catalog }: Context,
): Promise<void>;
