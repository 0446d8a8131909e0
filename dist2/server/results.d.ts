import type { ImageFormat } from '../protocol/events.ts';
import { type ImageResult, type MayWarn, type ResultItem } from '../protocol/replies.ts';
import type { Caller } from './caller.ts';
import type { EncodedImage } from './images/encodedImage.ts';
import type { TaskRecord, TaskResult } from './taskRecords.ts';
/** The part of an answer that repeats the warnings about its task. */
export declare function warned({ warnings }: MayWarn): MayWarn;
export type Base64Field = 'imageBase64Data' | 'imageDataURI';
/**
 * A finished image as it is kept until it is sent: with all but its base64, which is made from the stored file when the
 * reader can take it. So what waits for a client is small, however many images that is.
 */
export declare class ResultReference {
  readonly item: ImageResult;
  readonly fields: readonly Base64Field[];
  readonly format: ImageFormat;
  constructor(item: ImageResult, fields: readonly Base64Field[], format: ImageFormat);
  /** The text of a field, whole. */
  valueOf(field: Base64Field, { base64 }: EncodedImage): string;
  with(more: MayWarn): ResultReference;
}
/** What a task is answered with. */
export type Answer = ResultItem | ResultReference;
export type Answers = readonly [Answer, ...Answer[]];
export declare function itemOf(answer: Answer): ResultItem;
/** A finished image, for `caller`. */
export declare function resultOf(
  record: TaskRecord,
  index: number,
  result: TaskResult,
  caller: Caller,
): ImageResult | ResultReference;
