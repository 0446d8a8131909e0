/**
 * Large weights of the reference models are in the repository as `fixtures/packed/**.br`, 13 % smaller. The tests unpack them
 * beside the small ones before they begin.
 *
 *     node test/packedFixtures.mjs test/fixtures/models/tiny-sdxl/unet/diffusion_pytorch_model.safetensors
 *
 * packs files, and leaves them where they are, for git to ignore.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';

const fixtures = path.join(import.meta.dirname, 'fixtures');
const packed = path.join(fixtures, 'packed');
const models = path.join(fixtures, 'models');

/** Run by vitest before all tests. */
export default function setup() {
  for (const entry of readdirSync(packed, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = path.join(entry.parentPath, entry.name);
    const target = path.join(models, path.relative(packed, source).slice(0, -'.br'.length));
    if ((statSync(target, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= statSync(source).mtimeMs) continue;
    mkdirSync(path.dirname(target), { recursive: true });
    // Renamed when it is whole, because tests of another run may read it.
    const partial = `${target}.${process.pid}`;
    writeFileSync(partial, brotliDecompressSync(readFileSync(source)));
    renameSync(partial, target);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const file of process.argv.slice(2)) {
    const place = path.relative(models, path.resolve(file));
    const target = path.join(packed, `${place}.br`);
    mkdirSync(path.dirname(target), { recursive: true });
    const quality = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 22 };
    writeFileSync(target, brotliCompressSync(readFileSync(file), { params: quality }));
    appendFileSync(path.join(fixtures, '.gitignore'), `/models/${place.split(path.sep).join('/')}\n`);
  }
}
