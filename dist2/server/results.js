import { mimeType } from '../protocol/replies.js';
import { imageUrl } from './taskImages.js';
/** The part of an answer that repeats the warnings about its task. */
export function warned({ warnings }) {
  return warnings === undefined || warnings.length === 0 ? {} : { warnings };
}
/**
 * A finished image as it is kept until it is sent: with all but its base64, which is made from the stored file when the
 * reader can take it. So what waits for a client is small, however many images that is.
 */
export class ResultReference {
  item;
  fields;
  format;
  constructor(item, fields, format) {
    this.item = item;
    this.fields = fields;
    this.format = format;
  }
  /** The text of a field, whole. */
  valueOf(field, { base64 }) {
    return field === 'imageBase64Data' ? base64 : `data:${mimeType(this.format)};base64,${base64}`;
  }
  with(more) {
    return new ResultReference({ ...this.item, ...more }, this.fields, this.format);
  }
}
export function itemOf(answer) {
  return answer instanceof ResultReference ? answer.item : answer;
}
/** A finished image, for `caller`. */
export function resultOf(record, index, result, caller) {
  const item = {
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
  const fields = [];
  if (record.outputType.includes('base64Data')) fields.push('imageBase64Data');
  if (record.outputType.includes('dataURI')) fields.push('imageDataURI');
  return fields.length === 0 ? item : new ResultReference(item, fields, result.format);
}
//# sourceMappingURL=results.js.map
