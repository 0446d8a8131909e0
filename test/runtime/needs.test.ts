import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GenerateRequest } from '../../runtime/index.ts';
import { filesOf, modelsOf, Scales } from '../../runtime/process/needs.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { writeZeros } from '../helpers/scriptedRuntime.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-weights-'));
});
afterEach(() => rm(folder, { recursive: true }));

const size = async (...files: string[]): Promise<number> => {
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
};

/** Files of a model's folder with float32 weights, or of bytes that are no safetensors. */
async function write(...files: string[]): Promise<void> {
  for (const [index, file] of files.entries()) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    if (file.endsWith('.safetensors')) await writeZeros(join(folder, file), { weight: ['F32', 1000 * (index + 1)] });
    else await writeFile(join(folder, file), Buffer.alloc(100 * (index + 1)));
  }
}

describe('weights on disk', () => {
  test('of a tiny model are those of its components', async () => {
    const model = modelFolder('tiny-sd15');
    const parts = ['text_encoder/model', 'unet/diffusion_pytorch_model', 'vae/diffusion_pytorch_model'];
    const sizes = await Promise.all(parts.map(async (part) => (await stat(join(model, `${part}.safetensors`))).size));
    const { stored } = await new Scales().weigh(model);
    expect(stored).toBe(sizes.reduce((sum, bytes) => sum + bytes, 0));
  });

  test('of a folder leave out what is never loaded', async () => {
    await write(
      'model_index.json',
      'unet/model.onnx',
      'unet/model.onnx_data',
      'unet/diffusion_pytorch_model.safetensors',
    );
    await write(
      'text_encoder/model.safetensors',
      'text_encoder/model.fp16.safetensors',
      'text_encoder/pytorch_model.bin',
    );
    await write('safety_checker/model.safetensors', 'whole-checkpoint.safetensors', 'unet/config.json');
    const { stored } = await new Scales().weigh(folder);
    expect(stored).toBe(await size('unet/model.onnx', 'unet/model.onnx_data', 'text_encoder/model.safetensors'));
  });

  test('of a folder take its ONNX autoencoder instead of its safetensors', async () => {
    await write('model_index.json', 'vae/diffusion_pytorch_model.safetensors', 'vae_decoder/model.onnx');
    expect((await new Scales().weigh(folder)).stored).toBe(await size('vae_decoder/model.onnx'));
  });

  test('of a folder with only a variant, or only shards, are all of these', async () => {
    await write('model_index.json', 'unet/diffusion_pytorch_model.fp16.safetensors');
    await write('text_encoder/model-00001-of-00002.safetensors', 'text_encoder/model-00002-of-00002.safetensors');
    const shards = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
    await writeFile(join(folder, 'text_encoder/model.safetensors.index.json'), JSON.stringify({ weight_map: shards }));
    const { stored } = await new Scales().weigh(folder);
    expect(stored).toBe(
      await size(
        'unet/diffusion_pytorch_model.fp16.safetensors',
        'text_encoder/model-00001-of-00002.safetensors',
        'text_encoder/model-00002-of-00002.safetensors',
      ),
    );
  });

  test('of a network of its own lie in its folder', async () => {
    await write('config.json', 'diffusion_pytorch_model.safetensors');
    const { stored } = await new Scales().weigh(folder);
    expect(stored).toBe(await size('diffusion_pytorch_model.safetensors'));
  });

  test('of 16 bits take twice as much once widened, and no other', async () => {
    const file = join(folder, 'model.safetensors');
    await writeZeros(file, { half: ['F16', 1000], brain: ['BF16', 1000], whole: ['F32', 1000], ids: ['I64', 10] });
    const weight = await new Scales().weigh(file);
    expect(weight).toMatchObject({ stored: (await stat(file)).size, widened: 4000 + 4000 + 4000 + 80 });
  });

  test('are looked up anew when a file has changed', async () => {
    const scales = new Scales();
    const file = join(folder, 'model.safetensors');
    await writeZeros(file, { weight: ['F32', 1000] });
    expect((await scales.weigh(file)).widened).toBe(4000);
    await writeZeros(file, { weight: ['F16', 5000] });
    expect((await scales.weigh(file)).widened).toBe(20_000);
  });

  test('that are missing or damaged count for nothing: the run will say what is wrong', async () => {
    await write('truncated.onnx');
    await writeFile(join(folder, 'damaged.safetensors'), 'damaged, but longer than a header');
    for (const name of ['nowhere', 'damaged.safetensors']) {
      expect(await new Scales().weigh(join(folder, name))).toMatchObject({ stored: 0, widened: 0 });
    }
  });
});

test('a request needs every file that it names, each once, the models first', () => {
  const pixels = { width: 8, height: 8, data: new Uint8Array() };
  const request: GenerateRequest = {
    model: '/base',
    prompt: '',
    width: 8,
    height: 8,
    steps: 1,
    guidanceScale: 1,
    seed: 1n,
    refiner: { model: '/refiner', startStep: 1 },
    controlNets: [{ model: '/canny', pixels, weight: 1, startStep: 0, endStep: 1, mode: 'balanced' }],
    loras: [
      { path: '/style', weight: 1 },
      { path: '/style', weight: 0.5 },
    ],
    embeddings: [{ path: '/word', weight: 1 }],
    vae: '/vae',
    previews: { every: 1, decoder: 'tiny', tinyDecoder: '/tiny' },
  };
  expect(modelsOf(request)).toEqual(['/base', '/refiner']);
  expect(filesOf(request)).toEqual(['/base', '/refiner', '/canny', '/style', '/word', '/vae', '/tiny']);
});
