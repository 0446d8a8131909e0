import type { StoredTensors } from '../files/safetensors.ts';
import type { Architecture, Family, LoraLayerShape, NetworkKind } from './family.ts';

export type { Family } from './family.ts';
/** Every family of models; the first one that recognises a file reads it. */
export declare const families: {
  sd: Family;
  sdxl: Family;
  zImage: Family;
};
/** The family of a pipeline, by its `_class_name`. */
export declare function familyOfPipeline(className: string): Family | undefined;
/** The family whose denoiser an all-in-one file holds. */
export declare function familyOfFile(tensors: StoredTensors): Family | undefined;
/** Every pipeline that can be run, for complaints. */
export declare function supportedPipelines(): string[];
/** The lineage of a LoRA, an embedding or a ControlNet, from the width of the text states that it was made for. */
export declare function architectureOfTextWidth(width: unknown): Architecture;
/** The name of the family that an architecture belongs to. */
export declare function familyOfArchitecture(architecture: Architecture): string;
/** The lineage of a LoRA: told by its layers, else by what trainers write into the metadata. */
export declare function architectureOfLora(
  layers: readonly LoraLayerShape[],
  metadata: Readonly<Record<string, string>>,
): Architecture;
/** The lineage of a textual inversion that names its encoders. */
export declare function architectureOfEmbedding(tensors: StoredTensors): Architecture;
/** The lineage of an autoencoder, where its scaling factor is that of one lineage alone. */
export declare function architectureOfScaling(scalingFactor: unknown): Architecture;
/** Class names that the configs of a network have, in any family. */
export declare function classesOf(network: keyof Family['networks']): readonly string[];
/** How a network is written that has a config of its own. @param className of that config */
export declare function networkOf(network: keyof Family['networks'], className: unknown): NetworkKind | undefined;
export declare function familyNamed(name: string): Family | undefined;
