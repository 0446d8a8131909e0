import type { ModelDescription } from '../../../runtime/index.ts';
import type { Local } from './local.ts';
/** A file of an unusual vocabulary may come in without it: the tokenizer can follow. Throws the reason of any other. */
export declare function checkUsable(found: ModelDescription): void;
/**
 * Says how to use a model that has come: its AIR, alone, on stdout. Throws where it cannot be used.
 *
 * @param place - where it is, below the models folder
 */
export declare function tell({ modelsDir, list, defaultVaes }: Local, place: string): Promise<void>;
