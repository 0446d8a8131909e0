import type { Pixels } from '../../runtime/index.ts';
import { embed } from '../images/embed.ts';
import { encodeImage } from '../images/encode.ts';
import { EncodedImage } from '../images/encodedImage.ts';
import { storeImage } from './images.ts';
import type { Job, PreparedRun } from './job.ts';
import { isSentTo } from './repeat.ts';
import { ResultReference, resultOf } from './results.ts';

/** Encodes and stores the image of one result, and sends it to all callers. */
export async function deliver(
  { task, record, context }: Job,
  run: PreparedRun,
  index: number,
  pixels: Pixels,
): Promise<void> {
  if (record.state !== 'unfinished') return;
  const { outputFormat: format, outputQuality, ttl: ttlSeconds } = task;
  const plain = await encodeImage(pixels, format, outputQuality);
  const isTold = task.includeMetadata && !context.config.withoutMetadata;
  const image = new EncodedImage(isTold ? embed(plain, format, run.recipe()) : plain);
  if (record.state !== 'unfinished') return;
  const stored = await storeImage(image.bytes, format, { owner: record.owner, ttlSeconds }, context);
  if (record.state !== 'unfinished') {
    // Cancelled meanwhile: nobody gets this image.
    await context.store.delete(stored.imageUUID);
    return;
  }
  // Its images are protected from deletion until the task ends.
  const hold = context.store.hold(stored.imageUUID);
  void record.ended.then(() => hold[Symbol.dispose]());
  const result = { imageUUID: stored.imageUUID, format: stored.format, origin: run.origin };
  const place = record.add(index, result);
  // Receivers differ only in the address of the request, so those with one address share a result and its frame.
  const results = new Map<string, ReturnType<typeof resultOf>>();
  for (const receiver of record.callers) {
    if (!isSentTo(record, receiver) || place < (record.from.get(receiver) ?? 0)) continue;
    const told = results.get(receiver.baseUrl) ?? resultOf(record, index, result, receiver);
    results.set(receiver.baseUrl, told);
    if (told instanceof ResultReference) receiver.result(told, image);
    else receiver.data(told);
  }
}
