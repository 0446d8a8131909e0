import { stableDiffusion } from './stableDiffusion.js';
import { stableDiffusionXL } from './stableDiffusionXL.js';
import { zImage } from './zImage.js';
/** Every family of models; the first one that recognises a file reads it. */
export const families = {
  sd: stableDiffusion,
  sdxl: stableDiffusionXL,
  zImage,
};
const all = Object.values(families);
/** The family of a pipeline, by its `_class_name`. */
export function familyOfPipeline(className) {
  return all.find(({ pipelines }) => pipelines.includes(className));
}
/** The family whose denoiser an all-in-one file holds. */
export function familyOfFile(tensors) {
  return all.find(({ file }) => file?.recognises(tensors));
}
/** Every pipeline that can be run, for complaints. */
export function supportedPipelines() {
  return all.flatMap(({ pipelines }) => pipelines);
}
/** The lineage of a LoRA, an embedding or a ControlNet, from the width of the text states that it was made for. */
export function architectureOfTextWidth(width) {
  for (const family of all) {
    const found = family.architectureOfTextWidth?.(width);
    if (found !== undefined) return found;
  }
  return 'unknown';
}
/** The name of the family that an architecture belongs to. */
export function familyOfArchitecture(architecture) {
  return all.find(({ architectures }) => architectures.includes(architecture))?.name ?? 'unknown';
}
/** The lineage of a LoRA: told by its layers, else by what trainers write into the metadata. */
export function architectureOfLora(layers, metadata) {
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
export function architectureOfEmbedding(tensors) {
  const family = [...all].reverse().find(({ embeddingTensor }) => embeddingTensor && tensors.has(embeddingTensor));
  return family?.architectures[0] ?? 'unknown';
}
/** The lineage of an autoencoder, where its scaling factor is that of one lineage alone. */
export function architectureOfScaling(scalingFactor) {
  const family = all.find(
    ({ architectures, latents }) => architectures.length === 1 && latents.scalingFactor === scalingFactor,
  );
  return family?.architectures[0] ?? 'unknown';
}
/** Class names that the configs of a network have, in any family. */
export function classesOf(network) {
  return [...new Set(all.flatMap(({ networks }) => networks[network]?.classes ?? []))];
}
/** How a network is written that has a config of its own. @param className of that config */
export function networkOf(network, className) {
  for (const { networks } of all) {
    const kind = networks[network];
    if (kind?.classes.includes(String(className))) return kind;
  }
  return undefined;
}
export function familyNamed(name) {
  return all.find((family) => family.name === name);
}
//# sourceMappingURL=index.js.map
