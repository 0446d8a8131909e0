import { readFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { parseJson } from '../../protocol/json.ts';
import { sizeLike } from '../../protocol/sizes.ts';
import { startDescriber, startRuntime } from '../../runtime/index.ts';
import { workOf } from '../../server/queue/cost.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { noise, pngUri } from '../helpers/pictures.ts';
import { describeTestModel, imageTask, startTestServer } from '../helpers/server.ts';
import { largestDifference } from '../helpers/trajectories.ts';
import { readTransformerGoldens } from '../helpers/transformerGoldens.ts';

const takesReferences = { mostReferences: 2, mostReferencePixels: 1024 ** 2, sizeMultiple: 16 } as const;
const describe = async (folder: string) => ({ ...describeTestModel(folder), ...takesReferences });
const openTask = (more: Record<string, unknown>) => imageTask({ width: undefined, height: undefined, ...more });

test.each([
  // As diffusers' FLUX.2 does it: 1500 × 1100 is 1195 × 877 first, of about 1024² pixels.
  [[1195, 877], 4 * 1024 ** 2, [1184, 864]],
  [[90, 70], 4 * 1024 ** 2, [80, 64]],
  [[64, 2000], 4 * 1024 ** 2, [64, 2000]],
  // What a task could not ask for.
  [[40, 30], 4 * 1024 ** 2, [64, 64]],
  [[4096, 256], 4 * 1024 ** 2, [2048, 128]],
  [[16, 8192], 4 * 1024 ** 2, [64, 2048]],
  // What the server does not draw.
  [[1024, 512], 512 ** 2, [720, 352]],
  [[2048, 64], 65536, [1024, 64]],
] as const)(
  'a reference of %j, where %i pixels are drawn at most, gives a size of %j',
  ([width, height], most, size) => {
    const found = sizeLike({ width, height }, 16, most);
    expect([found.width, found.height]).toEqual(size);
    expect(found.width * found.height).toBeLessThanOrEqual(most);
  },
);

test('a task without a size has that of its first reference, which its details, its cost and its recipe tell', async () => {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime, describe });
  const socket = await server.socket();
  const referenceImages = [await pngUri(noise(203, 135)), await pngUri(noise(96, 96))];
  const { imageUUID } = await socket.ask({
    taskType: 'imageUpload',
    taskUUID: crypto.randomUUID(),
    image: referenceImages[0],
  });
  const task = openTask({ referenceImages: [imageUUID, imageUUID], outputFormat: 'PNG', progress: false });
  const { imageURL } = await socket.ask(task);
  const [request] = runtime.requests;
  expect(request).toMatchObject({ width: 192, height: 128, references: [{ width: 203, height: 135 }, {}] });
  expect(workOf(request!, await describe(request!.model))).toBeLessThan(
    workOf({ ...request!, width: 512, height: 512 }, await describe(request!.model)),
  );
  const details = { taskType: 'getTaskDetails', taskUUID: task.taskUUID };
  expect((await server.post([details])).body.data![0]).toMatchObject({ request: [{ width: 192, height: 128 }] });
  const file = Buffer.from(await (await fetch(imageURL)).arrayBuffer());
  const { width, height, comments } = await sharp(file).metadata();
  expect([width, height]).toEqual([192, 128]);
  const recipe = parseJson(comments!.find(({ keyword }) => keyword === 'latentwire')!.text);
  expect(recipe).toMatchObject({ width: 192, height: 128, referenceImages: [imageUUID, imageUUID] });
});

test.each([
  ['a size', { width: 256, height: 192 }, [256, 192]],
  ['a width', { width: 256 }, [256, 128]],
  ['a seed image, of which the model decides', { seedImage: await pngUri(noise(64, 64)) }, [128, 128]],
])('a task with a reference and %s keeps it', async (_, more, size) => {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime, describe });
  const { body } = await server.post([openTask({ referenceImages: [await pngUri(noise(200, 136))], ...more })]);
  expect(body.errors).toBeUndefined();
  expect([runtime.requests[0]!.width, runtime.requests[0]!.height]).toEqual(size);
});

test('a model that takes no references draws in its own size, and its run refuses them', async () => {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime });
  await server.post([openTask({ referenceImages: [await pngUri(noise(200, 136))] })]);
  expect(runtime.requests[0]).toMatchObject({ width: 128, height: 128, references: [{ width: 200 }] });
});

test('FLUX.2 draws what diffusers draws without a size, and its recipe draws it again', async () => {
  const golden = readTransformerGoldens('tiny-flux2-klein').pictures.find(({ sizeGiven }) => sizeGiven === false)!;
  const describer = startDescriber();
  const runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
  try {
    await using server = await startTestServer({
      runtime,
      modelsDir: [modelsFolder],
      defaultModel: 'local:tiny-flux2-klein@1',
      describe: (...wanted) => describer.describe(...wanted),
    });
    const draw = async (task: Record<string, unknown>) => {
      const { body } = await server.post([{ ...task, outputFormat: 'PNG' }]);
      expect(body.errors).toBeUndefined();
      const file = Buffer.from(await (await fetch(body.data![0]!.imageURL)).arrayBuffer());
      const { comments } = await sharp(file).metadata();
      return { ...(await pixelsOf(file)), recipe: comments!.find(({ keyword }) => keyword === 'latentwire')!.text };
    };
    const image = await readFile(path.join(modelsFolder, golden.references![0]!));
    const upload = { taskType: 'imageUpload', taskUUID: crypto.randomUUID(), image: image.toString('base64') };
    const { imageUUID } = (await server.post([upload])).body.data![0]!;
    const { prompt: positivePrompt, steps, seed } = golden;
    const asked = { model: 'local:tiny-flux2-klein@1', positivePrompt, steps, seed, referenceImages: [imageUUID] };
    const first = await draw(openTask(asked));
    expect([first.width, first.height]).toEqual([golden.width, golden.height]);
    const expected = await pixelsOf(await readFile(path.join(modelsFolder, golden.image)));
    expect(largestDifference(first, expected)).toBeLessThanOrEqual(2);
    const again = await draw({
      ...(parseJson(first.recipe) as Record<string, unknown>),
      taskUUID: crypto.randomUUID(),
    });
    expect(again.data.equals(first.data)).toBe(true);
  } finally {
    await describer.close();
    await runtime.close();
  }
});

async function pixelsOf(file: Buffer) {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}
