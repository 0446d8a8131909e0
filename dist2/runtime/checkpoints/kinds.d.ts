import type { Architecture } from '../families/family.ts';
import type { StoredTensors } from '../files/safetensors.ts';
/** What a folder or file in the models directory is. */
export type Kind = 'checkpoint' | 'lora' | 'embedding' | 'controlNet' | 'vae' | 'tinyVae';
export interface Recognised {
  kind: Kind;
  architecture: Architecture;
  /** Why a file of this kind cannot be used; a sentence. */
  reason?: string;
  /** What of a file that can be used has no effect; a sentence. */
  note?: string;
}
/**
 * What one safetensors file holds, told by the names and shapes in its header.
 *
 * @param file - its name, for complaints
 */
export declare function recognise(
  file: string,
  tensors: StoredTensors,
  metadata: Readonly<Record<string, string>>,
): Recognised;
