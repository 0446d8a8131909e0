/** Warnings: what a task says that has no effect. They never change what a task does. */
import { factsAbout, isAbsent } from './parameters.js';
/** Most warnings about one task; more would say the same again. */
export const MAX_WARNINGS = 16;
/** Longest part of an unknown key that is repeated. */
const MAX_KEY = 64;
/** Finds what a task says in vain, at any depth that the parameters have. Looks at a task that was parsed without error. */
export function warningsOf(shape, raw) {
  const warnings = [];
  look(shape, raw, '', warnings);
  return warnings;
}
function look(shape, raw, prefix, warnings) {
  for (const [key, value] of Object.entries(raw)) {
    if (warnings.length >= MAX_WARNINGS) return;
    if (isAbsent(value)) continue;
    const schema = Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (typeof schema !== 'object' || schema === null) {
      warnings.push(unknownParameter(key, prefix, Object.keys(shape)));
      continue;
    }
    const facts = factsAbout(schema);
    if (facts === undefined) continue;
    const parameter = prefix + key;
    if (facts.ignored !== undefined) {
      if (facts.harmless?.(value)) continue;
      const message = `\`${parameter}\` has no effect: ${facts.ignored}`;
      warnings.push({ code: 'ignoredParameter', message, parameter });
    } else if (facts.children !== undefined && isObject(value)) {
      look(facts.children, value, `${parameter}.`, warnings);
    } else if (facts.entry?.children !== undefined && Array.isArray(value)) {
      for (const [index, entry] of value.entries()) {
        if (isObject(entry)) look(facts.entry.children, entry, `${parameter}[${index}].`, warnings);
      }
    }
  }
}
function unknownParameter(key, prefix, names) {
  const shown = key.length > MAX_KEY ? `${key.slice(0, MAX_KEY)}…` : key;
  const parameter = prefix + shown;
  const meant = nearest(key, names);
  const question = meant === undefined ? '' : ` Did you mean \`${prefix}${meant}\`?`;
  return {
    code: 'unknownParameter',
    message: `This server does not know \`${parameter}\` and ignored it.${question}`,
    parameter,
  };
}
/** The name that a key is one or two slips away from. */
function nearest(key, names) {
  if (key.length > MAX_KEY) return undefined;
  const most = key.length < 4 ? 1 : 2;
  let best;
  for (const name of names) {
    if (Math.abs(name.length - key.length) > most) continue;
    const distance = editDistance(key.toLowerCase(), name.toLowerCase());
    if (distance <= most && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { name, distance };
  }
  return best?.name;
}
/** Letters to insert, delete or change (Levenshtein 1966); two neighbours that changed places count as one. */
function editDistance(a, b) {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, rows[i - 2][j - 2] + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
//# sourceMappingURL=warnings.js.map
