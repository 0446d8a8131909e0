import { type ConfigPart, type Corrections, type Family, type ModelSettings } from '../families/family.ts';
/** What a part is called in settings and complaints: the denoiser by its folder. */
export declare function partLabel(family: Family, part: ConfigPart): string;
/** What settings say of each part, and where they say it. */
export declare function correctionsIn(
  family: Family,
  settings: ModelSettings,
  file: string,
): (part: ConfigPart) => Corrections;
/**
 * Reads a settings file; fields of the wrong type count as absent, and a missing file as an empty one.
 *
 * @throws {ModelError} for a number out of its range
 */
export declare function readSettings(file: string): Promise<ModelSettings>;
