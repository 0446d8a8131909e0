import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../../runtime/checkpoints/checkpoint.ts';
import type { Component, NetworkForm } from '../../runtime/families/family.ts';
import type { Written } from '../../runtime/graphs/builder.ts';
import { InferenceSession } from '../../runtime/onnx/onnxruntime.ts';
import { openWritten } from '../../runtime/onnx/openWritten.ts';
import { floats, int64s, type Tensor, type ValueInfo } from '../../runtime/tensors/tensor.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { unoptimized } from '../helpers/graphs.ts';

/** The fields of a message by their numbers. */
function fields(bytes: Uint8Array): { number: number; bytes: Uint8Array }[] {
  const reader = new BinaryReader(bytes);
  const found: { number: number; bytes: Uint8Array }[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.LengthDelimited) found.push({ number, bytes: reader.bytes() });
    else reader.skip(type, number);
  }
  return found;
}

const inside = (bytes: Uint8Array, ...numbers: number[]): Uint8Array =>
  numbers.reduce((message, number) => fields(message).find((field) => field.number === number)!.bytes, bytes);

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** What a graph says of its values within. */
function declaredIn({ bytes }: Written) {
  const graph = fields(inside(bytes, 7));
  const values = graph.filter(({ number }) => number === 13).map(({ bytes }) => bytes);
  const shapes = new Map(
    values.map((value) => {
      const dims = fields(inside(value, 2, 1, 2)).map(({ bytes }) => {
        const [name] = fields(bytes);
        return name ? text(name.bytes) : new BinaryReader(bytes.subarray(1)).uint32();
      });
      return [text(inside(value, 1)), dims] as const;
    }),
  );
  return { values, shapes, nodes: graph.filter(({ number }) => number === 1).length };
}

/** The same graph, which gives all of these values too. */
function giving(written: Written, values: readonly Uint8Array[]): Written {
  // Parts of a message that lie behind one another are one message.
  const writer = new BinaryWriter().tag(7, WireType.LengthDelimited).fork();
  for (const value of values) writer.tag(12, WireType.LengthDelimited).bytes(value);
  return { ...written, bytes: new Uint8Array(Buffer.concat([written.bytes, writer.join().finish()])) };
}

async function write(model: string, component: Component, form: NetworkForm = {}): Promise<Written> {
  const checkpoint = await openCheckpoint(join(modelsFolder, model));
  const source = await checkpoint.component(component);
  if (source.kind === 'onnx') throw new Error('This one was exported.');
  return checkpoint.family.networks[component]!.write(source.config, source.tensors, form);
}

const all: NetworkForm = { adapters: 'all', vectors: true, residuals: true, deep: true };
const unets: [model: string, form: NetworkForm][] = [
  ['tiny-sd15', { linear: 'fused' }],
  ['tiny-sd15', { linear: 'fused', ...all }],
  ['tiny-sdxl', { linear: 'fused' }],
  ['tiny-sdxl', { linear: 'fused', ...all }],
];

test.each(unets)('nearly all that a UNet computes has a shape by names: %s %o', async (model, form) => {
  const { shapes, nodes } = declaredIn(await write(model, 'denoiser', form));
  // Convolutions have none, and neither has what is made of inputs without free dimensions, such as the vectors of adapters.
  expect(shapes.size).toBeGreaterThan(0.75 * nodes);
});

/** Sizes that no two free dimensions share, some odd. */
const sizes: Record<string, number> = {
  ...{ batch: 2, height: 12, width: 20, latent_height: 12, latent_width: 20, length: 9 },
  // Those of an XL model's time embedding.
  ...{ text_embeds_width: 24, time_ids_count: 6 },
};

function feeds(inputs: readonly ValueInfo[], sizes: ReadonlyMap<string, number>) {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const dims = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes.get(dim) ?? 1)));
      const count = dims.reduce((product, dim) => product * dim, 1);
      if (dtype === 'int64') return [name, int64s(new Array<number>(count).fill(0), dims)];
      return [
        name,
        floats(
          Float32Array.from({ length: count }, (_, at) => Math.sin(at)),
          dims,
        ),
      ];
    }),
  );
}

const graphs: [model: string, component: Component, form: NetworkForm, positions?: number][] = [
  ...unets.map(([model, form]): [string, Component, NetworkForm] => [model, 'denoiser', form]),
  ['tiny-sd15', 'text_encoder', {}],
  ['tiny-sd15', 'vae_encoder', {}],
  ['tiny-sd15', 'vae_decoder', {}],
  ['tiny-sd15', 'denoiser', { attention: 'plain' }],
  ['tiny-sd3', 'denoiser', {}],
  ['tiny-flux-dev', 'denoiser', {}, 2 * (9 + 6 * 10)],
  ['tiny-flux2-klein', 'denoiser', {}, 2 * (9 + 12 * 20)],
];

test.each(graphs)('shapes by names are those of what is computed: %s %s %o', async (...given) => {
  const [model, component, form, positions] = given;
  const written = await write(model, component, form);
  const { values, shapes } = declaredIn(written);
  const graph = await openWritten(giving(written, values), model, unoptimized);
  const seen = new Map(Object.entries({ ...sizes, ...(positions && { positions }) }));
  try {
    const results = await graph.run(feeds(graph.inputs, seen));
    for (const [name, dims] of shapes) {
      for (const [axis, dim] of dims.entries()) {
        const actual = results[name]!.dims[axis]!;
        if (typeof dim === 'number') expect(actual, name).toBe(dim);
        else {
          // One name is one size, wherever it stands.
          if (!seen.has(dim)) seen.set(dim, actual);
          expect(actual, `${name}: ${dim}`).toBe(seen.get(dim));
        }
      }
      expect(results[name]!.dims, name).toHaveLength(dims.length);
    }
  } finally {
    await graph.close();
  }
});

/** The operators that onnxruntime makes of a graph. */
async function operatorsOf({ bytes, files }: Written): Promise<string[]> {
  const optimized = join(await mkdtemp(join(tmpdir(), 'latentwire-shapes-')), 'model.onnx');
  const session = await InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: 1,
    optimizedModelFilePath: optimized,
    logSeverityLevel: 4,
    extra: { session: { model_external_initializers_file_folder_path: dirname(files[0]!) } },
  });
  await session.release();
  const nodes = fields(inside(await readFile(optimized), 7)).filter(({ number }) => number === 1);
  await rm(dirname(optimized), { recursive: true });
  return nodes.map(({ bytes }) => text(inside(bytes, 4))).sort();
}

/** The same graph, which says nothing of its values within. */
function silent(written: Written): Written {
  const model = new BinaryWriter();
  for (const { number, bytes } of fields(written.bytes)) {
    const kept = new BinaryWriter();
    if (number === 7) {
      for (const field of fields(bytes))
        if (field.number !== 13) kept.tag(field.number, WireType.LengthDelimited).bytes(field.bytes);
    }
    model.tag(number, WireType.LengthDelimited).bytes(number === 7 ? kept.finish() : bytes);
  }
  return { ...written, bytes: model.tag(1, WireType.Varint).int64(9).finish() };
}

// A convolution that takes in the Add behind it, or rows that become a Gemm, give other bits.
test('shapes by names let onnxruntime make no other operators of a graph', async () => {
  const written = await write('tiny-sd15', 'denoiser', { linear: 'fused' });
  const operators = await operatorsOf(written);
  expect(operators.length).toBeGreaterThan(1000);
  expect(operators).toEqual(await operatorsOf(silent(written)));
});
