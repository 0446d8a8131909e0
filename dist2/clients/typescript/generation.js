import { deferred } from './deferred.js';
import { LatentwireError } from './errors.js';
import { fromBase64 } from './images.js';
import { Stream } from './stream.js';
export class GenerationImpl {
  taskUUID;
  result;
  results;
  #expected;
  #cancel;
  #finished = [];
  #events = new Stream(keepNewestPreview);
  #first = deferred();
  #all = deferred();
  constructor(taskUUID, expected, cancel) {
    this.taskUUID = taskUUID;
    this.#expected = expected;
    this.#cancel = cancel;
    this.result = this.#first.promise;
    this.results = this.#all.promise;
    // Whoever only iterates learns of a failure there; without this the process would end by an unhandled rejection.
    this.result.catch(() => {});
    this.results.catch(() => {});
  }
  [Symbol.asyncIterator]() {
    return this.#events[Symbol.asyncIterator]();
  }
  get settled() {
    return this.#events.ended;
  }
  /** Results that are not here yet. */
  get missing() {
    return this.#expected - this.#finished.length;
  }
  async cancel() {
    if (!this.settled) await this.#cancel();
  }
  /** @returns whether that was the last result. */
  answered(item) {
    if (typeof item.imageUUID !== 'string') return false;
    // The same result may come twice: replayed to the resumed session, and again for the task that was sent again.
    if (this.#finished.some((earlier) => earlier.imageUUID === item.imageUUID)) return false;
    const result = item;
    this.#finished.push(result);
    this.#events.push({ ...result, event: 'result' });
    this.#first.resolve(result);
    if (this.#finished.length < this.#expected) return false;
    this.#all.resolve([...this.#finished].sort((a, b) => a.resultIndex - b.resultIndex));
    this.#events.end();
    return true;
  }
  /** @returns whether that ended the task. */
  happened(event, image) {
    if (event.event === 'previewed') {
      this.#events.push(toPreview(event, image));
      return false;
    }
    this.#events.push(event);
    if (event.event !== 'cancelled') return false;
    this.#reject(
      event.reason === 'superseded'
        ? new LatentwireError({
            code: 'taskSuperseded',
            message: 'A newer task took its place.',
            taskUUID: this.taskUUID,
          })
        : new LatentwireError({ code: 'taskCancelled', message: 'The task was cancelled.', taskUUID: this.taskUUID }),
    );
    this.#events.end();
    return true;
  }
  failed(error) {
    this.#reject(error);
    this.#events.end(error);
  }
  #reject(error) {
    this.#first.reject(error);
    this.#all.reject(error);
  }
}
function toPreview(event, image) {
  const { taskUUID, resultIndex, step, steps, width, height, format } = event;
  const bytes = image ? new Uint8Array(image) : fromBase64(event.imageBase64Data ?? '');
  const mime = { JPG: 'image/jpeg', PNG: 'image/png', WEBP: 'image/webp' }[format];
  return { event: 'previewed', taskUUID, resultIndex, step, steps, width, height, image: bytes, mime };
}
/** A reader that comes late needs the story so far, but of each picture only its newest look. */
function keepNewestPreview(kept, event) {
  const older = (other) =>
    other.event === event.event &&
    (other.event === 'previewed' || other.event === 'stepped') &&
    'resultIndex' in event &&
    other.resultIndex === event.resultIndex;
  return [...kept.filter((other) => !older(other)), event];
}
//# sourceMappingURL=generation.js.map
