import { encodePreview } from './images/encode.js';
import { EncodedImage } from './images/encodedImage.js';
import { showPreview } from './taskRecords.js';
/**
 * Encodes the previews of one result and sends them. While one is encoded only the newest of the others is kept, so a
 * fast run never builds up a line of previews, and none is sent once the result is there.
 */
export class Previewer {
  #record;
  #index;
  #options;
  #size;
  #context;
  #newest;
  #encoding = false;
  #stopped = false;
  constructor(record, index, options, request, context) {
    this.#record = record;
    this.#index = index;
    this.#options = options;
    this.#context = context;
    const size = options.size ?? (context.config.previewSize || undefined);
    this.#size = size === undefined ? undefined : Math.min(size, Math.max(request.width, request.height));
  }
  offer(preview) {
    if (this.#newest !== undefined) this.#context.metrics.previewDropped('encoding');
    this.#newest = preview;
    if (!this.#encoding) void this.#encode();
  }
  stop() {
    this.#stopped = true;
    this.#newest = undefined;
  }
  async #encode() {
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
      // A preview is never worth its task.
      this.#context.log.warn({ taskUUID: this.#record.taskUUID, err: error }, 'A preview could not be encoded.');
    } finally {
      this.#encoding = false;
    }
  }
  #send(event, bytes) {
    const image = new EncodedImage(bytes);
    const binary = this.#options.delivery === 'binary';
    const told = binary ? event : { ...event, imageBase64Data: image.base64 };
    const preview = { event: told, image, binary };
    this.#record.preview(preview);
    for (const caller of this.#record.callers) showPreview(preview, caller);
  }
}
//# sourceMappingURL=previewer.js.map
