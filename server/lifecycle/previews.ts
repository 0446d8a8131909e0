import type { PreviewedEvent } from '../../protocol/events.ts';
import type { PreviewOptions } from '../../protocol/previews.ts';
import type { Pixels } from '../../runtime/index.ts';
import type { Context } from '../context.ts';
import { encodePreview } from '../images/encode.ts';
import { EncodedImage } from '../images/encodedImage.ts';
import { showPreview, type TaskRecord } from './records.ts';

/**
 * Encodes and sends the previews of one result. While one is encoded only the newest of the others is kept, so no queue
 * builds up, and none is sent after the result.
 */
export class Previewer {
  readonly #record: TaskRecord;
  readonly #index: number;
  readonly #options: PreviewOptions;
  readonly #size: number | undefined;
  readonly #context: Context;
  #newest: { step: number; steps: number; pixels: Pixels } | undefined;
  #encoding = false;
  #stopped = false;

  constructor(
    record: TaskRecord,
    index: number,
    options: PreviewOptions,
    request: { width: number; height: number },
    context: Context,
  ) {
    this.#record = record;
    this.#index = index;
    this.#options = options;
    this.#context = context;
    const size = options.size ?? (context.config.previewSize || undefined);
    this.#size = size === undefined ? undefined : Math.min(size, Math.max(request.width, request.height));
  }

  offer(preview: { step: number; steps: number; pixels: Pixels }): void {
    if (this.#newest !== undefined) this.#context.metrics.previewDropped('encoding');
    this.#newest = preview;
    if (!this.#encoding) void this.#encode();
  }

  stop(): void {
    this.#stopped = true;
    this.#newest = undefined;
  }

  async #encode(): Promise<void> {
    this.#encoding = true;
    const { format, quality } = this.#options;
    try {
      while (this.#newest !== undefined) {
        const { step, steps, pixels } = this.#newest;
        this.#newest = undefined;
        const size = this.#size ?? Math.max(pixels.width, pixels.height);
        const { bytes, width, height } = await encodePreview(pixels, size, format, quality);
        if (this.#stopped || this.#record.state !== 'unfinished') return;
        const { taskType, taskUUID } = this.#record;
        const resultIndex = this.#index;
        this.#send({ event: 'previewed', taskType, taskUUID, resultIndex, step, steps, width, height, format }, bytes);
      }
    } catch (error) {
      // A failed preview must not fail its task.
      this.#context.log.warn({ taskUUID: this.#record.taskUUID, err: error }, 'A preview could not be encoded.');
    } finally {
      this.#encoding = false;
    }
  }

  #send(event: PreviewedEvent, bytes: Buffer): void {
    const image = new EncodedImage(bytes);
    const binary = this.#options.delivery === 'binary';
    const told = binary ? event : { ...event, imageBase64Data: image.base64 };
    const preview = { event: told, image, binary };
    this.#record.preview(preview);
    for (const caller of this.#record.callers) showPreview(preview, caller);
  }
}
