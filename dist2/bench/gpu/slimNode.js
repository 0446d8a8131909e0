/**
 * Part of bench/gpu/pack: clears the data of other languages in a Node binary. Its length stays, and it compresses to two
 * thirds. Such a Node starts in English only, and knows no old encodings.
 *
 *     node dist/bench/gpu/slimNode.js FILE
 *
 * ICU's data is one block in the binary: a header, a table of names and offsets, and the items in the table's order
 * (https://unicode-org.github.io/icu/userguide/icu_data/).
 */
import { readFileSync, writeFileSync } from 'node:fs';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('Say which binary to change.');
const binary = readFileSync(file);
let cleared = 0;
// The format of the block is told 12 bytes behind its beginning.
for (let at = binary.indexOf('CmnD'); at >= 0; at = binary.indexOf('CmnD', at + 1)) cleared += clear(at - 12);
if (cleared === 0) console.error(`${file} has no data of other languages; it stays as it is.`);
else {
  writeFileSync(file, binary);
  console.error(`${file}: ${(cleared / 1e6).toFixed(1)} MB of other languages are cleared.`);
}
function clear(header) {
  if (header < 0 || binary[header + 2] !== 0xda || binary[header + 3] !== 0x27) return 0;
  const table = header + binary.readUInt16LE(header);
  const count = binary.readUInt32LE(table);
  // The text also stands in code that reads such blocks.
  if (count < 100 || count > 100_000) return 0;
  const items = Array.from({ length: count }, (_, i) => {
    const name = table + binary.readUInt32LE(table + 4 + 8 * i);
    const begin = table + binary.readUInt32LE(table + 8 + 8 * i);
    return { name: binary.toString('latin1', name, binary.indexOf(0, name)), begin };
  });
  let bytes = 0;
  for (const [i, { name, begin }] of items.entries()) {
    const end = items[i + 1]?.begin;
    if (end === undefined || !isOfOthers(name)) continue;
    binary.fill(0, begin, end);
    bytes += end - begin;
  }
  return bytes;
}
/** Locales but English, dictionaries of word breaks, encodings, transliterations, and spelled-out numbers. */
function isOfOthers(name) {
  const [, ...path] = name.split('/');
  const item = path.at(-1) ?? name;
  if (/\.(cnv|dict)$/.test(item) || /translit|rbnf/.test(name)) return true;
  return /^[a-z]{2,3}(_[A-Za-z0-9]+)*\.res$/.test(item) && !/^en(_US)?\.res$/.test(item);
}
//# sourceMappingURL=slimNode.js.map
