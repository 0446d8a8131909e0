import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from '../../runtime/families/family.ts';
import { stableDiffusionXL } from '../../runtime/families/stableDiffusionXL.ts';
import { readStoredTensors, type StoredTensor, type StoredTensors } from '../../runtime/files/safetensors.ts';
import type { Precision } from '../../runtime/graphs/builder.ts';
import { fromFloat16, toFloat16 } from '../../runtime/tensors/float16.ts';

export interface OnnxFolderOptions {
  /** Of weights, inputs, outputs and computation; default float32. */
  precision?: Precision;
  /** Dtype of the UNet's timestep; exporters write int64 (default) or float32. */
  timestep?: 'int64' | 'float32';
  /** Rank of the UNet's timestep; default 1. */
  rank?: 0 | 1;
  /** Whether the text encoders give their hidden states; default true. */
  hiddenStates?: boolean;
  /** Only these components; the rest of the target folder is made all the same. Default: all. */
  components?: readonly Component[];
}

/**
 * Makes what `optimum` exports from a folder of safetensors: `<component>/model.onnx` with `model.onnx_data` beside it,
 * configs beside the graphs, tokenizers and the scheduler copied.
 */
export async function writeOnnxFolder(source: string, target: string, options: OnnxFolderOptions = {}): Promise<void> {
  const precision = options.precision ?? 'float32';
  await mkdir(target, { recursive: true });
  for (const entry of await readdir(source)) {
    if (/^(model_index\.json|latentwire\.json|scheduler|tokenizer.*)$/.test(entry)) {
      await cp(join(source, entry), join(target, entry), { recursive: true });
    }
  }
  const components: Component[] = ['text_encoder', 'text_encoder_2', 'denoiser', 'vae_encoder', 'vae_decoder'];
  for (const component of options.components ?? components) {
    const label = component === 'denoiser' ? 'unet' : component;
    const part = component.startsWith('vae_') ? 'vae' : label;
    const stem = component.startsWith('text_encoder') ? 'model' : 'diffusion_pytorch_model';
    const config = await readFile(join(source, part, 'config.json'), 'utf8').catch(() => undefined);
    if (config === undefined) continue;
    const folder = join(target, label);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'config.json'), config);
    const stored = await readStoredTensors(join(source, part, `${stem}.safetensors`));
    const tensors = await convertTensors(stored, join(folder, 'model.onnx_data'), precision);
    const written = stableDiffusionXL.networks[component]!.write(
      JSON.parse(config) as Record<string, unknown>,
      tensors,
      {
        precision,
        timestep: options.timestep ?? 'int64',
        timestepRank: options.rank ?? 1,
        states: options.hiddenStates === false ? 'none' : 'plain',
      },
    );
    await writeFile(join(folder, 'model.onnx'), written.bytes);
  }
}

/** Writes all tensors, one after the other, in one precision, and says where each lies now. */
async function convertTensors(tensors: StoredTensors, file: string, precision: Precision): Promise<StoredTensors> {
  const held = new Map<string, Buffer>();
  const chunks: Uint8Array[] = [];
  const moved = new Map<string, StoredTensor>();
  let offset = 0;
  for (const [name, tensor] of tensors) {
    const bytes = held.get(tensor.file) ?? (await readFile(tensor.file));
    held.set(tensor.file, bytes);
    const { buffer } = new Uint8Array(bytes.subarray(tensor.offset, tensor.offset + tensor.length));
    const values = tensor.dtype === 'F16' ? fromFloat16(new Uint16Array(buffer)) : new Float32Array(buffer);
    const converted = precision === 'float16' ? toFloat16(values) : values;
    chunks.push(new Uint8Array(converted.buffer, converted.byteOffset, converted.byteLength));
    const dtype = precision === 'float16' ? 'F16' : 'F32';
    moved.set(name, { dtype, shape: tensor.shape, file, offset, length: converted.byteLength });
    offset += converted.byteLength;
  }
  await writeFile(file, Buffer.concat(chunks));
  return moved;
}
