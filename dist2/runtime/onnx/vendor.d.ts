/**
 * Part of `npm pack`: copies the files of onnxruntime-node that run into `dist/onnxruntime-node/`, so that an installed
 * package has them without an install script. `--remove` takes them away again.
 *
 * LATENTWIRE_PLATFORMS, for example `linux-x64,linux-arm64`, makes a smaller package for those platforms alone.
 */
export {};
