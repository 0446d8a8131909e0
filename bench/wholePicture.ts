/**
 * `npm run bench:whole`: pictures of large models with random weights of their full shape in blocks of 4 or 8 bits, drawn by the
 * server from files as people have them: seconds of each stage, and the largest memory of the runtime's process. With a memory
 * limit below what a model takes, its networks are in memory one after the other.
 *
 *     npm run bench:whole -- --models klein,z-image --dtype Q4_0 --size 512 --steps 2 --limits 8GB,6GB
 *
 * Written under the system's folder for temporary files (up to 10 GB), and removed at the end.
 */
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../runtime/process/runtimeProcess.ts';
import { BenchServer } from './benchServer.ts';
import { BenchClient } from './client.ts';
import { readOptions, text, whole } from './options.ts';
import { planVae, writeWeights } from './randomModel.ts';
import { writeGguf } from './wideModels.ts';
import { kleinShapes, qwen3Shapes, zImageShapes } from './wideShapes.ts';

const options = readOptions({
  models: text('klein,z-image'),
  dtype: text('Q4_0'),
  size: whole(512, 64, 2048),
  steps: whole(2, 1, 100),
  /** Of `--memory-limit`, one server after the other. */
  limits: text('6GB'),
});
const { dtype, size, steps } = options;
if (dtype !== 'Q4_0' && dtype !== 'Q8_0') throw new Error(`The dtype is Q4_0 or Q8_0, not ${dtype}.`);

const models = {
  klein: {
    shapes: kleinShapes,
    vae: [
      ...planVae({ width: 128, latents: 32 }),
      { name: 'bn.running_mean', shape: [128], spread: 0.1 },
      { name: 'bn.running_var', shape: [128], spread: 'one' as const },
    ],
    guidance: 1,
  },
  'z-image': { shapes: zImageShapes, vae: planVae({ width: 128, latents: 16 }), guidance: 0 },
};

/** A models folder in the layout of separate files. */
async function write(folder: string, name: keyof typeof models): Promise<void> {
  const { shapes, vae } = models[name];
  for (const each of ['diffusion_models', 'text_encoders', 'vae']) await mkdir(join(folder, each), { recursive: true });
  await writeGguf(join(folder, 'diffusion_models', `${name}.gguf`), shapes(), dtype as 'Q4_0');
  await writeGguf(join(folder, 'text_encoders', 'qwen3.gguf'), qwen3Shapes(), dtype as 'Q4_0');
  await writeWeights(join(folder, 'vae', 'ae.safetensors'), vae, 'BF16');
  const tokenizer = join(packageRoot(), 'test/fixtures/models/tiny-z-image/tokenizer');
  await cp(tokenizer, join(folder, 'tokenizer'), { recursive: true });
}

/** The largest resident memory of a process so far, in GiB. */
async function peakGib(pid: number | undefined): Promise<string> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return (Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 2 ** 20).toFixed(2);
}

const seconds = (ms: number) => (ms / 1000).toFixed(1);
const row = (...cells: (string | number)[]) => console.log(`| ${cells.join(' | ')} |`);

async function measure(folder: string, name: keyof typeof models, limit: string): Promise<void> {
  await using server = await BenchServer.start(['--models-dir', folder, '--memory-limit', limit, '--device', 'cpu']);
  const client = await BenchClient.connect(server.url);
  const model = `local:${name}@1`;
  for (const [picture, prompt] of [
    ['first', 'a red potion on a table'],
    ['of the same prompt', 'a red potion on a table'],
  ] as const) {
    const at: number[] = [];
    const begun = performance.now();
    await client.run(
      {
        model,
        positivePrompt: prompt,
        width: size,
        height: size,
        steps,
        CFGScale: models[name].guidance,
        seed: begun | 0,
        progress: true,
      },
      ({ event }) => event === 'stepped' && at.push(performance.now()),
    );
    const ended = performance.now();
    const step = at.length > 1 ? (at.at(-1)! - at[0]!) / (at.length - 1) : Number.NaN;
    const { pid, memoryBytes } = (await server.health()).runtime as { pid?: number; memoryBytes?: number };
    row(
      name,
      limit,
      picture,
      seconds(ended - begun),
      seconds(Math.max(0, at[0]! - begun - step)),
      seconds(step),
      seconds(ended - at.at(-1)!),
      await peakGib(pid),
      ((memoryBytes ?? 0) / 2 ** 30).toFixed(2),
    );
  }
  client.close();
}

const temporary = await mkdtemp(join(tmpdir(), 'latentwire-whole-'));
try {
  row(
    'model',
    'limit',
    'picture',
    'all s',
    'before the first step s',
    'step s',
    'after the last s',
    'peak GiB',
    'after it',
  );
  row(...new Array<string>(9).fill('---'));
  for (const given of options.models.split(',')) {
    if (!(given in models)) throw new Error(`The models are ${Object.keys(models).join(' and ')}, not ${given}.`);
    const name = given as keyof typeof models;
    const folder = join(temporary, name);
    await write(folder, name);
    for (const limit of options.limits.split(',')) await measure(folder, name, limit);
    await rm(folder, { recursive: true });
  }
} finally {
  await rm(temporary, { recursive: true, force: true });
}
