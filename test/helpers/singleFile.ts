import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { readStoredTensors, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { fromFloat16, toFloat16 } from '../../runtime/tensors/float16.ts';
import { modelFolder, modelsFolder, type TinyModel } from './goldens.ts';

/** A tensor to be written: its bytes in PyTorch order. */
export interface Content {
  dtype: string;
  shape: readonly number[];
  bytes: Uint8Array;
}

/** Writes a safetensors file; tensors lie in the order given. */
export async function writeSafetensors(
  file: string,
  tensors: Iterable<readonly [string, Content]>,
  metadata?: Record<string, string>,
  spaces: 'as Python' | 'compact' = 'as Python',
): Promise<void> {
  const entries: string[] = metadata ? [`"__metadata__": ${JSON.stringify(metadata)}`] : [];
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    // The spaces that Python's json module writes, so that files made there can be made again byte by byte.
    entries.push(
      `${JSON.stringify(name)}: {"dtype": "${dtype}", "shape": [${shape.join(', ')}], "data_offsets": [${at}, ${at + bytes.length}]}`,
    );
    chunks.push(bytes);
    at += bytes.length;
  }
  // No text between quotes here has a comma, a colon or a bracket before a space.
  const joined = `{${entries.join(', ')}}`;
  let header = spaces === 'compact' ? joined.replaceAll(/([,:]) /g, '$1') : joined;
  header = header.padEnd(Math.ceil(header.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(file, Buffer.concat([length, Buffer.from(header), ...chunks]));
}

/** The tensors of a file or of the shards of an index, with their bytes. */
export async function readContents(file: string): Promise<Map<string, Content>> {
  return contentsOf(await readStoredTensors(file));
}

async function contentsOf(tensors: StoredTensors): Promise<Map<string, Content>> {
  const files = new Map<string, Buffer>();
  const contents = new Map<string, Content>();
  for (const [name, { file, dtype, shape, offset, length }] of tensors) {
    const bytes = files.get(file) ?? (await readFile(file));
    files.set(file, bytes);
    contents.set(name, { dtype, shape, bytes: bytes.subarray(offset, offset + length) });
  }
  return contents;
}

const weightsOf: Record<string, string> = {
  text_encoder: 'model',
  text_encoder_2: 'model',
  unet: 'diffusion_pytorch_model',
  vae: 'diffusion_pytorch_model',
};

/** All tensors of a tiny model's folder, as `unet/conv_in.weight`. */
async function folderContents(model: TinyModel): Promise<Map<string, Content>> {
  const all = new Map<string, Content>();
  for (const [part, stem] of Object.entries(weightsOf)) {
    const file = join(modelFolder(model), part, `${stem}.safetensors`);
    const contents = await readContents(file).catch(() => new Map<string, Content>());
    for (const [name, content] of contents) all.set(`${part}/${name}`, content);
  }
  return all;
}

interface RecordedFile {
  sha256: string;
  /** Of each tensor in the file: name, shape, and which tensors of the folder lie in it, one below the other. */
  tensors: [name: string, shape: number[], parts: string[]][];
}

function recordedFile(model: 'tiny-sd15' | 'tiny-sdxl'): RecordedFile {
  const text = gunzipSync(readFileSync(join(modelsFolder, 'single-files.json.gz'))).toString('utf8');
  return (JSON.parse(text) as Record<string, RecordedFile>)[model]!;
}

/**
 * Makes a single file in the original layout again, byte by byte as diffusers' conversion script had written it, from the
 * folder of the same weights.
 */
export async function writeGoldenSingleFile(model: 'tiny-sd15' | 'tiny-sdxl', file: string): Promise<void> {
  const { sha256, tensors } = recordedFile(model);
  const contents = await folderContents(model);
  await writeSafetensors(
    file,
    tensors.map(([name, shape, parts]) => {
      const bytes = Buffer.concat(parts.map((part) => contents.get(part)!.bytes));
      return [name, { dtype: 'F32', shape, bytes }] as const;
    }),
  );
  const made = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  if (made !== sha256) throw new Error(`The single file of ${model} came out differently: ${made}.`);
}

/**
 * Writes the tiny SD 2.1 as Stability publishes that family: OpenCLIP's names, queries, keys and values in one matrix, a
 * last layer that nothing reads, and a projection. UNet and autoencoder have the names that SD 1 has.
 */
export async function writeSecondSingleFile(file: string, metadata?: Record<string, string>): Promise<void> {
  const contents = await folderContents('tiny-sd21-v');
  const made = new Map<string, Content>();
  for (const [name, , [part]] of recordedFile('tiny-sd15').tensors) {
    if (part!.startsWith('text_encoder/')) continue;
    // Same blocks and layers as SD 1, so the same names; linear projections have two axes here.
    made.set(name, contents.get(part!)!);
  }
  const root = 'cond_stage_model.model';
  const text = (name: string) => contents.get(`text_encoder/text_model.${name}`)!;
  const width = text('final_layer_norm.weight').shape[0]!;
  made.set(`${root}.positional_embedding`, text('embeddings.position_embedding.weight'));
  made.set(`${root}.token_embedding.weight`, text('embeddings.token_embedding.weight'));
  made.set(`${root}.ln_final.weight`, text('final_layer_norm.weight'));
  made.set(`${root}.ln_final.bias`, text('final_layer_norm.bias'));
  const layer = (from: number, to: number) => {
    const [ours, theirs] = [`encoder.layers.${from}`, `${root}.transformer.resblocks.${to}`];
    for (const kind of ['weight', 'bias']) {
      const stacked = ['q', 'k', 'v'].map((which) => text(`${ours}.self_attn.${which}_proj.${kind}`));
      made.set(`${theirs}.attn.in_proj_${kind}`, {
        dtype: stacked[0]!.dtype,
        shape: kind === 'weight' ? [3 * width, width] : [3 * width],
        bytes: Buffer.concat(stacked.map(({ bytes }) => bytes)),
      });
      made.set(`${theirs}.attn.out_proj.${kind}`, text(`${ours}.self_attn.out_proj.${kind}`));
      made.set(`${theirs}.ln_1.${kind}`, text(`${ours}.layer_norm1.${kind}`));
      made.set(`${theirs}.ln_2.${kind}`, text(`${ours}.layer_norm2.${kind}`));
      made.set(`${theirs}.mlp.c_fc.${kind}`, text(`${ours}.mlp.fc1.${kind}`));
      made.set(`${theirs}.mlp.c_proj.${kind}`, text(`${ours}.mlp.fc2.${kind}`));
    }
  };
  for (const index of [0, 1, 2]) layer(index, index);
  layer(0, 3);
  // Nothing of this family reads these.
  const square = text('encoder.layers.0.self_attn.out_proj.weight');
  made.set(`${root}.text_projection`, square);
  made.set(`${root}.logit_scale`, { dtype: 'F32', shape: [], bytes: new Uint8Array(4) });
  made.set('model_ema.decay', { dtype: 'F32', shape: [], bytes: new Uint8Array(4) });
  await writeSafetensors(file, made, metadata);
}

/** A matrix with its bytes in columns, under the reversed shape. */
export function turned({ dtype, shape, bytes }: Content): Content {
  const [rows, columns] = shape as [number, number];
  const size = bytes.length / (rows * columns);
  const result = Buffer.alloc(bytes.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = (row * columns + column) * size;
      result.set(bytes.subarray(from, from + size), (column * rows + row) * size);
    }
  }
  return { dtype, shape: [columns, rows], bytes: result };
}

/** The same values in half precision. */
export function halved({ dtype, shape, bytes }: Content, to: 'F16' | 'BF16'): Content {
  const copy = new Uint8Array(bytes).buffer;
  const values = dtype === 'F16' ? fromFloat16(new Uint16Array(copy)) : new Float32Array(copy);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  // The upper half of a float32 is a bfloat16; adding half of what is cut off rounds it.
  const halves =
    to === 'F16' ? toFloat16(values) : Uint16Array.from(bits, (value) => Math.min((value + 0x8000) >>> 16, 0xffff));
  return { dtype: to, shape, bytes: new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength) };
}
