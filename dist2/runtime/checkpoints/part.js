import { basename, join } from 'node:path';
import { classesOf } from '../families/index.js';
import { autoencoderIn } from '../families/inferConfigs.js';
import { checkConfig } from '../families/ranges.js';
import { locateWeights, networkStem } from '../files/locateWeights.js';
import { inPart, isFolder, isPickle, ModelError, pickleReason, readJson } from '../files/reading.js';
import { readSafetensorsHeader, readStoredTensors } from '../files/safetensors.js';
import { recognise } from './kinds.js';
import { readSettings } from './settings.js';
/** `_class_name` of each kind's config. */
export const partClasses = {
  controlNet: classesOf('controlNet'),
  vae: classesOf('vae_decoder'),
  tinyVae: ['AutoencoderTiny'],
};
/**
 * A network of its own: a folder with config.json and weights or, for an autoencoder, one safetensors file in either
 * layout. Its tensors are named as in diffusers.
 *
 * @throws {ModelError} saying what is missing or what it is instead
 */
export async function openPart(path, kind) {
  if (!(await isFolder(path))) return openPartFile(path, kind);
  const config = await readJson(join(path, 'config.json'));
  if (!config) throw new ModelError(`There is no ${basename(path)}/config.json.`);
  const expected = partClasses[kind];
  if (!expected.includes(String(config._class_name))) {
    const wanted = expected.join(' or ');
    throw new ModelError(`${basename(path)}/config.json says ${String(config._class_name)}; expected ${wanted}.`);
  }
  checkConfig(kind === 'controlNet' ? 'denoiser' : 'vae', config);
  const file = await locateWeights(path, networkStem, 'network');
  if (file === undefined) throw new ModelError(`There is no ${basename(path)}/${networkStem}.safetensors.`);
  return { kind: 'safetensors', config, tensors: await readStoredTensors(file) };
}
async function openPartFile(file, kind) {
  const name = basename(file);
  if (isPickle(name)) throw new ModelError(`${name} cannot be used: ${pickleReason}`);
  const { tensors, metadata } = await readSafetensorsHeader(file);
  const found = recognise(name, tensors, metadata);
  if (found.reason !== undefined) throw new ModelError(found.reason);
  if (found.kind !== kind || kind !== 'vae') {
    throw new ModelError(`${name} holds a ${found.kind}, but a ${kind} is needed here.`);
  }
  const { configs = {} } = await readSettings(`${file}.json`);
  const source = await inPart('vae', () =>
    autoencoderIn(tensors, { own: configs.vae ?? {}, where: `"vae" in ${name}.json` }),
  );
  checkConfig('vae', source.config);
  return { kind: 'safetensors', ...source };
}
//# sourceMappingURL=part.js.map
