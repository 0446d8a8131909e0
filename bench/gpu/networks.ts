/** UNets, decoders and text encoders of Stable Diffusion's sizes with random half-precision weights: (d) of the table. */
import { stableDiffusionXL } from '../../runtime/families/stableDiffusionXL.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { formOn } from '../../runtime/onnx/openWritten.ts';
import type { Provider } from '../../runtime/onnx/providers.ts';
import { vocabularySize } from '../randomModel.ts';
import { type Cases, seconds } from './cases.ts';
import { expectedCall, gib, measureCall, rowsText, withGraph } from './opened.ts';
import {
  decoderOperations,
  encoderOperations,
  halfBytes,
  type ModelShape,
  type NetworkShape,
  type ShapeName,
  shapes,
  unetOperations,
} from './shapes.ts';
import { tokenIds, waves } from './tinyGraphs.ts';
import { writeWeights } from './weights.ts';

/** Pixels and rows of a step, in the order of worth. */
export const steps: readonly (readonly [pixels: number, rows: number])[] = [
  [512, 1],
  [512, 2],
  [1024, 1],
  [512, 4],
  [1024, 2],
  [512, 8],
  [1024, 4],
  [1024, 8],
];

export async function measureNetworks(cases: Cases, name: ShapeName): Promise<void> {
  const shape: ModelShape = shapes[name];
  const provider = await cases.provider();
  await cases.within(0.75, () => unet(cases, provider, shape));
  await decoder(cases, provider, shape);
  await encoder(cases, provider, shape);
}

async function unet(cases: Cases, provider: Provider, shape: ModelShape): Promise<void> {
  const { title } = shape;
  const plan = shape.unet.plan();
  const whole = halfBytes(plan);
  const about = `${(whole / 2e6).toFixed(0)} million weights, ${gib(whole)} in half precision`;
  // Before anything is opened: which steps fit at all.
  const fitting = steps.some(
    ([pixels, rows]) => (cases.callMs(rows * unetOperations(plan, pixels / 8)) ?? 0) * 2 < cases.leftMs(),
  );
  const first = cases.callMs(unetOperations(plan, 64)) ?? 0;
  if (!fitting) {
    const left = seconds(cases.leftMs());
    cases.skip(`${title} UNet`, `${about}: a step of 512² would take about ${seconds(first)}, and ${left} are left`);
    return;
  }
  await withNetwork(cases, provider, `${title} UNet, opening`, shape.unet, async (graph) => {
    for (const [pixels, rows] of steps) {
      const side = pixels / 8;
      const operations = rows * unetOperations(plan, side);
      await cases.each(`${title} step, ${pixels}², ${rowsText(rows)}`, expectedCall(operations), async () => {
        const feeds = {
          sample: waves([rows, 4, side, side]),
          timestep: { dtype: 'float32', dims: [rows], data: new Float32Array(rows).fill(500) } as const,
          encoder_hidden_states: waves([rows, 77, shape.text]),
          ...(shape.pooled !== undefined && {
            text_embeds: waves([rows, shape.pooled]),
            time_ids: {
              dtype: 'float32',
              dims: [rows, 6],
              data: Float32Array.from({ length: 6 * rows }, (_, i) => [pixels, pixels, 0, 0, pixels, pixels][i % 6]!),
            } as const,
          }),
        };
        return measureCall(cases, graph, feeds, { operations, rows });
      });
    }
  });
}

async function decoder(cases: Cases, provider: Provider, shape: ModelShape): Promise<void> {
  const { title } = shape;
  const plan = shape.decoder.plan();
  const operations = decoderOperations(plan, 64);
  if ((cases.callMs(operations) ?? 0) * 2 > cases.leftMs()) {
    cases.skip(`${title} decoder`, `512² would take about ${seconds(cases.callMs(operations)!)}`);
    return;
  }
  await withNetwork(cases, provider, `${title} decoder, opening`, shape.decoder, async (graph) => {
    for (const pixels of [512, 1024]) {
      const operations = decoderOperations(plan, pixels / 8);
      await cases.each(`${title} decoding, ${pixels}²`, expectedCall(operations), async () => {
        return measureCall(cases, graph, { latent_sample: waves([1, 4, pixels / 8, pixels / 8]) }, { operations });
      });
    }
  });
}

async function encoder(cases: Cases, provider: Provider, shape: ModelShape): Promise<void> {
  const { title } = shape;
  const operations = encoderOperations(shape.encoder.plan());
  if ((cases.callMs(operations) ?? 0) * 2 > cases.leftMs()) {
    cases.skip(`${title} text encoder`, `a text would take about ${seconds(cases.callMs(operations)!)}`);
    return;
  }
  await withNetwork(cases, provider, `${title} text encoder, opening`, shape.encoder, async (graph) => {
    await cases.each(`${title} text`, expectedCall(operations), async () => {
      return measureCall(cases, graph, { input_ids: tokenIds(vocabularySize) }, { operations, about: '77 tokens' });
    });
  });
}

function withNetwork(
  cases: Cases,
  provider: Provider,
  name: string,
  { component, config, plan: planned }: NetworkShape,
  use: (graph: Graph) => Promise<void>,
): Promise<void> {
  const plan = planned();
  const bytes = halfBytes(plan);
  const write = async (folder: string) => {
    const weights = await writeWeights(folder, plan);
    return stableDiffusionXL.networks[component]!.write(config, weights, formOn(provider));
  };
  // Tensors of one spread share their bytes, so the file is far smaller.
  return withGraph(cases, provider, name, { bytes, diskBytes: bytes / 4, write }, use);
}
