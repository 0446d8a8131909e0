import { basename } from 'node:path';
import {
  type ConfigPart,
  type Corrections,
  configParts,
  encoderNames,
  type Family,
  type ModelSettings,
  predictionTypes,
  tokenizerOf,
} from '../families/family.ts';
import { checkSettings } from '../families/ranges.ts';
import { isObject, ModelError, readJson } from '../files/reading.ts';

/** What a part is called in settings and complaints: the denoiser by its folder. */
export function partLabel(family: Family, part: ConfigPart): string {
  return part === 'denoiser' ? family.denoiserFolder : part;
}

/** What settings say of each part, and where they say it. */
export function correctionsIn(
  family: Family,
  settings: ModelSettings,
  file: string,
): (part: ConfigPart) => Corrections {
  return (part) => ({ own: settings.configs?.[part] ?? {}, where: `"${partLabel(family, part)}" in ${file}` });
}

/**
 * Reads a settings file; fields of the wrong type count as absent, and a missing file as an empty one.
 *
 * @throws {ModelError} for a number out of its range
 */
export async function readSettings(file: string): Promise<ModelSettings> {
  const raw = (await readJson(file)) ?? {};
  const settings: ModelSettings = {};
  for (const key of ['name', 'description', 'license', 'tinyDecoder'] as const) {
    const value = raw[key];
    if (typeof value === 'string') settings[key] = value;
  }
  for (const key of ['defaultWidth', 'defaultHeight', 'defaultSteps', 'defaultGuidanceScale'] as const) {
    const value = raw[key];
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) settings[key] = value;
  }
  if (Array.isArray(raw.tags)) settings.tags = raw.tags.filter((tag): tag is string => typeof tag === 'string');
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
  if (Array.isArray(raw.textEncoders)) {
    settings.textEncoderPaths = raw.textEncoders.filter((each): each is string => typeof each === 'string');
  }
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

function isTriple(value: unknown): value is number[] {
  return Array.isArray(value) && value.length === 3 && value.every((item) => typeof item === 'number');
}
