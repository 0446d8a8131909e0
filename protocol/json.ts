/**
 * JSON whose seeds are exact. A seed has up to 63 bits, a JavaScript number keeps 53; so integers beyond that are read
 * as bigint where the key is `seed`, and every bigint is written as bare digits. Node 20 has neither the source text in
 * JSON.parse's reviver nor JSON.rawJSON, which would do the same. Browsers import this file.
 */

// Stands before the digits of a large seed while JSON.parse and JSON.stringify look away. Random, so that no text of a
// client can contain it; and if one did, the worst is a string of digits read as the number it shows.
const MARK = `bigint ${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)} `;

// At most 32 digits: BigInt() takes quadratic time, and a million digits would be a way to stop the server.
const LARGE_SEED = /\s*:\s*(-?[1-9]\d{15,31})(?![\d.eE])/y;
const MAYBE_LARGE_SEED = /"seed"\s*:\s*-?[1-9]\d{15}/;

/** Like JSON.parse; integers under the key `seed` that a number cannot hold exactly become bigint. */
export function parseJson(text: string): unknown {
  if (!MAYBE_LARGE_SEED.test(text)) return JSON.parse(text);
  return JSON.parse(markLargeSeeds(text), (key, value) => {
    if (key !== 'seed' || typeof value !== 'string' || !value.startsWith(MARK)) return value;
    const seed = BigInt(value.slice(MARK.length));
    return isSafe(seed) ? Number(seed) : seed;
  });
}

/**
 * Tells whether JSON has more values, or nests them deeper, than allowed, in far less time than parsing it takes: a megabyte
 * of `[],[],…` becomes a hundred megabytes of objects and stops everybody else for a second. Takes the text in pieces as they
 * arrive, in UTF-8. Strings are skipped, however long; whether the text is JSON at all is left to `parseJson`.
 */
export class StructureScan {
  readonly #limits: { maxValues: number; maxDepth: number };
  #values = 1;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;

  constructor(limits: { maxValues: number; maxDepth: number }) {
    this.#limits = limits;
  }

  /** Looks at the next piece. True when the text so far is beyond a limit. */
  exceeds(bytes: Uint8Array): boolean {
    const { maxValues, maxDepth } = this.#limits;
    for (let at = 0; at < bytes.length; at++) {
      if (this.#isInString) at = this.#endOfString(bytes, at);
      else {
        const byte = bytes[at];
        if (byte === 0x22) this.#isInString = true;
        // { and [
        else if (byte === 0x7b || byte === 0x5b) {
          this.#values++;
          if (++this.#depth > maxDepth) return true;
        } else if (byte === 0x7d || byte === 0x5d) this.#depth--;
        else if (byte === 0x2c) this.#values++;
        if (this.#values > maxValues) return true;
      }
    }
    return false;
  }

  /** Index of the quote that ends the string, or the length where the piece ends within it. */
  #endOfString(bytes: Uint8Array, from: number): number {
    let quote = -1;
    for (let at = from; at < bytes.length; at++) {
      if (this.#isEscaped) {
        this.#isEscaped = false;
        continue;
      }
      // Looked for anew only when it was passed: a search for each backslash would take quadratic time.
      if (quote < at) {
        const found = bytes.indexOf(0x22, at);
        quote = found === -1 ? bytes.length : found;
      }
      const backslash = bytes.subarray(at, quote).indexOf(0x5c);
      if (backslash === -1) {
        if (quote < bytes.length) this.#isInString = false;
        return quote;
      }
      at += backslash;
      this.#isEscaped = true;
    }
    return bytes.length;
  }
}

/** Like JSON.stringify; bigint becomes bare digits, and what JSON cannot say (undefined, a function) is refused. */
export function stringifyJson(value: unknown): string {
  let marked = false;
  const text = JSON.stringify(value, (_key, entry) => {
    if (typeof entry !== 'bigint') return entry;
    if (isSafe(entry)) return Number(entry);
    marked = true;
    return `${MARK}${entry}`;
  });
  if (text === undefined) throw new TypeError('The value cannot be written as JSON.');
  return marked ? text.replace(new RegExp(`"${MARK}(-?\\d+)"`, 'g'), '$1') : text;
}

/** Walks over the strings of the text, so that a prompt which talks about "seed": 123 stays what it is. */
function markLargeSeeds(text: string): string {
  let marked = '';
  let copied = 0;
  for (let open = text.indexOf('"'); open !== -1; ) {
    const close = endOfString(text, open);
    if (close === -1) break;
    if (close - open === 5 && text.startsWith('seed', open + 1)) {
      LARGE_SEED.lastIndex = close + 1;
      const digits = LARGE_SEED.exec(text)?.[1];
      if (digits !== undefined) {
        marked += `${text.slice(copied, LARGE_SEED.lastIndex - digits.length)}"${MARK}${digits}"`;
        copied = LARGE_SEED.lastIndex;
      }
    }
    open = text.indexOf('"', close + 1);
  }
  return marked + text.slice(copied);
}

/** Index of the quote that closes the string opened at `open`, or -1. */
function endOfString(text: string, open: number): number {
  for (let quote = text.indexOf('"', open + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote;
  }
  return -1;
}

function isSafe(value: bigint): boolean {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
}
