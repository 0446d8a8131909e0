/**
 * The `events` envelope: messages about a task before its result. Events are never in `data`, because the official
 * clients would take them for results. Browsers import this file: types only.
 */

/** Image formats, with Runware's names. */
export type ImageFormat = 'JPG' | 'PNG' | 'WEBP';

interface EventBase {
  /** As in the task. */
  taskType: string;
  taskUUID: string;
}

/** The task waits. Sent on arrival and on every change of position, with `progress`. */
export interface QueuedEvent extends EventBase {
  event: 'queued';
  /** Number of waiting results before this task's next one; 0 is the head of the queue. */
  position: number;
}

/** Weights of the task are loaded from disk. Sent before each component, with `progress`. */
export interface LoadingEvent extends EventBase {
  event: 'loading';
  /** The next component: `unet`, `vae_decoder`, … */
  component: string;
  /** Percentage of the loaded bytes; 0 to 100, increasing. */
  progress: number;
}

/** One result of the task began to denoise. */
export interface StartedEvent extends EventBase {
  event: 'started';
  /** Index of the result, from 0. */
  resultIndex: number;
  /** Steps that run; image-to-image runs fewer than requested. */
  steps: number;
}

/** One step is finished. */
export interface SteppedEvent extends EventBase {
  event: 'stepped';
  resultIndex: number;
  /** From 0; the last is `steps` - 1. */
  step: number;
  steps: number;
}

/** A preview. */
export interface PreviewedEvent extends EventBase {
  event: 'previewed';
  resultIndex: number;
  step: number;
  steps: number;
  /** Size of the preview in pixels, in the proportions of the result. */
  width: number;
  height: number;
  format: ImageFormat;
  /** Absent in a binary frame, where the image follows the header. */
  imageBase64Data?: string;
}

/** The last message about a cancelled task; no result or error follows. */
export interface CancelledEvent extends EventBase {
  event: 'cancelled';
  /** `cancelled`: by taskCancel; `superseded`: by a newer task of the same lane. */
  reason: 'cancelled' | 'superseded';
}

/** Any event, distinguished by `event`. */
export type TaskEvent = QueuedEvent | LoadingEvent | StartedEvent | SteppedEvent | PreviewedEvent | CancelledEvent;
