import { basename } from 'node:path';
import { openCheckpoint } from '../../runtime/checkpoints/checkpoint.js';
import { componentLabel } from '../../runtime/checkpoints/configs.js';
import { stableDiffusionXL } from '../../runtime/families/stableDiffusionXL.js';
import { inspectOnnxFile } from '../../runtime/files/onnxFile.js';
import { inPart } from '../../runtime/files/reading.js';
import { Graph } from '../../runtime/onnx/graph.js';
import { formOn, openWritten } from '../../runtime/onnx/openWritten.js';
/**
 * Loads one component of a model, a folder or a single file, by itself and in its plainest form: what the runtime does
 * with `LazyGraph`, without the inputs that its runs may need.
 *
 * @throws {ModelError} naming the part and the reason, or onnxruntime's own complaint
 */
export async function openComponent(path, component, provider) {
  const checkpoint = await openCheckpoint(path);
  const label = `${basename(path)}/${componentLabel(checkpoint, component)}`;
  const from = await checkpoint.component(component);
  if (from.kind === 'onnx') {
    await inPart(component, () => inspectOnnxFile(from.file));
    return Graph.open({ file: from.file, label: `${label}/model.onnx` }, provider);
  }
  const form = formOn(provider);
  const written = await inPart(component, () =>
    stableDiffusionXL.networks[component].write(from.config, from.tensors, form),
  );
  return openWritten(written, label, provider);
}
//# sourceMappingURL=openComponent.js.map
