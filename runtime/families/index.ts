import type { StoredTensors } from '../files/safetensors.ts';
import type { Architecture, Config, Family, ImagePromptKind, LoraLayerShape, NetworkKind } from './family.ts';
import { flux } from './flux.ts';
import { flux2 } from './flux2.ts';
import { sd3 } from './sd3.ts';
import { stableDiffusion } from './stableDiffusion.ts';
import { stableDiffusionXL } from './stableDiffusionXL.ts';
import { zImage } from './zImage.ts';

export type { Family } from './family.ts';

/** Every family of models; the first one that recognises a file reads it. */
export const families = {
  sd: stableDiffusion,
  sdxl: stableDiffusionXL,
  sd3,
  flux,
  flux2,
  zImage,
} satisfies Record<string, Family>;

const all: readonly Family[] = Object.values(families);

/** The family of a pipeline, by its `_class_name`. */
export function familyOfPipeline(className: string): Family | undefined {
  return all.find(({ pipelines }) => pipelines.includes(className));
}

/** The family whose denoiser an all-in-one file holds. */
export function familyOfFile(tensors: StoredTensors): Family | undefined {
  return all.find(({ file }) => file?.recognises(tensors));
}

/** Whether a file holds a text encoder alone, which some family puts models together from. */
export function holdsTextEncoder(tensors: StoredTensors): boolean {
  return all.some(({ file }) => file?.parts?.some(({ part, recognises }) => part !== 'vae' && recognises(tensors)));
}

/** Every pipeline that can be run, for complaints. */
export function supportedPipelines(): string[] {
  return all.flatMap(({ pipelines }) => pipelines);
}

/** The lineage of a LoRA, an embedding or a ControlNet, from the width of the text states that it was made for. */
export function architectureOfTextWidth(width: unknown): Architecture {
  for (const family of all) {
    const found = family.architectureOfTextWidth?.(width);
    if (found !== undefined) return found;
  }
  return 'unknown';
}

/** The lineage of a ControlNet: that of the width of its text states, or of the one family that has networks of its kind. */
export function architectureOfControlNet({ _class_name: className, cross_attention_dim: width }: Config): Architecture {
  const own = all.filter(({ networks }) => networks.controlNet?.classes.includes(String(className)));
  const only = own.length === 1 ? own[0]!.architectures[0] : undefined;
  return only ?? architectureOfTextWidth(width);
}

/** The name of the family that an architecture belongs to. */
export function familyOfArchitecture(architecture: Architecture): string {
  return all.find(({ architectures }) => architectures.includes(architecture))?.name ?? 'unknown';
}

/** The lineage of a LoRA: told by its layers, else by what trainers write into the metadata. */
export function architectureOfLora(
  layers: readonly LoraLayerShape[],
  metadata: Readonly<Record<string, string>>,
): Architecture {
  // The most telling family first: one whose layers no other has.
  for (const family of [...all].reverse()) {
    const found = family.architectureOfLora?.(layers);
    if (found !== undefined) return found;
  }
  const stated = `${metadata['modelspec.architecture'] ?? ''} ${metadata.ss_base_model_version ?? ''}`;
  for (const family of [...all].reverse()) {
    for (const [pattern, architecture] of family.statedAs ?? []) if (pattern.test(stated)) return architecture;
  }
  return 'unknown';
}

/** The lineage of a textual inversion that names its encoders. */
export function architectureOfEmbedding(tensors: StoredTensors): Architecture {
  const family = [...all].reverse().find(({ embeddingTensor }) => embeddingTensor && tensors.has(embeddingTensor));
  return family?.architectures[0] ?? 'unknown';
}

/** The lineage of an autoencoder, where its scaling factor is that of one lineage alone. */
export function architectureOfScaling(scalingFactor: unknown): Architecture {
  // 1 stands for no scaling, which tells nothing: tiny autoencoders have it as well.
  const lineages = all.filter(({ latents }) => latents.scalingFactor === scalingFactor && scalingFactor !== 1);
  const [only, ...others] = lineages.flatMap(({ architectures }) => architectures);
  return others.length === 0 ? (only ?? 'unknown') : 'unknown';
}

/** Class names that the configs of a network have, in any family. */
export function classesOf(network: keyof Family['networks']): readonly string[] {
  return [...new Set(all.flatMap(({ networks }) => networks[network]?.classes ?? []))];
}

/** How a network is written that has a config of its own. @param className of that config */
export function networkOf(network: keyof Family['networks'], className: unknown): NetworkKind | undefined {
  for (const { networks } of all) {
    const kind = networks[network];
    if (kind?.classes.includes(String(className))) return kind;
  }
  return undefined;
}

/** What reads pictures as prompts, by the `_class_name` of its folder, and the lineage that it is for. */
export function imagePromptKindOf(
  className: unknown,
): { kind: ImagePromptKind; architecture: Architecture } | undefined {
  const family = all.find(
    ({ imagePrompts }) => imagePrompts?.pipeline !== undefined && imagePrompts.pipeline === className,
  );
  return family && { kind: family.imagePrompts!, architecture: family.architectures[0]! };
}

/** The same for the tensors of a file. */
export function imagePromptKindOfFile(
  tensors: StoredTensors,
): { kind: ImagePromptKind; architecture: Architecture } | undefined {
  const family = all.find(({ imagePrompts }) => imagePrompts?.file.recognises(tensors));
  if (!family) return undefined;
  const { file } = family.imagePrompts!;
  const architecture = file.textWidth ? architectureOfTextWidth(file.textWidth(tensors)) : family.architectures[0]!;
  return { kind: family.imagePrompts!, architecture };
}

/** Whether a file holds an encoder of pictures for what reads them as prompts. */
export function holdsImageEncoder(tensors: StoredTensors): boolean {
  return all.some(({ imagePrompts }) => imagePrompts?.file.encoder.recognises(tensors));
}

export function familyNamed(name: string): Family | undefined {
  return all.find((family) => family.name === name);
}
