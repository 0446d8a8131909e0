import { open, readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Written } from '../graphs/builder.ts';
import type { Graph, GraphSource } from '../onnx/graph.ts';
import type { Provider } from '../onnx/providers.ts';
import { openCheckpoint } from './checkpoint.ts';
import { writeComponent } from './component.ts';
import type { Component } from './configs.ts';
import { inPart, ModelError } from './files.ts';
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
  let source: GraphSource;
  if (from.kind === 'onnx') {
    await inPart(component, () => inspectOnnxFile(from.file));
    source = { file: from.file, label: `${label}/model.onnx` };
  } else {
    const attention = provider.attention ?? defaultAttention(provider);
    const written = await inPart(component, () => writeComponent(component, from.config, from.tensors, { attention }));
    source = await sourceOf(written, label);
  }
  // Imported only now, so that describing models needs no native code.
  const { Graph } = await import('../onnx/graph.ts');
  return Graph.open(source, provider);
}

/** Where nobody has tried it, fused attention is only trusted on the CPU. */
function defaultAttention(provider: Provider): 'fused' | 'plain' {
  return provider.name === 'cpu' ? 'fused' : 'plain';
}

/**
 * How the weights reach onnxruntime: read into memory and handed over with the graph. A file of 4 GiB and more does not
 * fit one buffer.
 */
async function sourceOf(written: Written, label: string): Promise<GraphSource> {
  const externalData = [];
  for (const file of written.files) {
    const { size } = await stat(file);
    if (size >= 2 ** 32) {
      throw new ModelError(
        `${label}: ${basename(file)} has ${size} bytes; files of 4 GiB and more cannot be loaded yet.`,
      );
    }
    externalData.push({ path: basename(file), data: await readLargeFile(file, size) });
  }
  return { bytes: written.bytes, externalData, label };
}

/** `readFile` refuses more than 2 GiB at once. */
async function readLargeFile(file: string, size: number): Promise<Uint8Array> {
  if (size < 2 ** 31 - 1) return readFile(file);
  const handle = await open(file, 'r');
  try {
    const data = Buffer.allocUnsafeSlow(size);
    for (let filled = 0; filled < size; ) {
      const { bytesRead } = await handle.read(data, filled, Math.min(2 ** 30, size - filled), filled);
      if (bytesRead === 0) throw new ModelError(`${basename(file)} became shorter while it was read.`);
      filled += bytesRead;
    }
    return data;
  } finally {
    await handle.close();
  }
}
