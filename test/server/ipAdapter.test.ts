import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseJson } from '../../protocol/json.ts';
import { type Describer, type Runtime, startDescriber, startRuntime } from '../../runtime/index.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { readIpAdapterGoldens } from '../helpers/ipAdapterGoldens.ts';
import { pixelsOf } from '../helpers/pictures.ts';
import { type Item, imageTask, startTestServer, type TestServer } from '../helpers/server.ts';
import { largestDifference, readPixels } from '../helpers/trajectories.ts';

/** A models folder with the adapters as published, in a folder of their own. */
let modelsDir: string;
let describer: Describer;
let runtime: Runtime;
let server: TestServer;
beforeAll(async () => {
  modelsDir = await mkdtemp(path.join(tmpdir(), 'ip-adapter-models-'));
  for (const model of ['tiny-sd15', 'tiny-sdxl']) {
    await symlink(path.join(modelsFolder, model), path.join(modelsDir, model));
  }
  await cp(path.join(modelsFolder, 'tiny-ip-adapter'), path.join(modelsDir, 'ip_adapter'), { recursive: true });
  describer = startDescriber();
  runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
  server = await startTestServer({
    runtime,
    modelsDir: [modelsDir],
    defaultModel: 'local:tiny-sd15@1',
    describe: (...wanted) => describer.describe(...wanted),
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await describer.close();
  await runtime.close();
  await rm(modelsDir, { recursive: true });
});

const uploaded = async (file: string): Promise<string> => {
  const image = (await readFile(path.join(modelsFolder, file))).toString('base64');
  const upload = { taskType: 'imageUpload', taskUUID: crypto.randomUUID(), image };
  return (await server.post([upload])).body.data![0]!.imageUUID!;
};

const cases = Object.values(readIpAdapterGoldens().adapters).flatMap(({ model, files }) =>
  Object.entries(files).flatMap(([file, { picture, image }]) => (picture ? [{ model, file, picture, image }] : [])),
);

test.each(cases)('draws over HTTP with $file what diffusers draws, and its recipe draws it again', async (each) => {
  const { model, file, picture, image } = each;
  const { prompt: positivePrompt, negativePrompt, steps, guidanceScale: CFGScale, seed, width, height } = picture;
  const adapter = {
    model: `local:${path.basename(file, '.safetensors')}@1`,
    guideImages: [await uploaded(image)],
    weight: picture.scale,
    // As diffusers has it.
    embedScaling: 'only_v',
  };
  const asked = { positivePrompt, negativePrompt, steps, CFGScale, seed, width, height, ipAdapters: [adapter] };
  const draw = async (task: Record<string, unknown>) => {
    const { body } = await server.post([{ ...task, outputFormat: 'PNG', outputType: ['URL', 'base64Data'] }]);
    expect(body.errors).toBeUndefined();
    return body.data![0]!;
  };
  const first = await draw(imageTask({ ...asked, model: `local:${model}@1` }));
  const pixels = await pixelsOf(first);
  expect(largestDifference(pixels, await readPixels(picture.image))).toBeLessThanOrEqual(2);
  const again = await draw({ ...(await recipeIn(first)), taskUUID: crypto.randomUUID() });
  expect((await pixelsOf(again)).data).toEqual(pixels.data);
});

async function recipeIn({ imageBase64Data }: Pick<Item, 'taskType'> & { imageBase64Data?: string }) {
  const { comments } = await sharp(Buffer.from(imageBase64Data!, 'base64')).metadata();
  return parseJson(comments!.find(({ keyword }) => keyword === 'latentwire')!.text) as Record<string, unknown>;
}

test('tells of a picture that is missing, and of an adapter for another model, with their places', async () => {
  const guideImages = [await uploaded('ip-adapter-image-1.png'), crypto.randomUUID()];
  const refused = async (adapter: object) =>
    (await server.post([imageTask({ model: 'local:tiny-sd15@1', ipAdapters: [adapter] })])).body.errors![0];
  expect(await refused({ model: 'local:ip-adapter_sd15@1', guideImages })).toMatchObject({
    parameter: 'ipAdapters[0].guideImages[1]',
  });
  const [guideImage] = guideImages;
  expect(await refused({ model: 'local:ip-adapter_sdxl@1', guideImage })).toMatchObject({
    code: 'invalidIpAdapters',
    parameter: 'ipAdapters',
    message: expect.stringContaining('is an IP-Adapter for another architecture'),
  });
});

test('lists adapters as what tasks name in `ipAdapters`', async () => {
  const search = { taskType: 'modelSearch', taskUUID: crypto.randomUUID(), category: 'ipadapter' };
  const { results } = (await server.post([search])).body.data![0] as unknown as { results: { air: string }[] };
  expect(results.map(({ air }) => air).sort()).toEqual(
    ['-full-face_sd15', '-plus_sd15', '_sd15', '_sdxl', '_sdxl_vit-h']
      .map((name) => `local:ip-adapter${name}@1`)
      .sort(),
  );
});
