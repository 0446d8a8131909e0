import type { MayWarn } from '../../protocol/replies.ts';
import type { ImageUploadTask } from '../../protocol/tasks/imageUpload.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
/** Keeps an image as it was sent, once it has been found whole. */
export declare function imageUpload(task: ImageUploadTask & MayWarn, caller: Caller, context: Context): Promise<void>;
