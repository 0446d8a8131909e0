import { basename } from 'node:path';
import { isFile, isFolder, isPickle, ModelError, pickleReason } from '../files/reading.js';
import { openFolder } from './folder.js';
import { openSingleFile } from './singleFile.js';
/**
 * Opens a whole model: a folder in the diffusers layout or one safetensors file in the original one. Reads configs and
 * headers, never weights.
 *
 * @param path - absolute
 * @throws {ModelError | SafetensorsError} a sentence with the reason
 */
export async function openCheckpoint(path) {
  if (await isFolder(path)) return openFolder(path);
  if (isPickle(path)) throw new ModelError(`${basename(path)} cannot be used: ${pickleReason}`);
  if (!(await isFile(path))) throw new ModelError(`There is no folder or file ${path}.`);
  return openSingleFile(path);
}
//# sourceMappingURL=checkpoint.js.map
