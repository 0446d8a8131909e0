import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GenerateRequest, type RuntimeOptions, startRuntime } from '../../runtime/index.ts';
import type { Calibration } from '../../runtime/messages.ts';
import { KeptBatches } from '../../runtime/process/keptBatches.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { scripted, startScripted } from '../helpers/scriptedRuntime.ts';
import { draw } from './runtimeSuite.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-batches-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Content {
  version: number;
  batches: Calibration[];
}

const contentOf = async (file: string) => JSON.parse(await readFile(file, 'utf8')) as Content;

describe('numbers of rows that were found out', { timeout: 300_000 }, () => {
  const request: GenerateRequest = {
    model: modelFolder('tiny-sd15'),
    prompt: 'a red potion',
    width: 64,
    height: 64,
    steps: 2,
    guidanceScale: 5,
    seed: 1n,
  };

  /** Draws pictures side by side until something is known about the UNet, and tells what, and whether it was measured. */
  async function found(file: string) {
    const logs: { message: string; graph?: string; shape?: string }[] = [];
    const log: RuntimeOptions['log'] = (_level, message, fields) => logs.push({ message, ...fields });
    await using runtime = startRuntime({ provider: 'cpu', batchesFile: file, log });
    const ofUNet = () => runtime.status().batches.filter(({ graph }) => graph.endsWith('/unet'));
    // What is known shows with the first call; what is not takes as many rows at once as a call may have.
    for (const runs of [1, ...Array<number>(40).fill(8)]) {
      await Promise.all(Array.from({ length: runs }, (_, seed) => draw(runtime, { ...request, seed: BigInt(seed) })));
      if (ofUNet().length > 0) break;
    }
    const measured = logs.some(
      ({ message, graph }) => message.includes('batch size of a graph was measured') && graph?.endsWith('/unet'),
    );
    return { batches: ofUNet(), measured, logs };
  }

  test('hold for the next process, which does not measure them again, and only for the same machine', async () => {
    const file = join(folder, 'below', 'batches.json');
    const first = await found(file);
    expect(first).toMatchObject({ measured: true, batches: [{ rows: expect.any(Number) }] });
    const { version, batches } = await contentOf(file);
    const kept = batches.find(({ graph }) => graph.endsWith('/unet'))!;
    expect(kept).toMatchObject(first.batches[0]!);
    expect(kept.machine).toMatch(/^cpu, onnxruntime \d+\.\d+\.\d+, \d+ threads of ./);
    expect(await readdir(join(folder, 'below'))).toEqual(['batches.json']);

    // A number that nobody measured shows where the next process has it from.
    const edited = kept.rows === 4 ? 2 : 4;
    await writeFile(file, JSON.stringify({ version, batches: [{ ...kept, rows: edited }] }));
    expect(await found(file)).toMatchObject({ measured: false, batches: [{ rows: edited }] });

    const elsewhere = { ...kept, rows: edited, machine: kept.machine.replace('threads of', 'threads of another') };
    await writeFile(file, JSON.stringify({ version, batches: [elsewhere] }));
    expect(await found(file)).toMatchObject({ measured: true });
    // Both machines may use the same folder.
    const machines = (await contentOf(file)).batches.map(({ machine }) => machine);
    expect(new Set(machines)).toEqual(new Set([elsewhere.machine, kept.machine]));
  });

  test('that cannot be read are found out anew, and kept again', async () => {
    const file = join(folder, 'broken.json');
    await writeFile(file, '{"version": 1, "batches": [{');
    const { measured, logs } = await found(file);
    expect(measured).toBe(true);
    expect(logs.map(({ message }) => message)).toContain(
      'The file of batch sizes cannot be read. They are measured again.',
    );
    expect((await contentOf(file)).batches.length).toBeGreaterThan(0);
  });
});

describe('the kept numbers', () => {
  const entry: Calibration = { machine: 'm', structure: 's', graph: 'pocket/unet', shape: '1×4×8×8', rows: 4 };

  test('are replaced by newer ones for the same, and no more than a thousand', async () => {
    const file = join(folder, 'many.json');
    const kept = new KeptBatches(file, () => {});
    for (let index = 0; index < 1_001; index++) kept.keep({ ...entry, shape: `${index}` });
    kept.keep({ ...entry, shape: '1', rows: 8 });
    kept.keep({ ...entry, structure: undefined });
    await kept.written();
    const again = new KeptBatches(file, () => {}).all();
    expect(again).toHaveLength(1_000);
    expect(again.find(({ shape }) => shape === '0')).toBeUndefined();
    expect(again.at(-1)).toEqual({ ...entry, shape: '1', rows: 8 });
  });

  test.each([
    ['of another version', JSON.stringify({ version: 2, batches: [entry] }), 0],
    ['that is empty', '', 0],
    ['that holds something else', '[]', 0],
    ['with entries that are none', JSON.stringify({ version: 1, batches: [{ ...entry, rows: 0 }, 7, entry] }), 1],
  ])('from a file %s are those that can be understood', async (_name, text, count) => {
    const file = join(folder, 'odd.json');
    await writeFile(file, text);
    expect(new KeptBatches(file, () => {}).all()).toHaveLength(count);
  });

  test('of a file that cannot be written hold as long as the server', async () => {
    const warnings: string[] = [];
    const kept = new KeptBatches(join(folder, 'many.json', 'below.json'), (_level, message) => warnings.push(message));
    kept.keep(entry);
    await kept.written();
    expect(kept.all()).toEqual([entry]);
    expect(warnings).toContain('The file of batch sizes cannot be written.');
  });

  test('are half of those that the process did not survive', async () => {
    const file = join(folder, 'deadly.json');
    const model = modelFolder('tiny-sd15');
    await using runtime = startScripted({ batchesFile: file });
    await draw(runtime, scripted(model, [{ trying: { ...entry, shape: 'survived' } }, { tried: true }]));
    const deadly = draw(runtime, scripted(model, [{ trying: { ...entry, rows: 8 } }, { die: model }]));
    await expect(deadly).rejects.toMatchObject({ code: 'runtimeLost' });
    await runtime.close();
    expect((await contentOf(file)).batches).toEqual([{ ...entry, rows: 4 }]);
  });
});
