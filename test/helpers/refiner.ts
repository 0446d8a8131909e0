import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readStoredTensors } from '../../runtime/files/safetensors.ts';
import { modelFolder } from './goldens.ts';

/**
 * Makes an SDXL refiner of the tiny SDXL model: its UNet, which then sees the second text encoder alone and five numbers of
 * the picture instead of six. There are no reference numbers for it; it is a refiner in form.
 */
export async function writeRefiner(target: string): Promise<void> {
  const source = modelFolder('tiny-sdxl');
  for (const part of ['vae', 'scheduler', 'tokenizer_2', 'text_encoder_2']) {
    await cp(join(source, part), join(target, part), { recursive: true });
  }
  const index = JSON.parse(await readFile(join(source, 'model_index.json'), 'utf8')) as Record<string, unknown>;
  await writeFile(
    join(target, 'model_index.json'),
    JSON.stringify({
      ...index,
      _class_name: 'StableDiffusionXLImg2ImgPipeline',
      text_encoder: [null, null],
      tokenizer: [null, null],
      requires_aesthetics_score: true,
      force_zeros_for_empty_prompt: false,
    }),
  );
  await mkdir(join(target, 'unet'));
  const config = JSON.parse(await readFile(join(source, 'unet/config.json'), 'utf8')) as Record<string, unknown>;
  const [firstWidth, secondWidth, pooled, each] = [32, 48, 24, 8];
  await writeFile(
    join(target, 'unet/config.json'),
    JSON.stringify({
      ...config,
      cross_attention_dim: secondWidth,
      projection_class_embeddings_input_dim: pooled + 5 * each,
    }),
  );
  const header: Record<string, object> = {};
  const chunks: Buffer[] = [];
  let offset = 0;
  const file = join(source, 'unet/diffusion_pytorch_model.safetensors');
  const bytes = await readFile(file);
  for (const [name, tensor] of await readStoredTensors(file)) {
    let data = bytes.subarray(tensor.offset, tensor.offset + tensor.length);
    let { shape } = tensor;
    const [from, to] = /attn2\.to_[kv]\.weight$/.test(name)
      ? [firstWidth, firstWidth + secondWidth]
      : name === 'add_embedding.linear_1.weight'
        ? [0, pooled + 5 * each]
        : [0, 0];
    if (to > 0) {
      const [rows, columns] = shape as [number, number];
      const cut = Array.from({ length: rows }, (_, row) =>
        data.subarray((row * columns + from) * 4, (row * columns + to) * 4),
      );
      data = Buffer.concat(cut);
      shape = [rows, to - from];
    }
    header[name] = { dtype: tensor.dtype, shape, data_offsets: [offset, offset + data.length] };
    chunks.push(data);
    offset += data.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(join(target, 'unet/diffusion_pytorch_model.safetensors'), Buffer.concat([length, text, ...chunks]));
}
