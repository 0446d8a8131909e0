/** The row of an empty text. */
export function emptyChunk(tokenizer) {
  return makeChunk(tokenizer, []);
}
/**
 * Cuts a prompt into rows, one at least. A row ends with a word where any word ends in it; the vectors of an added word
 * stay together.
 *
 * @param appended Words put after the last fragment, with a weight of 1.
 */
export function cutIntoChunks(tokenizer, fragments, words = [], appended = []) {
  const find = finderOf(words);
  const placed = [];
  for (const [index, { text, weight }] of fragments.entries()) {
    for (const piece of splitAtWords(text, find)) {
      if (typeof piece !== 'string') placed.push(...placeWord(piece, weight, index));
      else
        for (const { id, endsWord } of tokenizer.tokenize(piece))
          placed.push({ id, endsWord, weight, fragment: index });
    }
  }
  for (const word of appended) placed.push(...placeWord(word, 1, fragments.length));
  const room = tokenizer.length - 2;
  const chunks = [];
  let at = 0;
  do {
    let end = Math.min(at + room, placed.length);
    if (end < placed.length) {
      let whole = end;
      while (whole > at && !placed[whole - 1].endsWord) whole--;
      // A word longer than a row is cut.
      if (whole > at) end = whole;
    }
    chunks.push(makeChunk(tokenizer, placed.slice(at, end)));
    at = end;
  } while (at < placed.length);
  return chunks;
}
/** The added words that a prompt names. */
export function namedWords(fragments, words) {
  const find = finderOf(words);
  const named = new Set();
  for (const { text } of fragments) {
    for (const piece of splitAtWords(text, find)) if (typeof piece !== 'string') named.add(piece);
  }
  return named;
}
function placeWord({ id, count }, weight, fragment) {
  return Array.from({ length: count }, (_, k) => ({ id: id - k, endsWord: k === count - 1, weight, fragment }));
}
function makeChunk(tokenizer, placed) {
  const { length, start, end, pad } = tokenizer;
  const padding = Math.max(0, length - 2 - placed.length);
  const filled = (value) => new Array(padding).fill(value);
  return {
    ids: [start, ...placed.map(({ id }) => id), end, ...filled(pad)],
    weights: [1, ...placed.map(({ weight }) => weight), 1, ...filled(1)],
    fragments: [-1, ...placed.map(({ fragment }) => fragment), -1, ...filled(-1)],
  };
}
/** How added words are found: whole words in any case, in angle brackets or not, the longest that fits. */
function finderOf(words) {
  if (words.length === 0) return undefined;
  const byName = new Map(words.map((word) => [word.name.toLowerCase(), word]));
  const names = [...byName.keys()].sort((a, b) => b.length - a.length);
  const any = names.map((name) => name.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&')).join('|');
  // A hyphen between letters or digits belongs to the word: "bad" is no part of "bad-hands".
  const before = '(?<![\\p{L}\\p{N}_]|[\\p{L}\\p{N}]-)';
  const after = '(?![\\p{L}\\p{N}_]|-[\\p{L}\\p{N}])';
  return { pattern: new RegExp(`<(${any})>|${before}(${any})${after}`, 'giu'), byName };
}
function* splitAtWords(text, finder) {
  let at = 0;
  for (const match of finder ? text.matchAll(finder.pattern) : []) {
    const word = finder.byName.get((match[1] ?? match[2]).toLowerCase());
    if (word === undefined) continue;
    if (match.index > at) yield text.slice(at, match.index);
    yield word;
    at = match.index + match[0].length;
  }
  if (at < text.length) yield text.slice(at);
}
//# sourceMappingURL=chunks.js.map
