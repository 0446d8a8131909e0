import type { ImageFormat } from '../../protocol/events.ts';
import { type ImageResult, type MayWarn, mimeType, type ResultItem } from '../../protocol/replies.ts';
import type { EncodedImage } from '../images/encodedImage.ts';
import type { Caller } from './caller.ts';
import { imageUrl } from './images.ts';
import type { TaskRecord, TaskResult } from './records.ts';

/** The warnings of an answer. */
export function warned({ warnings }: MayWarn): MayWarn {
  return warnings === undefined || warnings.length === 0 ? {} : { warnings };
}

export type Base64Field = 'imageBase64Data' | 'imageDataURI';

/**
 * A finished image that waits to be sent, without base64, which is read from the stored file when the reader can take
 * it. So waiting results are small.
 */
export class ResultReference {
  readonly item: ImageResult;
  readonly fields: readonly Base64Field[];
  readonly format: ImageFormat;

  constructor(item: ImageResult, fields: readonly Base64Field[], format: ImageFormat) {
    this.item = item;
    this.fields = fields;
    this.format = format;
  }

  /** The complete text of a field. */
  valueOf(field: Base64Field, { base64 }: EncodedImage): string {
    return field === 'imageBase64Data' ? base64 : `data:${mimeType(this.format)};base64,${base64}`;
  }

  with(more: MayWarn): ResultReference {
    return new ResultReference({ ...this.item, ...more }, this.fields, this.format);
  }
}

/** The answers to a task. */
export type Answer = ResultItem | ResultReference;
export type Answers = readonly [Answer, ...Answer[]];

export function itemOf(answer: Answer): ResultItem {
  return answer instanceof ResultReference ? answer.item : answer;
}

/** A finished image, for `caller`. */
export function resultOf(
  record: TaskRecord,
  index: number,
  result: TaskResult,
  caller: Caller,
): ImageResult | ResultReference {
  const item: ImageResult = {
    taskType: record.taskType,
    taskUUID: record.taskUUID,
    status: 'success',
    imageUUID: result.imageUUID,
    imageURL: imageUrl(result, caller),
    seed: result.seed <= Number.MAX_SAFE_INTEGER ? Number(result.seed) : result.seed,
    resultIndex: index,
    ...(record.includeCost && { cost: 0 }),
    ...warned(record),
  };
  const fields: Base64Field[] = [];
  if (record.outputType.includes('base64Data')) fields.push('imageBase64Data');
  if (record.outputType.includes('dataURI')) fields.push('imageDataURI');
  return fields.length === 0 ? item : new ResultReference(item, fields, result.format);
}
