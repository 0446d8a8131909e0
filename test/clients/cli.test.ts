import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { options } from '../../server/config/config.ts';
import { start as startIn } from '../helpers/cli.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { describeWithIpAdapter, startTestServer, type TestServer } from '../helpers/server.ts';

// The program as it is installed: the build's file, in a process of its own.

const root = path.join(import.meta.dirname, '..', '..');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = (args: string[], env: Record<string, string> = {}) => startIn(args, env, folder);
const run = (...args: string[]) => start(args).ended;

describe('the command line', () => {
  test('lists every option of the server with its default', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    for (const name of Object.keys(options)) {
      expect(stdout).toContain(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
    }
    expect(stdout).toContain('Default: 7420.');
    for (const command of ['serve', 'generate', 'upscale', 'models']) {
      expect(await run(command, '--help')).toMatchObject({ code: 0, stderr: '' });
    }
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each([
    [[], 'A command is missing'],
    [['paint'], 'Unknown command "paint"'],
    [['serve', '--port', 'high'], '--port must be a whole number'],
    [['generate'], 'A prompt is missing'],
    [['generate', 'a fox', '--legs', '5'], "Unknown option '--legs'"],
    [['generate', 'a fox', '--steps', 'many'], '--steps takes a number, not "many"'],
    [['generate', 'a fox', '-o', 'fox.tiff'], '--output ends in .png, .jpg or .webp, not .tiff'],
    [['upscale'], 'Argument missing: the picture'],
    [['upscale', 'fox.png', '--factor', '5'], '--factor takes 2, 3 or 4'],
    [['upscale', 'nowhere.png'], 'The picture: the file nowhere.png cannot be read'],
    [['generate', 'a fox', '--control', 'canny'], '--control takes NAME=FILE[:WEIGHT], not "canny"'],
    [['generate', 'a fox', '--image-prompt', '=x'], '--image-prompt takes NAME=FILE[:WEIGHT], not "=x"'],
    [['generate', 'a fox', '--mask', 'nowhere.png'], '--mask: the file nowhere.png cannot be read'],
    [['generate', 'a fox', '--seed-image', 'nowhere.png'], '--seed-image: the file nowhere.png cannot be read'],
  ])('ends with 2 and a sentence: latentwire %j', async (args, sentence) => {
    const { code, stdout, stderr } = await run(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(sentence);
  });

  test('ends with 1 where the named server does not answer', async () => {
    expect(await run('models', '--url', 'http://127.0.0.1:9')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('No server answers'),
    });
  });

  describe('against a running server', () => {
    let server: TestServer;
    const runtime = createFakeRuntime({ stepMs: 20 });
    beforeAll(async () => {
      server = await startTestServer({ runtime });
    });
    afterAll(() => server[Symbol.asyncDispose]());

    const against = (...args: string[]) => start(args, { LATENTWIRE_URL: server.url }).ended;

    test('writes the picture and says only its path on stdout', async () => {
      const { code, stdout, stderr } = await against(
        'generate',
        'a',
        'red',
        'potion',
        '-o',
        'potion.webp',
        '--seed',
        '7',
      );
      expect({ code, stdout }).toEqual({ code: 0, stdout: 'potion.webp\n' });
      expect(stderr).toContain('started, 4 steps');
      expect(stderr).toContain('seed 7');
      expect(stderr).not.toContain('\x1b');
      const image = await sharp(path.join(folder, 'potion.webp')).metadata();
      expect(image).toMatchObject({ format: 'webp', width: 128, height: 128 });
    });

    test('hands on every setting, and names several pictures by number', async () => {
      const more = ['--count', '2', '--width', '192', '--height', '128', '--steps', '3', '--guidance', '4.5'];
      const start = ['--seed-image', 'potion.webp', '--strength', '1', '--negative', 'dogs', '--scheduler', 'Euler'];
      const ended = await against('generate', 'a fox', '-o', 'fox.png', '--seed', '5', ...more, ...start);
      expect(ended).toMatchObject({ code: 0, stdout: 'fox-1.png\nfox-2.png\n' });
      expect(runtime.requests.at(-1)).toMatchObject({
        ...{ prompt: 'a fox', negativePrompt: 'dogs', width: 192, height: 128, steps: 3, guidanceScale: 4.5 },
        image: { strength: 1 },
      });
      const { code, stdout } = await against('generate', 'A Fox, running!', '--seed', '9');
      expect({ code, stdout }).toEqual({ code: 0, stdout: 'a-fox-running-9.png\n' });
      expect(await readdir(folder)).toContain('a-fox-running-9.png');
    });

    test('hands on LoRAs, embeddings, ControlNets, another VAE and a mask', async () => {
      const ended = await against(
        ...['generate', 'a fox', '-o', 'more.png', '--model', 'plain-sd1x', '--prompt-weighting', 'compel'],
        ...['--lora', 'local:pixel-lora-sd1x@1:-0.5', '--lora', 'plain-lora', '--embedding', 'mood-embedding:.8'],
        ...['--control', 'canny-sd1x=potion.webp:0.7', '--control', 'depth=potion.webp', '--vae', 'soft-vae'],
        ...['--seed-image', 'potion.webp', '--mask', 'potion.webp'],
      );
      expect(ended).toMatchObject({ code: 0, stdout: 'more.png\n' });
      const file = (name: string) => expect.stringMatching(new RegExp(`server-models/${name}$`));
      expect(runtime.requests.at(-1)).toMatchObject({
        model: file('plain-sd1x'),
        promptWeighting: 'compel',
        loras: [
          { path: file('loras/pixel-lora-sd1x.safetensors'), weight: -0.5 },
          { path: file('loras/plain-lora.safetensors'), weight: 1 },
        ],
        embeddings: [{ path: file('embeddings/mood-embedding.safetensors'), weight: 0.8 }],
        controlNets: [
          { model: file('controlnet/canny-sd1x'), weight: 0.7 },
          { model: file('controlnet/depth'), weight: 1 },
        ],
        vae: file('vae/soft-vae.safetensors'),
        mask: expect.any(Uint8Array),
      });
    });

    test('enlarges a picture by its factor, or to a size', async () => {
      const { code, stdout, stderr } = await against('upscale', 'potion.webp', '-o', 'large.jpg', '--factor', '3');
      expect({ code, stdout }).toEqual({ code: 0, stdout: 'large.jpg\n' });
      expect(stderr).toContain('started, 4 steps');
      expect(stderr).not.toContain('seed');
      expect(await sharp(path.join(folder, 'large.jpg')).metadata()).toMatchObject({ format: 'jpeg', width: 384 });
      const named = await against('upscale', 'potion.webp', '--megapixels', '1', '--model', 'local:lanczos@1');
      expect(named).toMatchObject({ code: 0, stdout: 'potion-large.png\n' });
      expect(await sharp(path.join(folder, 'potion-large.png')).metadata()).toMatchObject({ width: 1000 });
    });

    test('hands on image prompts', async () => {
      const adapted = createFakeRuntime();
      await using other = await startTestServer({ runtime: adapted, describe: describeWithIpAdapter });
      const asked = ['generate', 'a fox', '-o', 'like.png', '--image-prompt', 'depth=potion.webp:-0.7'];
      expect(await start(asked, { LATENTWIRE_URL: other.url }).ended).toMatchObject({ code: 0, stdout: 'like.png\n' });
      const pictures = [{ width: 128, height: 128 }];
      expect(adapted.requests[0]!.imagePrompts).toMatchObject([{ weight: -0.7, pictures }]);
    });

    test('ends with 1 and the sentence of the server', async () => {
      const { code, stderr } = await against('generate', 'a fox', '--width', '100');
      expect(code).toBe(1);
      expect(stderr).toContain('width');
    });

    test('cancels the task on Ctrl-C', async () => {
      const { child, ended } = start(['generate', 'slow', '--steps', '100'], { LATENTWIRE_URL: server.url });
      child.stderr!.on('data', (text) => {
        if (String(text).includes('started')) child.kill('SIGINT');
      });
      expect(await ended).toMatchObject({ code: 130, stdout: '', stderr: expect.stringContaining('cancelled') });
      await expect.poll(() => runtime.aborted).toHaveLength(1);
    });

    test('lists the models', async () => {
      const { code, stdout } = await against('models');
      expect(code).toBe(0);
      expect(stdout).toMatch(/^test:small@1 +tiny +128×128 +4 steps$/m);
      expect(stdout).toMatch(/^local:broken@1 .*cannot be loaded: its weights are missing/m);
      expect(JSON.parse((await against('models', 'small', '--json')).stdout)).toHaveLength(1);
    });
  });

  describe('with the real runtime', () => {
    const env = () => ({
      LATENTWIRE_MODELS_DIR: path.join(root, 'test', 'fixtures', 'models'),
      LATENTWIRE_DEFAULT_MODEL: 'local:tiny-sd15@1',
      LATENTWIRE_DEVICE: 'cpu',
      LATENTWIRE_DATA_DIR: path.join(folder, 'data'),
    });

    test('serves until it is stopped', async () => {
      const { child, ended } = start(['serve', '--port', '0', '--log-level', 'error'], env());
      const url = await new Promise<string>((resolve, reject) => {
        child.stdout!.on('data', (text) => resolve(/http:\S+/.exec(String(text))![0]));
        ended.then(({ stderr }) => reject(new Error(stderr)));
      });
      const made = await run('generate', 'a red potion', '--url', url, '-o', 'real.png', '--steps', '2');
      expect(made).toMatchObject({ code: 0, stdout: 'real.png\n' });
      expect(await sharp(path.join(folder, 'real.png')).metadata()).toMatchObject({ width: 64, height: 64 });
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ code: 0, stderr: '' });
    });

    // Something may listen at the usual place of a developer's machine; then that would be asked instead.
    const usualPlaceTaken = fetch('http://127.0.0.1:7420/health').then(
      () => true,
      () => false,
    );
    test('starts a server for one call where none is running', async ({ skip }) => {
      if (await usualPlaceTaken) skip('a server is running on port 7420');
      const { ended } = start(['generate', 'a red potion', '-o', 'alone.jpg', '--steps', '2'], env());
      const { code, stdout, stderr } = await ended;
      expect({ code, stdout }).toEqual({ code: 0, stdout: 'alone.jpg\n' });
      expect(stderr).toContain('starting one for this call');
      expect(await sharp(path.join(folder, 'alone.jpg')).metadata()).toMatchObject({ format: 'jpeg' });
    });
  });
});
