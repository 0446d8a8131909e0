import type { ImageFormat } from '../../protocol/events.ts';
import {
  type ImageResult,
  type MayWarn,
  mimeType,
  type ResultItem,
  type UpscaleResult,
} from '../../protocol/replies.ts';
import type { EncodedImage } from '../images/encodedImage.ts';
import type { Caller } from './caller.ts';
import { imageUrl } from './images.ts';
import type { TaskRecord, TaskResult } from './records.ts';

/** The warnings of an answer. */
export function warned({ warnings }: MayWarn): MayWarn {
  return warnings === undefined || warnings.length === 0 ? {} : { warnings };
}

/** A result as clients get it. */
export type FinishedImage = ImageResult | UpscaleResult;

export type Base64Field = 'imageBase64Data' | 'imageDataURI';

/**
 * A finished image that waits to be sent, without base64, which is read from the stored file when the reader can take
 * it. So waiting results are small.
 */
export class ResultReference {
  readonly item: FinishedImage;
  readonly fields: readonly Base64Field[];
  readonly format: ImageFormat;

  constructor(item: FinishedImage, fields: readonly Base64Field[], format: ImageFormat) {
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
): FinishedImage | ResultReference {
  const { origin } = result;
  const item: FinishedImage = {
    taskType: record.taskType,
    taskUUID: record.taskUUID,
    status: 'success',
    imageUUID: result.imageUUID,
    imageURL: imageUrl(result, caller),
    ...('seed' in origin ? { seed: wireSeed(origin.seed) } : origin),
    resultIndex: index,
    ...(record.includeCost && { cost: 0 }),
    ...warned(record),
  };
  const fields: Base64Field[] = [];
  if (record.outputType.includes('base64Data')) fields.push('imageBase64Data');
  if (record.outputType.includes('dataURI')) fields.push('imageDataURI');
  return fields.length === 0 ? item : new ResultReference(item, fields, result.format);
}

function wireSeed(seed: bigint): number | bigint {
  return seed <= Number.MAX_SAFE_INTEGER ? Number(seed) : seed;
}
