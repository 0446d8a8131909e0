/**
 * The `events` envelope: what is said about a task before its result. Events never travel in `data`, because the
 * official clients would take them for results. Browsers import this file: types only.
 */
/** Formats of images, by Runware's names. */
export type ImageFormat = 'JPG' | 'PNG' | 'WEBP';
interface EventBase {
  /** As the task was sent. */
  taskType: string;
  taskUUID: string;
}
/** The task waits. Sent on arrival and whenever its place changes, where `progress` was asked for. */
export interface QueuedEvent extends EventBase {
  event: 'queued';
  /** Waiting results that will be made before this task's next one; 0 is next. */
  position: number;
}
/** Weights that the task needs are read from disk. Sent before each component, where `progress` was asked for. */
export interface LoadingEvent extends EventBase {
  event: 'loading';
  /** What is loaded next: `unet`, `vae_decoder`, … */
  component: string;
  /** Percent of the bytes to be loaded that are there; 0 to 100, rising. */
  progress: number;
}
/** One result of the task began to denoise. */
export interface StartedEvent extends EventBase {
  event: 'started';
  /** Which of the task's `numberResults` results, from 0. */
  resultIndex: number;
  /** Steps that will really run; image-to-image runs fewer than it was asked for. */
  steps: number;
}
/** One step is done. */
export interface SteppedEvent extends EventBase {
  event: 'stepped';
  resultIndex: number;
  /** From 0; the last is `steps` - 1. */
  step: number;
  steps: number;
}
/** A look at the image before its end. */
export interface PreviewedEvent extends EventBase {
  event: 'previewed';
  resultIndex: number;
  step: number;
  steps: number;
  /** Of the preview, in pixels; the proportions are those of the result. */
  width: number;
  height: number;
  format: ImageFormat;
  /** Absent in a binary frame, where the bytes follow the header. */
  imageBase64Data?: string;
}
/** The last thing said about a task that was stopped; no result and no error follows. */
export interface CancelledEvent extends EventBase {
  event: 'cancelled';
  /** `cancelled`: by taskCancel; `superseded`: by a newer task of the same lane. */
  reason: 'cancelled' | 'superseded';
}
/** Anything said about a task before its result, told apart by `event`. */
export type TaskEvent = QueuedEvent | LoadingEvent | StartedEvent | SteppedEvent | PreviewedEvent | CancelledEvent;
