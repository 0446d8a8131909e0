import { copyFile, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Adapters } from '../../runtime/addons/loras.ts';
import { Cache } from '../../runtime/cache.ts';
import { Kept, ModelCache, opened } from '../../runtime/pipelines/modelCache.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-kept-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('a cache', () => {
  test('drops what was used longest ago, by number or by size', () => {
    const byCount = new Cache<number>(2);
    for (const value of [1, 2]) byCount.set(`${value}`, value);
    byCount.get('1');
    byCount.set('3', 3);
    expect([byCount.get('1'), byCount.get('2'), byCount.get('3')]).toEqual([1, undefined, 3]);

    const bySize = new Cache<string>(10, ({ length }) => length);
    for (const value of ['aaaa', 'bbbb', 'cccc']) bySize.set(value[0]!, value);
    expect([bySize.get('a'), bySize.get('b'), bySize.total]).toEqual([undefined, 'bbbb', 8]);
    bySize.set('b', 'b');
    expect(bySize.total).toBe(5);
  });

  test('keeps the newest even if it alone is too large, and then nothing else', () => {
    const cache = new Cache<string>(3, ({ length }) => length);
    cache.set('a', 'a');
    cache.set('b', 'bbbbbbbb');
    expect([cache.get('a'), cache.get('b')]).toEqual([undefined, 'bbbbbbbb']);
  });
});

test('a failure that comes late does not take away what was opened meanwhile', async () => {
  const file = join(folder, 'model.safetensors');
  await writeFile(file, 'broken');
  const kept = new Kept<Promise<string>>();
  let fail = (_error: Error) => {};
  const slow = opened(kept, file, () => new Promise<string>((_, reject) => (fail = reject)));
  await writeFile(file, 'mended!');
  const mended = opened(kept, file, async () => 'mended');
  fail(new Error('The file is broken.'));
  await expect(slow).rejects.toThrow('The file is broken.');
  let opens = 0;
  const again = await opened(kept, file, async () => `opened ${++opens} times more`);
  expect(again).toBe('mended');
  expect(opens).toBe(0);
  await mended;
  // One that fails is not kept.
  const other = join(folder, 'other.safetensors');
  await expect(opened(kept, other, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(opened(kept, other, async () => 'there')).resolves.toBe('there');
});

test('LoRAs are kept up to a number of bytes, those used last, and read again when they come back', async () => {
  const modelCache = new ModelCache({ provider: cpu, onLoaded: () => {} });
  const model = await modelCache.model(modelFolder('tiny-sd15'));
  const files = await Promise.all(
    [0, 1, 2, 3].map(async (index) => {
      const file = join(folder, `lora${index}.safetensors`);
      await copyFile(join(modelsFolder, 'tiny-sd15-lora.safetensors'), file);
      return [{ path: file, weight: 1 }];
    }),
  );
  const one = new Adapters();
  await one.open(model, files[0]!);
  const bytes = one.keptBytes;
  expect(bytes).toBeGreaterThan(0);

  const adapters = new Adapters(bytes * 2.5);
  const first = [];
  for (const file of files) first.push((await adapters.open(model, file)).loras[0]!.lora);
  expect(adapters.keptBytes).toBe(bytes * 2);
  const again = await adapters.open(model, files[3]!);
  expect(again.loras[0]!.lora).toBe(first[3]);
  const back = await adapters.open(model, files[0]!);
  expect(back.loras[0]!.lora).not.toBe(first[0]);
  expect(back.loras[0]!.lora).toEqual(first[0]);
  // One that cannot be read is tried again.
  const broken = join(folder, 'broken.safetensors');
  await writeFile(broken, 'no LoRA');
  const asked = [{ path: broken, weight: 1 }];
  await expect(adapters.open(model, asked)).rejects.toThrow();
  await copyFile(files[0]![0]!.path, broken);
  await utimes(broken, new Date(), new Date());
  await expect(adapters.open(model, asked)).resolves.toMatchObject({ loras: [{ weight: 1 }] });
});
