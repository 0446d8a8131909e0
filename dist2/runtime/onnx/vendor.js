/**
 * Part of `npm pack`: copies the files of onnxruntime-node that run into `dist/onnxruntime-node/`, so that an installed
 * package has them without an install script. `--remove` takes them away again.
 *
 * LATENTWIRE_PLATFORMS, for example `linux-x64,linux-arm64`, makes a smaller package for those platforms alone.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const target = path.join(import.meta.dirname, '..', '..', 'onnxruntime-node');
rmSync(target, { recursive: true, force: true });
if (!process.argv.includes('--remove')) copy();
function copy() {
  const source = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const { name, version, license, main } = JSON.parse(readFileSync(path.join(source, 'package.json'), 'utf8'));
  const platforms = process.env.LATENTWIRE_PLATFORMS?.split(/[,\s]+/).filter((platform) => platform !== '');
  mkdirSync(target, { recursive: true });
  writeFileSync(path.join(target, 'package.json'), JSON.stringify({ name, version, license, main }, null, 2));
  cpSync(
    path.join(import.meta.dirname, '..', '..', '..', 'runtime', 'onnx', 'LICENSE.onnxruntime'),
    path.join(target, 'LICENSE'),
  );
  const binaries = path.join('bin', 'napi-v6');
  cpSync(path.join(source, 'dist'), path.join(target, 'dist'), {
    recursive: true,
    filter: (file) => !/\.(d\.ts|map)$/.test(file),
  });
  for (const platform of platforms ?? []) {
    if (!existsSync(path.join(source, binaries, platform.replace('-', '/'))))
      throw new Error(`onnxruntime-node has no build for ${platform}.`);
  }
  cpSync(path.join(source, binaries), path.join(target, binaries), {
    recursive: true,
    filter: (file) => {
      const [system, processor] = path.relative(path.join(source, binaries), file).split(path.sep);
      if (platforms !== undefined && system && !platforms.some((wanted) => wanted.startsWith(`${system}-`)))
        return false;
      if (platforms !== undefined && processor && !platforms.includes(`${system}-${processor}`)) return false;
      // A second copy of libonnxruntime.1.dylib, by a name that the binding does not look for; and what the original's
      // install script may have downloaded, which is too large for a package.
      return !/libonnxruntime\.\d+\.\d+\.\d+\.dylib$|providers_(cuda|tensorrt)/.test(file);
    },
  });
}
//# sourceMappingURL=vendor.js.map
