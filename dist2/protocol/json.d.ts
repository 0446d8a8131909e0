/**
 * JSON whose seeds are exact. A seed has up to 63 bits, a JavaScript number keeps 53; so integers beyond that are read
 * as bigint where the key is `seed`, and every bigint is written as bare digits. Node 20 has neither the source text in
 * JSON.parse's reviver nor JSON.rawJSON, which would do the same. Browsers import this file.
 */
/** Like JSON.parse; integers under the key `seed` that a number cannot hold exactly become bigint. */
export declare function parseJson(text: string): unknown;
/**
 * Tells whether JSON has more values, or nests them deeper, than allowed, in far less time than parsing it takes: a megabyte
 * of `[],[],…` becomes a hundred megabytes of objects and stops everybody else for a second. Takes the text in pieces as they
 * arrive, in UTF-8. Strings are skipped, however long; whether the text is JSON at all is left to `parseJson`.
 */
export declare class StructureScan {
  #private;
  constructor(limits: {
    maxValues: number;
    maxDepth: number;
  });
  /** Looks at the next piece. True when the text so far is beyond a limit. */
  exceeds(bytes: Uint8Array): boolean;
}
/** Like JSON.stringify; bigint becomes bare digits, and what JSON cannot say (undefined, a function) is refused. */
export declare function stringifyJson(value: unknown): string;
