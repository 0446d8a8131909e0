import { type Local } from './local.ts';
/** What tasks are to call a model, beside its own name. */
export interface Names {
  air?: string | undefined;
  aliases: readonly string[];
  /** Whether ids that `models.json` gives to others may be taken from them. */
  force: boolean;
}
/** Throws a sentence where nothing new can be put into the models folder under that name. */
export declare function checkNewName(local: Local, name: string): Promise<void>;
/**
 * Throws a sentence where a model cannot be called that. Nothing is changed yet.
 *
 * @param file - absolute path that the model has or will have
 */
export declare function checkNames(local: Local, { air, aliases, force }: Names, file: string): Promise<void>;
/** Writes the names of a model that is in its place now. @param place - below the models folder */
export declare function writeNames(
  local: Local,
  place: string,
  { air, aliases, force }: Names,
  isFolder: boolean,
): Promise<void>;
