import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package, the same for sources and for what is built into `dist/`. */
export const packageRoot = findPackageRoot();

export const packageVersion: string = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')).version;

function findPackageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = path.join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'latentwire') return folder;
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error('The package latentwire was not found above this file.');
    folder = parent;
  }
}
