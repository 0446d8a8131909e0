import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { startDescriber, startRuntime } from '../../runtime/index.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { writeFluxFiles, writeKleinFiles } from '../helpers/separateFiles.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

test.each([
  { model: 'tiny-flux-dev', write: writeFluxFiles, encoders: ['clip_l', 't5xxl'], vae: 'ae' },
  { model: 'tiny-flux2-klein', write: writeKleinFiles, encoders: ['qwen_3_4b'], vae: 'flux2-vae' },
])(
  'files of $model whose parts models.json names draw what the folder draws',
  async ({ model, write, encoders, vae }) => {
    const models = await mkdtemp(path.join(tmpdir(), 'latentwire-parts-'));
    // In folders in which nothing is looked for.
    const file = await write(models, { denoiser: 'diffusion_models', encoders: 'some/words', vae: 'some/pictures' });
    const below = (folder: string, name: string) => `some/${folder}/${name}.safetensors`;
    const named = {
      file: `diffusion_models/${path.basename(file)}`,
      textEncoders: encoders.map((name) => below('words', name)),
      vae: below('pictures', vae),
    };
    const names = { 'a:files@1': named, 'a:broken@1': { ...named, textEncoders: [named.vae] } };
    await writeFile(path.join(models, 'models.json'), JSON.stringify(names));
    const describer = startDescriber();
    const runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
    try {
      await using server = await startTestServer({
        runtime,
        modelsDir: [models, modelsFolder],
        defaultModel: 'a:files@1',
        describe: (...wanted) => describer.describe(...wanted),
      });
      const draw = async (air: string) => {
        const task = { model: air, positivePrompt: 'a fox', seed: 3, steps: 2, width: 64, height: 64 };
        const { body } = await server.post([imageTask({ ...task, outputType: 'base64Data', outputFormat: 'PNG' })]);
        expect(body.errors).toBeUndefined();
        return await sharp(Buffer.from(body.data![0]!.imageBase64Data, 'base64')).raw().toBuffer();
      };
      expect((await draw('a:files@1')).equals(await draw(`local:${model}@1`))).toBe(true);
      const { body } = await server.post([imageTask({ model: 'a:broken@1' })]);
      expect(body.errors![0]).toMatchObject({
        code: 'modelUnavailable',
        message: expect.stringMatching(
          /^The model a:broken@1 cannot be used: .*, which is named for it, has no text encoder/,
        ),
      });
    } finally {
      await describer.close();
      await runtime.close();
      await rm(models, { recursive: true });
    }
  },
);
