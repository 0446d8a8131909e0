import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { modelsFolder } from './goldens.ts';
import { readContents, writeSafetensors } from './singleFile.ts';
import { writeTransformerFile } from './transformerGoldens.ts';

/** What shapes do not tell of the tiny FLUX.1. */
export const fluxCorrections = {
  vae: { norm_num_groups: 4 },
  text_encoder: { num_attention_heads: 4 },
  transformer: { axes_dims_rope: [4, 6, 6] },
};

/** Folders of the parts of a model, below a models folder. */
export interface PartFolders {
  denoiser: string;
  encoders: string;
  vae: string;
}

const customary: PartFolders = { denoiser: 'diffusion_models', encoders: 'text_encoders', vae: 'vae' };

/**
 * The tiny FLUX.1 as ComfyUI's folders hold it: `dev.safetensors`, `clip_l.safetensors` and `t5xxl.safetensors`, and
 * `ae.safetensors`, with both tokenizers in the models folder.
 */
export async function writeFluxFiles(models: string, folders = customary): Promise<string> {
  await makeFolders(models, folders);
  const file = join(models, folders.denoiser, 'dev.safetensors');
  await writeTransformerFile('tiny-flux-dev/bfl', file);
  await writeFile(`${file}.json`, JSON.stringify(fluxCorrections));
  await writeVae('tiny-flux-dev/ae', join(models, folders.vae, 'ae.safetensors'));
  const all = join(models, 'all.safetensors');
  await writeTransformerFile('tiny-flux-dev/comfy', all);
  const contents = [...(await readContents(all))];
  await rm(all);
  for (const name of ['clip_l', 't5xxl']) {
    const prefix = `text_encoders.${name}.transformer.`;
    const own = contents.filter(([key]) => key.startsWith(prefix));
    const target = join(models, folders.encoders, `${name}.safetensors`);
    await writeSafetensors(target, new Map(own.map(([key, content]) => [key.slice(prefix.length), content])));
  }
  for (const name of ['tokenizer', 'tokenizer_2']) await copyTokenizer('tiny-flux-dev', name, models);
  return file;
}

/** The tiny FLUX.2 klein in the same way: `flux-2-klein.safetensors`, `qwen_3_4b.safetensors` and `flux2-vae.safetensors`. */
export async function writeKleinFiles(models: string, folders = customary): Promise<string> {
  await makeFolders(models, folders);
  const file = join(models, folders.denoiser, 'flux-2-klein.safetensors');
  await writeTransformerFile('tiny-flux2-klein/diffusion_models/flux-2-klein', file);
  await writeFile(`${file}.json`, JSON.stringify({ vae: { norm_num_groups: 4 } }));
  await writeTransformerFile(
    'tiny-flux2-klein/text_encoders/qwen_3_4b',
    join(models, folders.encoders, 'qwen_3_4b.safetensors'),
  );
  await writeVae('tiny-flux2-klein/vae/flux2-vae', join(models, folders.vae, 'flux2-vae.safetensors'));
  await copyTokenizer('tiny-flux2-klein', 'tokenizer', models);
  return file;
}

async function writeVae(name: string, file: string): Promise<void> {
  await writeTransformerFile(name, file);
  // Where it is chosen by name, its own settings count.
  await writeFile(`${file}.json`, JSON.stringify({ vae: { norm_num_groups: 4 } }));
}

async function makeFolders(models: string, folders: PartFolders): Promise<void> {
  for (const name of Object.values(folders)) await mkdir(join(models, name), { recursive: true });
}

async function copyTokenizer(model: string, name: string, models: string): Promise<void> {
  await cp(join(modelsFolder, model, name), join(models, name), { recursive: true });
}
