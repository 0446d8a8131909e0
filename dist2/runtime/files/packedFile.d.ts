import { type Packing } from './packing.ts';
/** What lies beside a packed file, as `<name>.json`: what it was made from, so that it can be told when it is of no more use. */
export interface PackedRecord {
  /** What it is of: `klein/transformer`. */
  label: string;
  sources: {
    file: string;
    version: string | undefined;
  }[];
  /** Root of the mean square of what rounding changed, over that of the weights that were rounded anew; 0 for none. */
  error: number;
}
/**
 * The packed file of weights in a folder: found there, or written now, once, under a temporary name that is then changed.
 * Files of which a source is gone or has changed are removed first.
 *
 * @returns its absolute path
 * @throws {ModelError} where the folder cannot take it
 */
export declare function packedFile(packing: Packing, folder: string, label: string): Promise<string>;
/** What is in a folder of packed files, the one used last at the end. */
export declare function listPackedFiles(folder: string): Promise<
  (PackedRecord & {
    file: string;
    bytes: number;
    usedAt: number;
    isCurrent: boolean;
  })[]
>;
/** Removes what has no source any more, and the oldest until `room` bytes more are no more than 200 GiB in all. */
export declare function cleanPackedFiles(folder: string, room?: number, mostBytes?: number): Promise<void>;
