import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../server/packageRoot.ts';

/** Files of this package that a program reads before it begins, or with those that it imports while it runs. */
function filesOf(program: string, whileRunning: boolean): Set<string> {
  const pattern = whileRunning ? /(?:from|import) ?\(?"(\.[^"]+\.js)"/g : /(?:from|import) ?"(\.[^"]+\.js)"/g;
  const found = new Set<string>();
  const read = (file: string) => {
    if (found.has(file)) return;
    found.add(file);
    for (const [, name] of readFileSync(file, 'utf8').matchAll(pattern)) read(path.resolve(path.dirname(file), name!));
  };
  read(path.join(packageRoot, 'dist', program));
  return found;
}

// Three hundred files, one for each module, took Node a third of the time in which a server starts.
test.each([
  'runtime/process/main.js',
  'runtime/process/describing.js',
  'runtime/process/examining.js',
  'clients/cli/main.js',
])('the program %s starts from few files', (program) => {
  expect(filesOf(program, false).size).toBeLessThan(25);
  expect(filesOf(program, true).size).toBeLessThan(60);
});
