/**
 * The tables of the documentation that are made from the code. `npm run docs` writes them between the markers
 * `<!-- NAME -->` and `<!-- /NAME -->` of their files; a test fails while a file is behind the code.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { optionsTable } from '../server/config.js';
import { Metrics } from '../server/metrics.js';
import { packageRoot } from '../server/packageRoot.js';
/** Name of the marker, the file it stands in, and how the table is made. */
export const tables = {
  options: { file: 'docs/options.md', make: optionsTable },
  metrics: { file: 'docs/metrics.md', make: metricsTable },
};
/** The file as it should be: its text with the table made anew. */
export function withTable(name) {
  const { make } = tables[name];
  const file = path.join(packageRoot, tables[name].file);
  const old = readFileSync(file, 'utf8');
  const [before, , after] = old.split(new RegExp(`(?<=<!-- ${name} -->\n)([\\s\\S]*?)(?=<!-- /${name} -->)`));
  if (after === undefined) throw new Error(`${tables[name].file} has no markers for the table "${name}".`);
  return { file, old, text: `${before}${make()}\n${after}` };
}
function metricsTable() {
  // Only names and labels are read, so no runtime is asked anything.
  const runtime = { status: () => ({ state: 'starting', restarts: 0 }) };
  return new Metrics(runtime, () => 0).table();
}
if (process.argv[1] === import.meta.filename) {
  for (const name of Object.keys(tables)) {
    const { file, old, text } = withTable(name);
    if (old === text) continue;
    writeFileSync(file, text);
    console.log(`Wrote the table "${name}" to ${path.relative(packageRoot, file)}.`);
  }
}
//# sourceMappingURL=tables.js.map
