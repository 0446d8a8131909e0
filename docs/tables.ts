/**
 * The tables of the documentation that are made from the code. `npm run docs` writes them between the markers
 * `<!-- NAME -->` and `<!-- /NAME -->` of their files; a test fails while a file is behind the code.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Runtime } from '../runtime/index.ts';
import { optionsTable } from '../server/config/config.ts';
import { Metrics } from '../server/observe/metrics.ts';
import { packageRoot } from '../server/packageRoot.ts';

/** Name of the marker, the file it stands in, and how the table is made. */
export const tables = {
  options: { file: 'docs/options.md', make: optionsTable },
  metrics: { file: 'docs/metrics.md', make: metricsTable },
};

export type TableName = keyof typeof tables;

/** The file as it should be: its text with the table made anew. */
export function withTable(name: TableName): { file: string; old: string; text: string } {
  const { make } = tables[name];
  const file = path.join(packageRoot, tables[name].file);
  const old = readFileSync(file, 'utf8');
  const [before, , after] = old.split(new RegExp(`(?<=<!-- ${name} -->\n)([\\s\\S]*?)(?=<!-- /${name} -->)`));
  if (after === undefined) throw new Error(`${tables[name].file} has no markers for the table "${name}".`);
  return { file, old, text: `${before}${make()}\n${after}` };
}

function metricsTable(): string {
  // Only names and labels are read, so no runtime is asked anything.
  const runtime = { status: () => ({ state: 'starting', restarts: 0 }) } as unknown as Runtime;
  return new Metrics(runtime, () => 0).table();
}

if (process.argv[1] === import.meta.filename) {
  for (const name of Object.keys(tables) as TableName[]) {
    const { file, old, text } = withTable(name);
    if (old === text) continue;
    writeFileSync(file, text);
    console.log(`Wrote the table "${name}" to ${path.relative(packageRoot, file)}.`);
  }
}
