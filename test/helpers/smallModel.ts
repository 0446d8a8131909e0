import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { count, planUNet, pool } from '../../bench/randomModel.ts';
import { modelFolder } from './goldens.ts';
import { type NewTensor, writeSafetensors } from './safetensors.ts';

/**
 * Writes a model in the diffusers layout whose UNet has a fifth of the nodes of the other tiny models: it opens in a tenth of the
 * time, for tests of processes, where a picture needs only to be the same each time. All else is from `tiny-sd15`.
 *
 * @param seed - models of different ones draw different pictures
 */
export async function writeSmallModel(folder: string, seed = 0): Promise<string> {
  const whole = modelFolder('tiny-sd15');
  for (const name of ['model_index.json', 'scheduler', 'tokenizer', 'text_encoder', 'vae']) {
    await cp(join(whole, name), join(folder, name), { recursive: true });
  }
  await mkdir(join(folder, 'unet'));
  const config = JSON.parse(await readFile(join(whole, 'unet', 'config.json'), 'utf8'));
  const small = {
    down_block_types: ['DownBlock2D'],
    up_block_types: ['UpBlock2D'],
    block_out_channels: [16],
  };
  await writeFile(join(folder, 'unet', 'config.json'), JSON.stringify({ ...config, ...small }));
  let at = seed * 7919;
  const tensors: Record<string, NewTensor> = {};
  for (const { name, shape, spread } of planUNet({ channels: [16], depths: [0], text: 32 })) {
    const values = Float32Array.from({ length: count(shape) }, () => pool[at++ % pool.length]!);
    const data = spread === 'one' ? values.map((v) => 1 + 0.1 * v) : values.map((v) => v * spread);
    tensors[name] = { shape, data };
  }
  await writeSafetensors(join(folder, 'unet', 'diffusion_pytorch_model.safetensors'), tensors);
  return folder;
}
