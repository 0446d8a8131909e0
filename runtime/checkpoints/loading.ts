import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Written } from '../graphs/builder.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Provider } from '../onnx/providers.ts';

export async function openWritten(
  written: Written,
  label: string,
  provider: Provider,
  _options: { graphsDir?: string | undefined },
): Promise<Graph> {
  const externalData = [];
  for (const file of written.files) externalData.push({ path: basename(file), data: await readFile(file) });
  const { Graph } = await import('../onnx/graph.ts');
  return Graph.open({ bytes: written.bytes, externalData, label }, provider);
}
