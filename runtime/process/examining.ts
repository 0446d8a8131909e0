/** Entry of the process of `examine`, which examines the device and the placement of a model's nodes. */
import { writeSync } from 'node:fs';
import { componentLabel } from '../checkpoints/configs.ts';
import { machineOf } from '../onnx/machine.ts';
import { chooseProvider } from '../onnx/providers.ts';
import { ModelCache } from '../pipelines/modelCache.ts';
import { type Examined, type FromExamining, graphMark, type ToExamine } from './examination.ts';

process.on('message', (message: ToExamine) => {
  void examine(message).finally(() => process.disconnect());
});
process.on('SIGINT', () => {});

function send(message: FromExamining): Promise<void> {
  return new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
}

async function examine({
  device,
  precision,
  weights,
  packedFolder,
  threads,
  model: path,
  parts,
}: ToExamine): Promise<void> {
  try {
    const chosen = await chooseProvider(device, { threads, ...(precision && { precision }) });
    const provider = { ...chosen, weights, packedFolder };
    const { name, reason, fallbackFrom = [], attention = 'plain', precisionReason, widened = [] } = provider;
    await send({
      type: 'provider',
      provider: {
        name,
        reason,
        passedOver: fallbackFrom,
        machine: machineOf(provider),
        precision: provider.precision ?? 'float32',
        precisionReason,
        widened: [...widened],
        attention,
      },
    });
    const modelCache = new ModelCache({ provider: { ...provider, explains: true }, onLoaded: () => {} });
    const model = await modelCache.model(path, parts);
    for (const component of model.configs.components) {
      const part = componentLabel(model.configs, component);
      const network = model.network(component);
      writeSync(2, `\n${graphMark}${part}\n`);
      const begun = performance.now();
      const graph: Examined = { name: part, weightBytes: await network.bytes() };
      try {
        await network.graph();
        graph.openMs = performance.now() - begun;
      } catch (error) {
        graph.error = error instanceof Error ? error.message : String(error);
      }
      await send({ type: 'graph', graph });
    }
    await send({ type: 'ended', memoryBytes: process.memoryUsage.rss() });
  } catch (error) {
    await send({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}
