import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fluxPositions } from '../../runtime/families/flux.ts';
import { flux2Positions } from '../../runtime/families/flux2.ts';
import { flux2TransformerTensors } from '../../runtime/families/flux2Keys.ts';
import { fluxTransformerTensors } from '../../runtime/families/fluxKeys.ts';
import { rotaryTables } from '../../runtime/families/rotary.ts';
import { listPackedFiles } from '../../runtime/files/packedFile.ts';
import { readWeights } from '../../runtime/files/weights.ts';
import type { WeightsForm, Written } from '../../runtime/graphs/builder.ts';
import { type Flux2Config, writeFlux2Transformer } from '../../runtime/graphs/flux2Transformer.ts';
import { writeFluxTransformer } from '../../runtime/graphs/fluxTransformer.ts';
import { type Pixels, startRuntime } from '../../runtime/index.ts';
import { openWritten } from '../../runtime/onnx/openWritten.ts';
import { floats, type Tensor } from '../../runtime/tensors/tensor.ts';
import { latentsOfTokens, readFluxGoldens } from '../helpers/fluxGoldens.ts';
import { modelFolder, modelsFolder, type Recorded, relativeError } from '../helpers/goldens.ts';
import { cpu, readPart, recorded } from '../helpers/graphs.ts';
import { folderOf, readJsonArchive, readTransformerGoldens, turnedRows } from '../helpers/transformerGoldens.ts';
import { draw } from './runtimeSuite.ts';

interface Wide {
  config: { axes_dims_rope: number[] };
  hiddenStates: Recorded;
  encoderHiddenStates: Recorded;
  pooled: Recorded;
  sigma: number;
  guidance: number;
  output: Recorded;
}

// Origin and tolerances: test/fixtures/models/README.md.
const expected = readJsonArchive<Record<string, { output: Recorded }>>('weight-forms');

interface Case {
  write: (weights: WeightsForm) => Promise<Written>;
  feeds: () => Promise<Record<string, Tensor>>;
  output: ArrayLike<number>;
}

let packedFolder: string;
beforeAll(async () => {
  packedFolder = await mkdtemp(join(tmpdir(), 'latentwire-weight-files-'));
});
afterAll(() => rm(packedFolder, { recursive: true }));

const one = (value: number) => floats(Float32Array.of(value), [1]);

function rotary(
  positions: readonly (readonly number[])[],
  axes: readonly number[],
  base: number,
): Record<string, Tensor> {
  const { cos, sin } = rotaryTables(positions, axes, base);
  const dims = [positions.length, cos.length / positions.length];
  return { rotary_cos: floats(cos, dims), rotary_sin: floats(sin, dims) };
}

function flux(file: string): Case {
  return {
    write: async (weights) =>
      writeFluxTransformer(fluxTransformerTensors(await readWeights(join(modelsFolder, file))), {
        linear: 'fused',
        weights,
      }),
    async feeds() {
      const { transformer, t5Output, pooled } = readFluxGoldens();
      const { config } = await readPart<{ axes_dims_rope: number[] }>(folderOf('tiny-flux-dev', 'transformer'));
      const text = t5Output.ofPrompt0;
      const width = pooled.shape[1]!;
      return {
        sample: recorded(latentsOfTokens(transformer.hiddenStates, 3, 4)),
        timestep: one(transformer.sigma),
        guidance: one(transformer.guidance),
        encoder_hidden_states: recorded({ ...text, shape: [1, ...text.shape] }),
        pooled_projections: floats(Float32Array.from(pooled.data.slice(0, width)), [1, width]),
        ...rotary(fluxPositions(text.shape[0]!, [{ rows: 3, columns: 4 }]), config.axes_dims_rope, 10_000),
      };
    },
    output: latentsOfTokens(expected[file]!.output, 3, 4).data,
  };
}

const wide = expected['tiny-flux-wide-mixed.gguf'] as Wide;
const klein = readTransformerGoldens('tiny-flux2-klein').transformer;
const kleinGrid = { rows: klein.latentHeight, columns: klein.latentWidth };
const kleinConfig = async () => (await readPart<Flux2Config>(folderOf('tiny-flux2-klein', 'transformer'))).config;

const cases: Record<string, Case> = {
  'tiny-flux-dev-fp8-scaled.safetensors': flux('tiny-flux-dev-fp8-scaled.safetensors'),
  'tiny-flux-dev-q4_0.gguf': flux('tiny-flux-dev-q4_0.gguf'),
  'tiny-flux-wide-mixed.gguf': {
    ...flux('tiny-flux-wide-mixed.gguf'),
    feeds: async () => ({
      sample: recorded(latentsOfTokens(wide.hiddenStates, 2, 3)),
      timestep: one(wide.sigma),
      guidance: one(wide.guidance),
      encoder_hidden_states: recorded(wide.encoderHiddenStates),
      pooled_projections: recorded(wide.pooled),
      ...rotary(
        fluxPositions(wide.encoderHiddenStates.shape[1]!, [{ rows: 2, columns: 3 }]),
        wide.config.axes_dims_rope,
        10_000,
      ),
    }),
    output: latentsOfTokens(wide.output, 2, 3).data,
  },
  'tiny-flux2-klein-fp8.safetensors': {
    write: async (weights) => {
      const tensors = await readWeights(join(modelsFolder, 'tiny-flux2-klein-fp8.safetensors'));
      return writeFlux2Transformer(await kleinConfig(), flux2TransformerTensors(tensors), { linear: 'fused', weights });
    },
    async feeds() {
      const { axes_dims_rope: axes, rope_theta: base } = await kleinConfig();
      const { rows, columns } = kleinGrid;
      return {
        sample: floats(turnedRows(klein.tokens, rows * columns), [1, 128, rows, columns]),
        timestep: one(klein.timestep),
        encoder_hidden_states: recorded(klein.text),
        ...rotary(flux2Positions(klein.text.shape[1]!, kleinGrid, []), axes!, base!),
      };
    },
    output: turnedRows(expected['flux-2-klein-fp8.safetensors']!.output, kleinGrid.rows * kleinGrid.columns),
  },
};

describe('a runtime that holds weights in 8 bits', () => {
  const pocket = fileURLToPath(new URL('../../models/pocket', import.meta.url));
  const request = {
    ...{ prompt: 'a red potion', negativePrompt: '', width: 128, height: 128, steps: 8, guidanceScale: 4, seed: 7n },
    model: pocket,
  };
  const meanDifference = (a: Pixels, b: Pixels) =>
    a.data.reduce((sum, value, i) => sum + Math.abs(value - b.data[i]!), 0) / a.data.length;

  test('draws nearly the same picture, also with a LoRA, and keeps what it repacked', async () => {
    const folder = join(packedFolder, 'runtime');
    const start = (weights?: 'int8') =>
      startRuntime({ provider: 'cpu', threads: 1, log: () => {}, packedFolder: folder, ...(weights && { weights }) });
    await using floats = start();
    await using eight = start('int8');
    const [a, b] = [await draw(floats, request), await draw(eight, request)];
    // Measured: 0.3.
    expect(meanDifference(a, b)).toBeLessThan(1);
    expect(meanDifference(a, b)).toBeGreaterThan(0);
    const labels = (await listPackedFiles(folder)).map(({ label }) => label).sort();
    expect(labels).toEqual(['pocket/text_encoder', 'pocket/unet']);

    const tiny = { ...request, model: modelFolder('tiny-sd15'), width: 64, height: 64, steps: 2 };
    const lora = { loras: [{ path: join(modelsFolder, 'tiny-sd15-lora.safetensors'), weight: 2 }] };
    const [plain, adapted] = [await draw(eight, tiny), await draw(eight, { ...tiny, ...lora })];
    const wanted = await draw(floats, { ...tiny, ...lora });
    expect(meanDifference(adapted, wanted)).toBeLessThan(meanDifference(adapted, plain) / 4);
  });
});

describe.each(Object.entries(cases))('a transformer in %s', (name, { write, feeds, output }) => {
  test.each([
    ['auto', 1e-3],
    ['float16', 1e-3],
    ['stored', 5e-2],
  ] as const)('gives what PyTorch gave with dequantised weights: %s', async (weights, within) => {
    const graph = await openWritten(await write(weights), name, { ...cpu, packedFolder });
    const { out_sample: out } = await graph.run(await feeds());
    await graph.close();
    expect(relativeError(out!.data as Float32Array, output)).toBeLessThan(within);
  });
});
