import { type ModelConfigs, type ModelSettings } from '../families/family.ts';
import type { Checkpoint } from './checkpoint.ts';
/**
 * A model in the diffusers layout: `model_index.json` and a folder for each component, with `<component>/model.onnx` or,
 * where that is missing, safetensors. `latentwire.json` may name another autoencoder (`"vae": "../other-vae"`) and other
 * tokenizers (`"tokenizer": "../folder/tokenizer"`), and correct the prediction type.
 *
 * @throws {ModelError} naming the part and the reason
 */
export declare function openFolder(folder: string): Promise<Checkpoint>;
/** Reads and parses every JSON file of a model folder. */
export declare function readModelConfigs(folder: string): Promise<ModelConfigs>;
/** What `latentwire.json` in a model folder says. */
export declare function readFolderSettings(folder: string): Promise<ModelSettings>;
export declare function readIndex(folder: string): Promise<Record<string, unknown>>;
/** Exporters rename the pipeline they exported: OnnxStableDiffusionPipeline, ORTStableDiffusionPipeline. */
export declare function classNameOf(index: Record<string, unknown>): string;
