import { cp, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSafetensorsHeader } from '../../runtime/files/safetensors.ts';
import { type GenerateRequest, type Runtime, type RuntimeOptions, startRuntime } from '../../runtime/index.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';
import { collect, draw, never } from './runtimeSuite.ts';

let folder: string;
let runtime: Runtime;
const logs: { level: string; message: string; fields: Record<string, unknown> }[] = [];
const log: RuntimeOptions['log'] = (level, message, fields) => logs.push({ level, message, fields: { ...fields } });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-damaged-'));
  runtime = startRuntime({ provider: 'cpu', threads: 1, log, maxModels: 10 });
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true });
});

const request = (changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  model: modelFolder('tiny-sd15'),
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 2,
  guidanceScale: 1,
  seed: 3n,
  ...changes,
});

/** A copy of a fixture in which the tensor, in the first weights of the part, holds no numbers. */
async function damaged(fixture: string, part: string, tensor: string): Promise<string> {
  const copy = join(folder, `${fixture} ${part} ${tensor}`.replaceAll(/[^\w-]+/g, '_'));
  await cp(join(modelsFolder, fixture), copy, { recursive: true });
  const name = (await readdir(join(copy, part))).find((each) => each.endsWith('.safetensors'))!;
  const file = join(copy, part, name);
  const { offset, length } = (await readSafetensorsHeader(file)).tensors.get(tensor)!;
  const handle = await open(file, 'r+');
  // NaN in every format of floating point.
  await handle.write(Buffer.alloc(length, 0xff), 0, length, offset);
  await handle.close();
  return copy;
}

test.each([
  ['text_encoder', 'text_encoder', 'text_model.final_layer_norm.weight'],
  ['unet', 'unet', 'conv_in.bias'],
  ['vae_decoder', 'vae', 'decoder.conv_out.bias'],
  ['vae_encoder', 'vae', 'encoder.conv_in.bias'],
])('weights of the %s that are no numbers are an error that names it', async (component, part, tensor) => {
  const model = await damaged('tiny-sd15', part, tensor);
  const image = { pixels: { width: 64, height: 64, data: new Uint8Array(64 * 64 * 3) }, strength: 0.9 };
  const run = draw(runtime, request({ model, ...(component === 'vae_encoder' && { image }) }));
  await expect(run).rejects.toMatchObject({
    code: 'inferenceError',
    message: expect.stringMatching(new RegExp(`^The ${component} of tiny-sd15_\\S+ returned NaN or infinite values`)),
  });
});

test.each([
  ['is damaged', () => damaged('tiny-taesd', '.', 'decoder.layers.0.bias')],
  ['is missing', async () => join(folder, 'nowhere')],
])('a run whose tiny decoder %s ends in its picture, without previews', async (_name, make) => {
  logs.length = 0;
  const previews = { every: 1, decoder: 'tiny', tinyDecoder: await make() };
  const events = await collect(runtime, request({ steps: 4, previews }), never());
  expect(events.filter(({ type }) => type === 'previewed')).toEqual([]);
  expect(events.at(-1)).toMatchObject({ type: 'finished', pixels: await draw(runtime, request({ steps: 4 })) });
  expect(logs.filter(({ level }) => level === 'warn')).toEqual([
    {
      level: 'warn',
      message: 'A run continues without previews.',
      fields: { model: modelFolder('tiny-sd15'), decoder: 'tiny', reason: expect.any(String) },
    },
  ]);
  expect(runtime.status().restarts).toBe(0);
});
