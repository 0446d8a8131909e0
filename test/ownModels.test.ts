import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunwareServer } from '@runware/sdk-js';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../clients/typescript/index.ts';
import { type Server, startServer } from '../server/index.ts';
import { modelsFolder, readPictureCases } from './helpers/goldens.ts';
import { readContents, writeGoldenSingleFile, writeSafetensors } from './helpers/singleFile.ts';

// Models that people own, as they lie in a models directory: folders, single files, and what is put on top of them. A
// server with the real runtime, asked as a client asks it.

let server: Server;
let scratch: string;

const fixture = (name: string) => join(modelsFolder, name);
const seedImage = readFileSync(fixture('seed-image.png')).toString('base64');

/** What the shapes of a tiny single file cannot tell. */
const proportions = (heads: number | number[], encoders: string[]) => ({
  unet: { attention_head_dim: heads, norm_num_groups: 4 },
  vae: { norm_num_groups: 4 },
  ...Object.fromEntries(encoders.map((encoder) => [encoder, { num_attention_heads: 4 }])),
});

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'latentwire-own-models-'));
  const models = join(scratch, 'models');
  for (const folder of [
    'tiny-sd15',
    'tiny-sd21-v',
    'tiny-sdxl',
    'tiny-sd15-inpaint',
    'tiny-pix2pix',
    'tiny-sd15-controlnet',
    'tiny-taesd',
  ]) {
    await cp(fixture(folder), join(models, folder), { recursive: true });
  }
  await cp(fixture('tiny-sd15'), join(models, 'fresh'), { recursive: true });
  await cp(join(fixture('tiny-pix2pix'), 'vae'), join(models, 'vae', 'other-vae'), { recursive: true });
  await mkdir(join(models, 'loras'));
  await cp(fixture('tiny-sd15-lora.safetensors'), join(models, 'loras', 'sharp-edges.safetensors'));
  await writeGoldenSingleFile('tiny-sd15', join(models, 'dream.safetensors'));
  await writeFile(join(models, 'dream.safetensors.json'), JSON.stringify(proportions(4, ['text_encoder'])));
  await writeGoldenSingleFile('tiny-sdxl', join(models, 'dream-xl.safetensors'));
  await writeFile(
    join(models, 'dream-xl.safetensors.json'),
    JSON.stringify(proportions([2, 4, 4], ['text_encoder', 'text_encoder_2'])),
  );
  // As some publish it, to be used with a VAE of one's choice; and a folder of the same kind.
  const dream = await readContents(join(models, 'dream.safetensors'));
  const isVae = (name: string) => name.startsWith('first_stage_model.');
  await writeSafetensors(
    join(models, 'no-vae.safetensors'),
    [...dream].filter(([name]) => !isVae(name)),
  );
  await cp(join(models, 'dream.safetensors.json'), join(models, 'no-vae.safetensors.json'));
  await writeSafetensors(
    join(models, 'vae', 'dream-vae.safetensors'),
    [...dream].filter(([name]) => isVae(name)),
  );
  await writeFile(join(models, 'vae', 'dream-vae.safetensors.json'), JSON.stringify({ vae: { norm_num_groups: 4 } }));
  await cp(fixture('tiny-sd15'), join(models, 'no-vae-folder'), { recursive: true });
  await rm(join(models, 'no-vae-folder', 'vae'), { recursive: true });
  await mkdir(join(models, 'embeddings'));
  const vectors = Buffer.from(Float32Array.from({ length: 64 }, (_, at) => Math.sin(at)).buffer);
  await writeSafetensors(join(models, 'embeddings', 'moss.safetensors'), [
    ['emb_params', { dtype: 'F32', shape: [2, 32], bytes: vectors }],
  ]);
  await writeFile(join(models, 'old.ckpt'), 'a pickle');
  const whole = await readFile(join(models, 'dream.safetensors'));
  await writeFile(join(models, 'half.safetensors'), whole.subarray(0, whole.length / 2));
  server = await startServer({
    port: 0,
    dataDir: join(scratch, 'data'),
    modelsDir: [models],
    device: ['cpu'],
    threads: 1,
    logLevel: 'silent',
    maxModels: 8,
  });
});

afterAll(async () => {
  await server.close(0);
  await rm(scratch, { recursive: true, force: true });
});

type Task = Parameters<ReturnType<typeof connect>['generate']>[0];

async function draw(task: Partial<Task> & Record<string, unknown>): Promise<Uint8Array> {
  const client = connect({ url: server.url });
  try {
    const { imageBase64Data } = await client.generate({
      positivePrompt: 'a red potion on a blue table, watercolor',
      negativePrompt: '',
      model: 'local:tiny-sd15@1',
      width: 192,
      height: 128,
      steps: 4,
      CFGScale: 7.5,
      seed: 711,
      outputFormat: 'PNG',
      outputType: 'base64Data',
      ...task,
    } as Task).result;
    return await pixelsOf(Buffer.from(imageBase64Data!, 'base64'));
  } finally {
    client.close();
  }
}

async function pixelsOf(image: Buffer | string): Promise<Uint8Array> {
  return new Uint8Array(await sharp(image).removeAlpha().raw().toBuffer());
}

function difference(a: Uint8Array, b: Uint8Array): number {
  expect(a).toHaveLength(b.length);
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at]!)), 0);
}

const { cases } = readPictureCases();

describe('a model without a VAE', () => {
  test.each([
    ['local:no-vae@1', 'local:dream@1'],
    ['local:no-vae-folder@1', 'local:tiny-sd15@1'],
  ])('%s draws with the one that the task names', async (model, same) => {
    const whole = await draw({ model: same });
    expect(difference(await draw({ model, vae: 'local:dream-vae@1' }), whole)).toBe(0);
    expect(difference(await draw({ model, vae: 'local:other-vae@1' }), whole)).toBeGreaterThan(10);
  });

  test('is refused without one, with those that would do', async () => {
    await expect(draw({ model: 'local:no-vae@1' })).rejects.toMatchObject({
      code: 'missingVae',
      parameter: 'vae',
      allowed: expect.arrayContaining(['local:dream-vae@1', 'local:other-vae@1']),
      message: expect.stringMatching(
        /^The model local:no-vae@1 has no autoencoder \(VAE\)\. Name one in `vae`; this server/,
      ),
    });
  });

  test('says so where models are listed', async () => {
    const client = connect({ url: server.url });
    const found = await client.models('no-vae');
    client.close();
    expect(found.map(({ available }) => available)).toEqual([true, true]);
    for (const { reason } of found) expect(reason).toMatch(/^It has no autoencoder \(VAE\)\. Tasks must name one/);
  });
});

describe('pictures equal those of diffusers, asked for over the socket', () => {
  const named = [
    ...cases.map((each) => [`local:${each.model}@1`, each.kind, each] as const),
    ...cases.filter(({ model }) => model === 'tiny-sd15').map((each) => ['local:dream@1', each.kind, each] as const),
    ...cases.filter(({ model }) => model === 'tiny-sdxl').map((each) => ['local:dream-xl@1', each.kind, each] as const),
  ];
  test.each(named)('%s, %s', async (model, _kind, each) => {
    const { image, kind: _unused, model: _own, seedImage: seeded, strength, ...task } = each;
    const scheduler = model.includes('dream') ? 'DDIM' : undefined;
    const drawn = await draw({
      ...task,
      model,
      ...(seeded && { seedImage, strength }),
      // A single file does not say which scheduler its folder was given.
      ...(scheduler && each.model === 'tiny-sd15' && { scheduler }),
    } as never);
    expect(difference(drawn, await pixelsOf(fixture(image)))).toBeLessThanOrEqual(2);
  });
});

describe('what is put on top of a model', () => {
  const usual = { negativePrompt: 'blur' } as const;
  let plain: Uint8Array;
  beforeAll(async () => {
    plain = await draw(usual);
  });

  test.each<[string, object]>([
    ['a LoRA', { lora: [{ model: 'local:sharp-edges@1', weight: 0.75 }] }],
    ['a ControlNet', { controlNet: [{ model: 'local:tiny-sd15-controlnet@1', guideImage: seedImage, weight: 0.8 }] }],
    ['an embedding', { embeddings: [{ model: 'local:moss@1' }] }],
    ['another autoencoder', { vae: 'local:other-vae@1' }],
    ['a second model', { refiner: { model: 'local:dream@1', startStep: 3 }, scheduler: 'Euler' }],
    ['weights in the prompt', { positivePrompt: 'a red++ potion on a (blue table)0.6', promptWeighting: 'compel' }],
    ['a prompt of two rows', { positivePrompt: 'a red potion on a blue table, '.repeat(14) }],
  ])('%s changes the picture', async (_name, task) => {
    expect(difference(await draw({ ...usual, ...task }), plain)).toBeGreaterThan(2);
    // And the next task is as if nothing had been.
    expect(difference(await draw(usual), plain)).toBeLessThanOrEqual(1);
  });

  test('through the official client', async () => {
    const runware = await RunwareServer.initialize({ apiKey: 'any', url: `${server.url.replace('http', 'ws')}/v1` });
    const request = {
      model: 'local:tiny-sd15@1',
      positivePrompt: 'a red potion on a blue table, watercolor',
      negativePrompt: 'blur',
      width: 192,
      height: 128,
      steps: 4,
      CFGScale: 7.5,
      seed: 711,
      numberResults: 1,
      outputFormat: 'PNG' as const,
      outputType: 'base64Data' as const,
    };
    const ask = async (more: object): Promise<Uint8Array> => {
      const [image] = (await runware.requestImages({ ...request, ...more })) ?? [];
      return pixelsOf(Buffer.from(image!.imageBase64Data!, 'base64'));
    };
    expect(difference(await ask({}), plain)).toBeLessThanOrEqual(1);
    const lora = await ask({ lora: [{ model: 'local:sharp-edges@1', weight: 0.75 }] });
    expect(difference(lora, plain)).toBeGreaterThan(2);
    const controlNet = [{ model: 'local:tiny-sd15-controlnet@1', guideImage: seedImage, weight: 1 }];
    expect(difference(await ask({ controlNet }), plain)).toBeGreaterThan(2);
    await runware.disconnect();
  });
});

describe('inpainting', () => {
  /** White to the right of the middle. */
  const mask = async () =>
    (
      await sharp({ create: { width: 192, height: 128, channels: 3, background: 'black' } })
        .composite([
          { input: { create: { width: 96, height: 128, channels: 3, background: 'white' } }, left: 96, top: 0 },
        ])
        .png()
        .toBuffer()
    ).toString('base64');

  test.each(['local:tiny-sd15@1', 'local:tiny-sd15-inpaint@1', 'local:tiny-pix2pix@1'])(
    'leaves the pixels that the mask keeps as they are (%s)',
    async (model) => {
      const seed = await pixelsOf(await sharp(Buffer.from(seedImage, 'base64')).resize(192, 128).png().toBuffer());
      const drawn = await draw({ model, seedImage, maskImage: await mask(), strength: 0.9 });
      let changed = 0;
      for (let at = 0; at < drawn.length; at++) {
        const x = Math.floor(at / 3) % 192;
        if (x < 96) expect(drawn[at]).toBe(seed[at]);
        else if (Math.abs(drawn[at]! - seed[at]!) > 8) changed++;
      }
      expect(changed).toBeGreaterThan(10_000);
    },
  );

  test('draws what lies beyond a picture, which stays as it is', async () => {
    const drawn = await draw({
      seedImage,
      width: 256,
      height: 128,
      outpaint: { left: 0, right: 64, top: 0, bottom: 0 },
    } as never);
    const seed = await pixelsOf(await sharp(Buffer.from(seedImage, 'base64')).resize(192, 128).png().toBuffer());
    for (let y = 0; y < 128; y++) {
      for (let x = 0; x < 192 * 3; x++) expect(drawn[y * 256 * 3 + x]).toBe(seed[y * 192 * 3 + x]);
    }
  });
});

test('previews by a tiny decoder are as large as the picture', async () => {
  const client = connect({ url: server.url });
  const generation = client.generate({
    positivePrompt: 'a red potion',
    model: 'local:tiny-sd15@1',
    width: 192,
    height: 128,
    steps: 4,
    previews: { decoder: 'tiny', size: 192, format: 'PNG' },
  } as Task);
  const sizes: number[][] = [];
  for await (const event of generation) if (event.event === 'previewed') sizes.push([event.width, event.height]);
  await generation.result;
  expect(sizes.length).toBeGreaterThan(0);
  for (const size of sizes) expect(size).toEqual([192, 128]);
  client.close();
});

test('a loading model is told to who waits for it', async () => {
  const client = connect({ url: server.url });
  const generation = client.generate({
    positivePrompt: 'a red potion',
    model: 'local:fresh@1',
    width: 128,
    height: 128,
    steps: 2,
    progress: true,
  } as Task);
  const told: (string | number)[] = [];
  for await (const event of generation) told.push(event.event === 'loading' ? event.progress : event.event);
  await generation.result;
  const shares = told.filter((each) => typeof each === 'number');
  expect(shares.length).toBeGreaterThan(1);
  expect(shares[0]).toBe(0);
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  expect(told.indexOf('stepped')).toBeGreaterThan(told.lastIndexOf(shares.at(-1)!));
  client.close();
});

test('what cannot be used is listed with the reason', async () => {
  const client = connect({ url: server.url });
  await expect(draw({ model: 'local:half@1' })).rejects.toMatchObject({ code: 'modelUnavailable' });
  await expect(draw({ model: 'local:sharp-edges@1' })).rejects.toThrow();
  await expect(draw({ lora: [{ model: 'local:nothing@1' }] } as never)).rejects.toMatchObject({
    code: 'modelNotFound',
  });
  await expect(draw({ model: 'local:tiny-pix2pix@1' })).rejects.toMatchObject({ parameter: 'seedImage' });
  client.close();
});
