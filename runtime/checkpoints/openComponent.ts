import { basename } from 'node:path';
import type { Graph } from '../onnx/graph.ts';
import type { Provider } from '../onnx/providers.ts';
import { openCheckpoint } from './checkpoint.ts';
import { writeComponent } from './component.ts';
import type { Component } from './configs.ts';
import { inPart } from './files.ts';
import { formOn, openWritten } from './loading.ts';
import { inspectOnnxFile } from './onnxFile.ts';

/**
 * Loads one component of a model, a folder or a single file.
 *
 * @throws {ModelError} naming the part and the reason, or onnxruntime's own complaint
 */
export async function openComponent(path: string, component: Component, provider: Provider): Promise<Graph> {
  const label = `${basename(path)}/${component}`;
  const checkpoint = await openCheckpoint(path);
  const from = await checkpoint.component(component);
  if (from.kind === 'onnx') {
    await inPart(component, () => inspectOnnxFile(from.file));
    // Imported only now, so that describing models needs no native code.
    const { Graph } = await import('../onnx/graph.ts');
    return Graph.open({ file: from.file, label: `${label}/model.onnx` }, provider);
  }
  const form = formOn(provider);
  const written = await inPart(component, () => writeComponent(component, from.config, from.tensors, form));
  return openWritten(written, label, provider);
}
