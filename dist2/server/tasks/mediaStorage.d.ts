import type { MayWarn } from '../../protocol/replies.ts';
import type { MediaStorageTask } from '../../protocol/tasks/mediaStorage.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
/** Keeps or deletes an image. */
export declare function mediaStorage(task: MediaStorageTask & MayWarn, caller: Caller, context: Context): Promise<void>;
