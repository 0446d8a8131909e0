import { basename } from 'node:path';
import { configParts, encoderNames, predictionTypes, tokenizerOf } from '../families/family.js';
import { checkSettings } from '../families/ranges.js';
import { isObject, ModelError, readJson } from '../files/reading.js';
/** What a part is called in settings and complaints: the denoiser by its folder. */
export function partLabel(family, part) {
  return part === 'denoiser' ? family.denoiserFolder : part;
}
/** What settings say of each part, and where they say it. */
export function correctionsIn(family, settings, file) {
  return (part) => ({ own: settings.configs?.[part] ?? {}, where: `"${partLabel(family, part)}" in ${file}` });
}
/**
 * Reads a settings file; fields of the wrong type count as absent, and a missing file as an empty one.
 *
 * @throws {ModelError} for a number out of its range
 */
export async function readSettings(file) {
  const raw = (await readJson(file)) ?? {};
  const settings = {};
  for (const key of ['name', 'description', 'license', 'tinyDecoder']) {
    const value = raw[key];
    if (typeof value === 'string') settings[key] = value;
  }
  for (const key of ['defaultWidth', 'defaultHeight', 'defaultSteps', 'defaultGuidanceScale']) {
    const value = raw[key];
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) settings[key] = value;
  }
  if (Array.isArray(raw.tags)) settings.tags = raw.tags.filter((tag) => typeof tag === 'string');
  const triples = raw.latentRgbFactors;
  if (Array.isArray(triples) && triples.every(isTriple)) settings.latentRgbFactors = triples;
  if (isTriple(raw.latentRgbBias)) settings.latentRgbBias = raw.latentRgbBias;
  if (raw.predictionType !== undefined) {
    const predictionType = predictionTypes.find((type) => type === raw.predictionType);
    if (!predictionType) {
      throw new ModelError(
        `The settings say predictionType: ${JSON.stringify(raw.predictionType)}; allowed are ${predictionTypes.join(', ')}.`,
      );
    }
    settings.predictionType = predictionType;
  }
  if (typeof raw.vae === 'string') settings.vaePath = raw.vae;
  for (const name of encoderNames.map(tokenizerOf)) {
    const path = raw[name];
    if (typeof path === 'string') settings.tokenizerPaths = { ...settings.tokenizerPaths, [name]: path };
  }
  for (const part of configParts) {
    for (const key of part === 'denoiser' ? ['unet', 'transformer'] : [part]) {
      const value = raw[key];
      if (isObject(value)) settings.configs = { ...settings.configs, [part]: value };
    }
  }
  checkSettings(settings, basename(file));
  return settings;
}
function isTriple(value) {
  return Array.isArray(value) && value.length === 3 && value.every((item) => typeof item === 'number');
}
//# sourceMappingURL=settings.js.map
