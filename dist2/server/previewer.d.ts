import type { PreviewOptions } from '../protocol/previews.ts';
import type { Pixels } from '../runtime/index.ts';
import type { Context } from './context.ts';
import { type TaskRecord } from './taskRecords.ts';
/**
 * Encodes the previews of one result and sends them. While one is encoded only the newest of the others is kept, so a
 * fast run never builds up a line of previews, and none is sent once the result is there.
 */
export declare class Previewer {
  #private;
  constructor(
    record: TaskRecord,
    index: number,
    options: PreviewOptions,
    request: {
      width: number;
      height: number;
    },
    context: Context,
  );
  offer(preview: { step: number; steps: number; pixels: Pixels }): void;
  stop(): void;
}
