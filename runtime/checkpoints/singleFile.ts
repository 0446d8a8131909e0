import { basename, dirname, resolve } from 'node:path';
import { type Config, type FileParts, type ModelFile, type ModelSettings, tokenizerOf } from '../families/family.ts';
import { familyOfFile } from '../families/index.ts';
import { inPart, ModelError } from '../files/reading.ts';
import { readWeightsHeader } from '../files/weights.ts';
import type { Checkpoint, PartPlaces } from './checkpoint.ts';
import { completeConfigs } from './configs.ts';
import { findTokenizer } from './findTokenizer.ts';
import { openPart } from './part.ts';
import { withSeparateParts } from './separateParts.ts';
import { correctionsIn, readSettings } from './settings.ts';

/**
 * A whole model in one safetensors or GGUF file in its original layout, or in that of its denoiser and those of its parts (see
 * `withSeparateParts`).
 *
 * The family and every size are read off the tensors. What they cannot tell is said in `<file>.json`, which has the fields of
 * `latentwire.json`, `predictionType`, and objects `unet` (or `transformer`), `vae`, `text_encoder`, `text_encoder_2`,
 * `text_encoder_3` and `scheduler` whose fields win: `{"unet": {"attention_head_dim": 4, "norm_num_groups": 4}}`. Of the
 * header's metadata, title, description, license, tags, resolution and prediction type (`modelspec.…`) are used.
 *
 * Most vocabularies are in no such file; see `findTokenizer` for where they come from.
 *
 * @throws {ModelError | SafetensorsError} naming the part and the reason
 */
export async function openSingleFile(
  file: string,
  { textEncoders, vae, besides = [] }: PartPlaces,
): Promise<Checkpoint> {
  const { tensors: own, metadata } = await readWeightsHeader(file);
  const settings = await readSettings(`${file}.json`);
  if (textEncoders) settings.textEncoderPaths = [...textEncoders];
  if (vae !== undefined) settings.vaePath = vae;
  const said = { ...settingsOf(metadata), ...settings };
  const family = familyOfFile(own);
  if (!family?.file) {
    throw new ModelError(`${basename(file)} has no denoiser in a known layout (model.diffusion_model.…).`);
  }
  const tensors = await withSeparateParts(file, family, own, settings, besides);
  const { vaePath } = settings;
  const source: ModelFile = {
    path: file,
    tensors,
    metadata,
    settings: said,
    corrections: correctionsIn(family, settings, `${basename(file)}.json`),
    otherVae: () =>
      vaePath === undefined ? undefined : inPart('vae', () => openPart(resolve(dirname(file), vaePath), 'vae')),
  };
  const read = await family.file.read(source);
  const { parts } = read;
  const configOf = (part: keyof FileParts['parts']): Config => parts[part]?.config ?? {};
  const files = new Set(
    Object.values(parts).flatMap((part) => [...part.tensors.values()].map((tensor) => tensor.file)),
  );
  files.delete(file);
  const { predictionType: _, ...rest } = said;
  const configs = completeConfigs({
    family,
    className: read.className,
    refiner: read.refiner ?? false,
    index: read.index,
    settings: rest,
    lacksVae: parts.vae === undefined,
    has: (encoder) => parts[encoder] !== undefined,
    configs: {
      denoiser: configOf('denoiser'),
      text_encoder: configOf('text_encoder'),
      text_encoder_2: configOf('text_encoder_2'),
      text_encoder_3: configOf('text_encoder_3'),
      vae: parts.vae?.config ?? { latent_channels: configOf('denoiser').out_channels },
      scheduler: { ...read.scheduler, ...source.corrections('scheduler').own },
    },
  });
  return {
    ...configs,
    path: file,
    partFiles: [...files],
    component: async (component) => {
      const part = parts[component.startsWith('vae_') ? 'vae' : (component as keyof FileParts['parts'])];
      if (!part || !configs.components.includes(component)) throw new ModelError(`This model has no ${component}.`);
      return { kind: 'safetensors', ...part };
    },
    tokenizer: (name) => {
      const encoder = configs.components.find(
        (each) => each.startsWith('text_') && tokenizerOf(each as 'text_encoder') === name,
      ) as 'text_encoder';
      const kind = family.networks[encoder]!;
      return findTokenizer(file, name, {
        settings,
        kind,
        rows: kind.wordsOf(parts[encoder]!.tensors) ?? 0,
        padToken: family.file?.padToken?.(read, name),
      });
    },
  };
}

/** What the header's metadata says, in the fields that Stability's ModelSpec names. */
function settingsOf(metadata: Readonly<Record<string, string>>): ModelSettings {
  const said: ModelSettings = {};
  const of = (key: string) => metadata[`modelspec.${key}`]?.trim() || undefined;
  const [name, description, license, tags] = ['title', 'description', 'license', 'tags'].map(of);
  if (name) said.name = name;
  if (description) said.description = description;
  if (license) said.license = license;
  if (tags) said.tags = tags.split(',').map((tag) => tag.trim());
  const [, width, height = width] = /^(\d+)(?:x(\d+))?$/.exec(of('resolution') ?? '') ?? [];
  if (width !== undefined) {
    said.defaultWidth = Number(width);
    said.defaultHeight = Number(height);
  }
  const prediction = (of('prediction_type') ?? of('predict_key'))?.toLowerCase();
  if (prediction === 'epsilon' || prediction === 'eps') said.predictionType = 'epsilon';
  if (prediction === 'v' || prediction === 'v_prediction' || prediction === 'velocity') {
    said.predictionType = 'v_prediction';
  }
  return said;
}
