import { basename, join } from 'node:path';
import type { ImagePromptKind } from '../families/family.ts';
import { imagePromptKindOf } from '../families/index.ts';
import { locateWeights, networkStem, textStem } from '../files/locateWeights.ts';
import { inPart, ModelError, readJson } from '../files/reading.ts';
import { readStoredTensors } from '../files/safetensors.ts';
import { readIndex } from './folder.ts';
import type { SafetensorsSource } from './source.ts';

/** What makes words of pictures: an encoder of pictures, and what turns its states into words. */
export interface ImagePromptSource {
  kind: ImagePromptKind;
  encoder: SafetensorsSource;
  embedder: SafetensorsSource;
  /** Pixels on each side of the square that the encoder is shown. */
  size: number;
}

/** Most pixels on a side; published encoders have 384. */
const MOST_PIXELS = 2048;

/**
 * A folder in the diffusers layout with `image_encoder` and `image_embedder`. Both are checked.
 *
 * @throws {ModelError} naming the part and the reason
 */
export async function openImagePrompts(folder: string): Promise<ImagePromptSource> {
  const { _class_name: className } = await readIndex(folder);
  const { kind } = imagePromptKindOf(className) ?? {};
  if (!kind) {
    throw new ModelError(
      `${basename(folder)}/model_index.json says ${String(className)}, which makes no words of pictures.`,
    );
  }
  const read = (part: string, stem: string): Promise<SafetensorsSource> =>
    inPart(part, async () => {
      const config = await readJson(join(folder, part, 'config.json'));
      if (!config) throw new ModelError(`there is no ${part}/config.json.`);
      const file = await locateWeights(join(folder, part), stem, part);
      if (file === undefined) throw new ModelError(`there is no ${part}/${stem}.safetensors.`);
      return { kind: 'safetensors', config, tensors: await readStoredTensors(file) };
    });
  const [encoder, embedder] = [await read('image_encoder', textStem), await read('image_embedder', networkStem)];
  await inPart('image_encoder', () => kind.writeEncoder(encoder.config, encoder.tensors, {}));
  await inPart('image_embedder', () => kind.writeEmbedder(embedder.config, embedder.tensors, {}));
  kind.check(encoder.tensors, embedder.tensors);
  const { image_size: size } = encoder.config;
  if (!Number.isInteger(size) || Number(size) < 1 || Number(size) > MOST_PIXELS) {
    throw new ModelError(`image_encoder/config.json says image_size: ${size}; it must be from 1 to ${MOST_PIXELS}.`);
  }
  return { kind, encoder, embedder, size: Number(size) };
}
