import { basename, dirname, join } from 'node:path';
import type { ImagePromptKind } from '../families/family.ts';
import { imagePromptKindOf, imagePromptKindOfFile } from '../families/index.ts';
import { locateWeights, networkStem, textStem } from '../files/locateWeights.ts';
import { inPart, isFolder, isObject, ModelError, readJson } from '../files/reading.ts';
import { readStoredTensors, type StoredTensor, type StoredTensors } from '../files/safetensors.ts';
import { readWeightsHeader } from '../files/weights.ts';
import { visionRoot } from '../graphs/visionLayers.ts';
import { readIndex } from './folder.ts';
import { missingPart, Search } from './separateParts.ts';
import type { SafetensorsSource } from './source.ts';

/** What makes words of pictures: an encoder of pictures, and what turns its states into words. */
export interface ImagePromptSource {
  kind: ImagePromptKind;
  encoder: SafetensorsSource;
  embedder: SafetensorsSource;
  /** Pixels on each side of the square that the encoder is shown. */
  size: number;
  /** Files beside the one that was opened, absolute; default none. */
  partFiles?: readonly string[];
}

/** Where ComfyUI has encoders of pictures. */
const folder = 'clip_vision';

/** Where they may lie as well: as IP-Adapters are published, with an encoder for the adapters of two folders. */
const folders = [folder, 'image_encoder', 'models/image_encoder', '../models/image_encoder'];

/** Most pixels on a side; published encoders have 384. */
const MOST_PIXELS = 2048;

/**
 * A folder in the diffusers layout with `image_encoder` and `image_embedder`, or a file with the latter alone, whose encoder lies
 * in `clip_vision/` as ComfyUI has it, or in `image_encoder/`. Both parts are checked.
 *
 * @param besides - see `withSeparateParts`
 * @throws {ModelError} naming the part and the reason
 */
export async function openImagePrompts(path: string, besides: readonly string[] = []): Promise<ImagePromptSource> {
  const source = (await isFolder(path)) ? await inFolder(path) : await inFile(path, besides);
  const { kind, encoder, embedder, size } = source;
  await inPart('image_encoder', () => kind.writeEncoder(encoder.config, encoder.tensors, {}));
  await inPart('image_embedder', () => kind.writeEmbedder(embedder.config, embedder.tensors, {}));
  kind.check(encoder.tensors, embedder.tensors);
  if (!Number.isInteger(size) || size < 1 || size > MOST_PIXELS) {
    throw new ModelError(
      `The image_encoder cannot be used: its config says image_size: ${size}; it must be from 1 to ${MOST_PIXELS}.`,
    );
  }
  return source;
}

async function inFolder(folder: string): Promise<ImagePromptSource> {
  const { _class_name: className } = await readIndex(folder);
  const { kind } = imagePromptKindOf(className) ?? {};
  if (!kind) {
    throw new ModelError(
      `${basename(folder)}/model_index.json says ${String(className)}, which is not supported for image prompts.`,
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
  return { kind, encoder, embedder, size: Number(encoder.config.image_size) };
}

/** What shapes do not tell stands under `"image_encoder"` in `<file>.json`. */
async function inFile(file: string, besides: readonly string[]): Promise<ImagePromptSource> {
  const name = basename(file);
  const { tensors } = await readWeightsHeader(file);
  const { kind } = imagePromptKindOfFile(tensors) ?? {};
  if (!kind) throw new ModelError(`${name} is not an image prompt model.`);
  const { named, prefers, recognises, configOf } = kind.file.encoder;
  // Before it is asked which encoder it needs.
  await inPart('image_embedder', () => kind.writeEmbedder({}, tensors, {}));
  const found = await new Search(file, besides).find({
    folders,
    prefers,
    recognises: (others) => recognises(others, tensors),
  });
  if (!found) {
    throw missingPart(file, 'an image prompt model', { part: 'image_encoder', ...named(tensors), folder });
  }
  const own = (await readJson(`${file}.json`))?.image_encoder;
  const config = { ...configOf(found), ...(await configBeside(found)), ...(isObject(own) ? own : {}) };
  return {
    kind,
    encoder: { kind: 'safetensors', config, tensors: found },
    embedder: { kind: 'safetensors', config: {}, tensors },
    size: Number(config.image_size),
    partFiles: [...new Set([...found.values()].map((tensor) => tensor.file))],
  };
}

/** What an encoder in a folder of its own says of itself; a folder of several encoders has none that says so. */
async function configBeside(encoder: StoredTensors): Promise<Record<string, unknown>> {
  const [{ file }] = [...encoder.values()] as [StoredTensor];
  const config = (await readJson(join(dirname(file), 'config.json'))) ?? {};
  const [hidden] = encoder.get(`${visionRoot(encoder)}post_layernorm.weight`)?.shape ?? [];
  return config.hidden_size === hidden ? config : {};
}
