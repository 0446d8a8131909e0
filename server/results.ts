import { TaskError } from '../protocol/errors.ts';
import { type ImageResult, type MayWarn, mimeType } from '../protocol/replies.ts';
import type { Caller } from './caller.ts';
import type { Context } from './context.ts';
import { EncodedImage } from './images/encodedImage.ts';
import type { ImageStore } from './images/store.ts';
import { imageUrl } from './taskImages.ts';
import type { TaskRecord, TaskResult } from './taskRecords.ts';

/** The part of an answer that repeats the warnings about its task. */
export function warned({ warnings }: MayWarn): MayWarn {
  return warnings === undefined || warnings.length === 0 ? {} : { warnings };
}

/** A finished image as it is sent. `image` where it is at hand; else it is read where the task wants it. */
export async function resultItem(
  record: TaskRecord,
  index: number,
  result: TaskResult,
  caller: Caller,
  { store }: Context,
  image?: EncodedImage,
): Promise<ImageResult> {
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
  const encoded = record.outputType.filter((type) => type !== 'URL');
  if (encoded.length === 0) return item;
  const { base64 } = image ?? (await readStored(result.imageUUID, record, store));
  if (encoded.includes('base64Data')) item.imageBase64Data = base64;
  if (encoded.includes('dataURI')) item.imageDataURI = `data:${mimeType(result.format)};base64,${base64}`;
  return item;
}

async function readStored(imageUUID: string, record: TaskRecord, store: ImageStore): Promise<EncodedImage> {
  const found = await store.read(imageUUID);
  if (found === undefined) throw new TaskError('mediaNotFound').of(record);
  return new EncodedImage(found.bytes);
}
