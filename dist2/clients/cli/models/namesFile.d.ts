/** One value of `models.json`. A plain string is a folder. Fields not named here are kept as they are. */
type Named =
  | string
  | {
      folder?: string;
      file?: string;
      aliases?: string[];
      [more: string]: unknown;
    };
/** `models.json` of a models folder: AIR → where the model is, below that folder, and its other names. */
export type NamesFile = Record<string, Named>;
/** @throws a sentence where the text is not an AIR */
export declare function checkAir(air: string): void;
/** Empty where there is no such file. @throws a sentence where it is broken: it would be lost by writing over it */
export declare function readNamesFile(modelsDir: string): Promise<NamesFile>;
/**
 * Reads the file anew, lets `change` work on its content, and writes it whole: readers see the old or the new one, and of
 * two processes that change it at once neither loses what it wrote.
 */
export declare function changeNamesFile(modelsDir: string, change: (names: NamesFile) => void): Promise<void>;
/** Where a value of the file says its model is. */
export declare function placeOf(named: Named): string | undefined;
/** The first of some ids that the file gives to a model, and where that is. */
export declare function ownerIn(
  names: NamesFile,
  ids: readonly string[],
):
  | {
      id: string;
      place: string;
    }
  | undefined;
/** Takes ids away from whatever they name. */
export declare function takeIds(names: NamesFile, ids: readonly string[]): void;
