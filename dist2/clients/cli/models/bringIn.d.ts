import type { Transfer } from '../transfer.ts';
/** A file to be brought into the models folder. */
export interface Source {
  /** Absolute, links followed. */
  from: string;
  /** Where it goes, below the staging. */
  to: string;
  bytes: number;
}
/** Whether a file is a pickle by its name: opening one can run code. */
export declare function isPickle(file: string): boolean;
/**
 * The files of a folder that a model may need. Links are followed, because download caches are made of them; hidden
 * files, pickles and weights of other frameworks are left out.
 */
export declare function filesOf(folder: string, to?: string): Promise<Source[]>;
export declare function fileAs(file: string, to: string): Promise<Source>;
/** About how much is written where files are brought into a folder. */
export declare function bytesToCopy(sources: readonly Source[], folder: string, how: How): Promise<number>;
/** `either`: linked where that works, else copied. */
export type How = 'link' | 'copy' | 'either';
/**
 * Links or copies files into a folder. A hard link is the file itself under a second name: no bytes are stored twice, and
 * it stays when the first name goes.
 *
 * @returns how many bytes were linked and copied
 */
export declare function bringIn(
  sources: readonly Source[],
  folder: string,
  how: How,
  transfer: Transfer,
  signal: AbortSignal,
): Promise<{
  linked: number;
  copied: number;
}>;
