import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GenerateRequest, type Runtime, startRuntime } from '../../runtime/index.ts';
import { ownProgram } from '../../runtime/process/runtimeProcess.ts';
import { ManualClock } from '../helpers/clock.ts';
import { writeSmallModel } from '../helpers/smallModel.ts';
import { swiftShader, testsWebGpu, whenSkipped } from '../helpers/webgpu.ts';
import { collect, draw, never } from '../runtime/runtimeSuite.ts';

// Real failures of a device, as far as a program that imitates one can have them: it lies behind a driver that says it is lost,
// or says nothing, when the test wants it. One runtime for all: to start one takes long here.

const driver = swiftShader.replace('vk_swiftshader_icd.json', 'libvk_swiftshader.so');
const canFail = testsWebGpu && ['/usr/bin/cc', driver].every((file) => existsSync(file));

// Needs WebGPU and a C compiler, which builds the driver that fails; CI installs both.
describe.runIf(canFail)(`a WebGPU device${whenSkipped}`, { timeout: 300_000 }, () => {
  let folder: string;
  let model: string;
  let runtime: Runtime;
  const clock = new ManualClock();
  const before = { ...process.env };
  const file = (name: string) => join(folder, name);

  const request = (changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
    model,
    prompt: 'a red potion',
    width: 32,
    height: 32,
    steps: 2,
    guidanceScale: 1,
    seed: 3n,
    ...changes,
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latentwire-faults-'));
    model = await writeSmallModel(file('model'));
    const library = file('libfailing.so');
    const source = join(import.meta.dirname, 'failingDriver.c');
    execFileSync('/usr/bin/cc', ['-shared', '-fPIC', '-o', library, source, '-ldl']);
    const ICD = { library_path: library, api_version: '1.0.5' };
    await writeFile(file('driver.json'), JSON.stringify({ file_format_version: '1.0.0', ICD }));
    Object.assign(process.env, {
      VK_ICD_FILENAMES: file('driver.json'),
      VK_FAILING_DRIVER: driver,
      VK_FAILING_FOLDER: folder,
    });
    const log = (_level: string, message: string) => {
      if (message !== 'The runtime process was lost.') return;
      // As a driver that was reset: the next process, which is started at once, finds it well.
      rmSync(file('lost'), { force: true });
      queueMicrotask(() => void clock.advance(0));
    };
    const options = { provider: 'webgpu', precision: 'float32', log, deadlinesMs: { denoising: 60_000 } } as const;
    runtime = startRuntime(options, ownProgram(), clock);
  });

  afterAll(async () => {
    await runtime.close();
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    await rm(folder, { recursive: true });
  });

  test('that is lost has its process replaced, and all runs begin again', async () => {
    let lost = false;
    const other = draw(runtime, request({ steps: 1 }));
    const events = await collect(runtime, request(), never(), ({ type }) => {
      if (type !== 'stepped' || lost) return;
      lost = true;
      execFileSync('touch', [file('lost')]);
    });
    // Where several kernels are under way, onnxruntime may crash before it can tell.
    expect(events.at(-1)).toMatchObject({ type: 'finished', pixels: { width: 32, height: 32 } });
    expect(events.filter((event) => event.type === 'stepped' && event.step === 0)).toHaveLength(2);
    await expect(other).resolves.toMatchObject({ width: 32 });
    expect(runtime.status()).toMatchObject({
      restarts: 1,
      lastLoss: { reason: expect.stringMatching(/is lost|^SIG/) },
    });
  });

  test('whose driver hangs has its process killed after the deadline', async () => {
    let late: Promise<unknown> | undefined;
    const hung = collect(runtime, request({ steps: 20 }), never(), ({ type }) => {
      if (type !== 'stepped' || late) return;
      execFileSync('touch', [file('hang')]);
      late = clock.advance(70_000).then(() => rm(file('hang')));
    });
    await expect(hung).rejects.toMatchObject({ code: 'stageTimeout' });
    await late;
    expect(runtime.status()).toMatchObject({ state: 'restarting', restarts: 2 });
  });
});
