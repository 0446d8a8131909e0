const heaviest = 10;
/**
 * Takes the signs of a weighting syntax out of a prompt. Signs that have no partner are text, so no prompt is refused;
 * time and memory grow with the length of the prompt, however it is nested.
 *
 * - absent: everything is text, `(word:1.2)` too;
 * - `sdEmbeds` as in AUTOMATIC1111's web UI: `(words)` × 1.1, `[words]` ÷ 1.1, `(words:1.3)` × 1.3, nested products,
 *   `\(` `\)` `\[` `\]` `\\` for the characters themselves. Its scheduled words, `AND` and `BREAK` are text;
 * - `compel` as in https://github.com/damian0815/compel: `word+` × 1.1 a sign, `word-` × 0.9 a sign, `(some words)++`,
 *   `(some words)1.3`, `(words).attend(1.3)`, quotes like parentheses, nested products, a backslash before a sign for the
 *   sign itself; `("one", "another").blend(0.7, 0.3)` and `.and()` for the whole prompt. Parentheses and quotes without a
 *   weight vanish.
 */
export function parsePrompt(text, weighting) {
  if (weighting === 'compel') return parseJoined(text) ?? onePart(parseCompel(text));
  return onePart(weighting === 'sdEmbeds' ? parseSdEmbeds(text) : [{ text, weight: 1 }]);
}
function onePart(fragments) {
  return { join: 'concatenate', parts: [{ fragments, weight: 1 }] };
}
/** Keeps products finite, however deep the nesting: an infinite weight times zero would be no number. */
const bounded = (factor) => Math.min(1e9, Math.max(-1e9, factor));
/** Collects text and opened brackets; one that closes multiplies the weights of all that came since it opened. */
class Collector {
  pieces = [];
  /** Opened and not yet closed. The sign is a piece of its own, which vanishes when its partner comes. */
  open = [];
  openCount = new Map();
  /** What a factor will multiply. Spans nest or lie apart; an inner one comes before the outer. */
  spans = [];
  add(text) {
    this.pieces.push(text);
  }
  openBracket(bracket) {
    this.open.push({ bracket, piece: this.pieces.length });
    this.openCount.set(bracket, (this.openCount.get(bracket) ?? 0) + 1);
    this.add(bracket);
  }
  /** Whether a bracket of this kind waits for its partner. */
  isOpen(bracket) {
    return (this.openCount.get(bracket) ?? 0) > 0;
  }
  /** Closes the last open bracket of this kind; those opened after it stay text. */
  closeBracket(bracket, factor) {
    for (let entry = this.open.pop(); entry; entry = this.open.pop()) {
      this.openCount.set(entry.bracket, this.openCount.get(entry.bracket) - 1);
      if (entry.bracket !== bracket) continue;
      this.pieces[entry.piece] = '';
      this.spans.push({ from: entry.piece, to: this.pieces.length, factor });
      return;
    }
  }
  /** Adds text with a weight of its own. */
  addWeighted(text, factor) {
    this.spans.push({ from: this.pieces.length, to: this.pieces.length + 1, factor });
    this.add(text);
  }
  /** @param lightest No weight is below this. */
  finish(lightest) {
    const starting = new Map();
    for (const { from, to, factor } of this.spans) {
      const list = starting.get(from);
      if (list) list.push({ to, factor });
      else starting.set(from, [{ to, factor }]);
    }
    const around = [];
    const fragments = this.pieces.map((text, index) => {
      while (around.length > 0 && around.at(-1).to <= index) around.pop();
      // Of those that begin here, the widest came last and is the outermost.
      for (const { to, factor } of (starting.get(index) ?? []).reverse()) {
        around.push({ to, product: bounded((around.at(-1)?.product ?? 1) * bounded(factor)) });
      }
      return { text, weight: Math.min(heaviest, Math.max(lightest, around.at(-1)?.product ?? 1)) };
    });
    return merge(fragments);
  }
}
/** Neighbours of one weight as one fragment. White space becomes no token, so it joins whatever it follows. */
function merge(pieces) {
  const merged = [];
  for (const { text, weight } of pieces) {
    if (text === '') continue;
    const last = merged.at(-1);
    if (last && (last.weight === weight || text.trim() === '')) last.texts.push(text);
    else merged.push({ texts: [text], weight });
  }
  if (merged.length === 0) return [{ text: '', weight: 1 }];
  return merged.map(({ texts, weight }) => ({ text: texts.join(''), weight }));
}
// A backslash with what it protects; an ending with a weight; a bracket; or a run of anything else.
const sdEmbedsSigns = /\\[()[\]\\]|:\s*([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}))\s*\)|[()[\]]|[^\\()[\]:]+|[\\:]/gu;
function parseSdEmbeds(text) {
  const found = new Collector();
  for (const [sign, weight] of text.matchAll(sdEmbedsSigns)) {
    if (sign === '(' || sign === '[') found.openBracket(sign);
    else if (weight !== undefined && found.isOpen('(')) found.closeBracket('(', Number(weight));
    else if (sign === ')' && found.isOpen('(')) found.closeBracket('(', 1.1);
    else if (sign === ']' && found.isOpen('[')) found.closeBracket('[', 1 / 1.1);
    else found.add(/^\\./u.test(sign) ? sign.slice(1) : sign);
  }
  return found.finish(-heaviest);
}
const number = '\\d{1,9}(?:\\.\\d{1,9})?|\\.\\d{1,9}';
// A sign within a word ("hot-dog") is text; at its end it is a weight.
const compelWord = /(?:\\[()"+\-.,=\\]|[+-](?![\s()",.+\-=]|$)|[^\s()",.+\-=])+/uy;
const afterWord = new RegExp(`(\\++|-+)|\\.attend\\(\\s*(\\++|-+|${number})\\s*\\)`, 'uy');
const afterGroup = new RegExp(`(\\++|-+|${number})|\\.attend\\(\\s*(\\++|-+|${number})\\s*\\)`, 'uy');
function parseCompel(text) {
  const found = new Collector();
  let at = 0;
  const take = (pattern) => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at += match[0].length;
    return match;
  };
  const factorFrom = (pattern) => {
    const match = take(pattern);
    const operator = match?.[1] ?? match?.[2];
    if (operator === undefined) return 1;
    if (operator[0] === '+') return 1.1 ** operator.length;
    return operator[0] === '-' ? 0.9 ** operator.length : Number(operator);
  };
  while (at < text.length) {
    const word = take(compelWord);
    if (word) {
      found.addWeighted(word[0].replace(/\\([()"+\-.,=\\])/gu, '$1'), factorFrom(afterWord));
      continue;
    }
    // By code unit, so that half of a surrogate pair is passed on like any other text.
    const sign = text[at++];
    if (sign === '(') found.openBracket('(');
    else if (sign === '"' && !found.isOpen('"')) found.openBracket('"');
    else if (sign === '"') found.closeBracket('"', factorFrom(afterGroup));
    else if (sign === ')' && found.isOpen('(')) found.closeBracket('(', factorFrom(afterGroup));
    else found.add(sign);
  }
  return found.finish(0);
}
const joinEnd = /\)\.(blend|and|add)\(([^()]*)\)\s*$/u;
/** `("one", "another").blend(0.7, 0.3)` or `.and()`, if the whole prompt is written so. */
function parseJoined(text) {
  const end = joinEnd.exec(text);
  const begin = text.search(/\S/u);
  if (!end || text[begin] !== '(') return undefined;
  const parts = splitList(text.slice(begin + 1, end.index));
  const options = end[2].split(',').map((option) => option.trim());
  const raw = options.includes('no_normalize');
  const given = options.filter((option) => option !== '' && option !== 'no_normalize').map(Number);
  if (!parts || !given.every(Number.isFinite)) return undefined;
  const weights = parts.map((_, index) => Math.min(heaviest, Math.max(-heaviest, given[index] ?? 1)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const blend = end[1] === 'blend';
  // Weights of a sum of 0 cannot be brought to 1.
  const scale = blend && !raw && Math.abs(sum) > 1e-6 ? 1 / sum : 1;
  return {
    join: blend ? 'blend' : 'concatenate',
    parts: parts.map((part, index) => ({ fragments: parseCompel(part), weight: weights[index] * scale })),
  };
}
/** Splits at commas outside of quotes and parentheses; undefined when those do not pair up. */
function splitList(text) {
  const parts = [];
  let depth = 0;
  let quoted = false;
  let begin = 0;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign === '\\') at++;
    else if (sign === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (sign === '(') depth++;
    else if (sign === ')' && --depth < 0) return undefined;
    else if (sign === ',' && depth === 0) {
      parts.push(text.slice(begin, at).trim());
      begin = at + 1;
    }
  }
  parts.push(text.slice(begin).trim());
  return quoted || depth > 0 ? undefined : parts;
}
//# sourceMappingURL=promptSyntax.js.map
