import { type Hub, type HubFile, type Repository } from './hub.ts';
/** What is told of the bytes while they come. */
export interface Meter {
  advance(bytes: number): void;
  skip(bytes: number): void;
  say(sentence: string): void;
}
/**
 * Fetches one file to `target`. What has come is kept in `target.part`, from which the next call goes on; the file has its
 * name only once its size and checksum are right.
 */
export declare function download(
  hub: Hub,
  repository: Repository,
  file: HubFile,
  target: string,
  meter: Meter,
): Promise<void>;
