import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
/**
 * Made by `npm pack` (see vendor.ts): the files of onnxruntime-node that run, without its install script, which downloads
 * CUDA's libraries and fails the whole installation where it cannot.
 */
const vendored = '../../onnxruntime-node';
const ort = load();
export const { env, InferenceSession, Tensor, listSupportedBackends } = ort;
/**
 * onnxruntime-node where it is installed in the version this package was built for: in a clone of the repository, and where
 * somebody added it for CUDA. Otherwise the copy in this package.
 */
function load() {
  const wanted = require('onnxruntime-common').env.versions.common;
  const name = versionOf('onnxruntime-node') === wanted ? 'onnxruntime-node' : vendored;
  try {
    return require(name);
  } catch (cause) {
    const here = `${process.platform} on ${process.arch}`;
    throw new Error(
      versionOf(name) === undefined
        ? `onnxruntime is missing: install onnxruntime-node ${wanted} beside latentwire.`
        : `onnxruntime ${wanted} does not load here (${here}). It has builds for Linux (glibc) and Windows on x64 and arm64, and for macOS on arm64.`,
      { cause },
    );
  }
}
/** Undefined where there is no such package. */
function versionOf(name) {
  try {
    return require(`${name}/package.json`).version;
  } catch {
    return undefined;
  }
}
//# sourceMappingURL=onnxruntime.js.map
