import type { ConfigPart, ModelSettings } from './family.ts';
/**
 * Checks every number that is read from a config, so that none makes a process reserve memory without end or compute what is
 * no number. Absent and null fields have their defaults.
 *
 * @param where - begins the sentence
 * @throws {ModelError} naming the field, its value and what it must be
 */
export declare function checkConfig(part: ConfigPart, config: Readonly<Record<string, unknown>>, where?: string): void;
/** The same for the numbers of a settings file. @throws {ModelError} */
export declare function checkSettings(settings: ModelSettings, file: string): void;
