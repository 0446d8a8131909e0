/**
 * The second half of `npm run build`. It bundles each program, so that it starts quickly, and makes `dist/page/`, all files that
 * the server sends to browsers: one of HTML, one of CSS, one of JavaScript, `app/` with the modules for other pages, and the
 * compressed forms of all.
 */

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const dist = path.join(import.meta.dirname, '..');
const source = path.join(dist, '..', 'clients', 'playground');
const target = path.join(dist, 'page');

rmSync(target, { recursive: true, force: true });
mkdirSync(target);
await bundlePage();
for (const folder of ['clients/typescript', 'protocol']) {
  cpSync(path.join(dist, folder), path.join(target, 'app', folder), {
    recursive: true,
    filter: (file) => !/\.d\.ts$/.test(file),
  });
}
compress();
await bundlePrograms();

/** The names of the bundles have hashes in them, so that browsers may keep them for ever. */
async function bundlePage(): Promise<void> {
  const { metafile } = await build({
    entryPoints: ['main.ts', 'style.css'].map((name) => path.join(source, name)),
    outdir: path.join(target, 'assets'),
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    metafile: true,
    logLevel: 'warning',
  });
  let html = readFileSync(path.join(source, 'index.html'), 'utf8');
  for (const [output, { entryPoint }] of Object.entries(metafile.outputs)) {
    const reference = `"${path.basename(entryPoint!)}"`;
    if (!html.includes(reference)) throw new Error(`index.html does not load ${reference}.`);
    html = html.replace(reference, `"assets/${path.basename(output)}"`);
  }
  writeFileSync(path.join(target, 'index.html'), html.replaceAll(/\n\s+/g, '\n'));
}

/**
 * Bundles the programs: Node takes a millisecond to find and link each of our modules, and a server has three hundred.
 * Packages are not bundled, and all modules stay importable.
 */
async function bundlePrograms(): Promise<void> {
  const programs = [
    'clients/cli/main',
    ...['main', 'describing', 'examining'].map((name) => `runtime/process/${name}`),
  ];
  const shared = path.join(dist, 'shared');
  rmSync(shared, { recursive: true, force: true });
  await build({
    entryPoints: programs.map((name) => path.join(dist, `${name}.js`)),
    outbase: dist,
    outdir: dist,
    allowOverwrite: true,
    // As deep as the modules, because some find files by a path relative to themselves.
    chunkNames: 'shared/chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
  });
}

function compress(): void {
  for (const entry of readdirSync(target, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const bytes = readFileSync(file);
    const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.byteLength };
    writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params }));
    writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  }
}
