import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { Batcher } from '../../runtime/batcher.ts';
import type { GenerateRequest, Pixels, RunEvent } from '../../runtime/index.ts';
import { generate } from '../../runtime/pipelines/generate.ts';
import { ModelCache } from '../../runtime/pipelines/modelCache.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';
import { drawn, openModels, readPixels } from '../helpers/trajectories.ts';

const klein = join(modelsFolder, 'tiny-flux2-klein');
const zImage = join(modelsFolder, 'tiny-z-image');
const request = (changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  model: klein,
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 2,
  guidanceScale: 1,
  seed: 7n,
  ...changes,
});

/** What each network takes in memory, by its place. */
const held = new Map<string, number>();

/** Models of a process with so much memory, of which only weights take any. */
class Limited {
  readonly models: ModelCache;
  /** What was loaded (`+`) and closed (`-`), in order. */
  readonly changes: string[] = [];
  /** What all open networks took at most. */
  mostBytes = 0;
  private readonly open = new Set<string>();

  constructor(limitBytes: number) {
    this.models = new ModelCache({
      provider: cpu,
      memory: { limitBytes, usedBytes: () => this.usedBytes },
      onLoaded: (path, name) => {
        this.changes.push(`+${name}`);
        this.open.add(join(path, name));
        this.mostBytes = Math.max(this.mostBytes, this.usedBytes);
      },
      onClosed: (path, name) => {
        this.changes.push(`-${name}`);
        this.open.delete(join(path, name));
      },
    });
  }

  private get usedBytes(): number {
    return [...this.open].reduce((sum, network) => sum + held.get(network)!, 0);
  }
}

interface Started {
  pixels: Promise<Pixels>;
  events: RunEvent[];
  cancel: () => void;
}

function start(batcher: Batcher, { models }: Limited, asked: GenerateRequest, onEvent?: (event: RunEvent) => void) {
  const controller = new AbortController();
  const { signal } = controller;
  const events: RunEvent[] = [];
  const emit = async (event: RunEvent) => {
    events.push(event);
    onEvent?.(event);
  };
  const pixels = batcher.drive({ run: generate(models, asked, { signal }), signal, emit }).then(() => {
    const last = events.at(-1);
    if (last?.type !== 'finished') throw new Error('The run has not finished.');
    return last.pixels;
  });
  return { pixels, events, cancel: () => controller.abort(new Error('cancelled')) } satisfies Started;
}

/** Bytes of all networks of the model that a prompt needs, and of the largest and the smallest of them. */
let [all, largest, smallest] = [0, 0, 0];
let expected: Pixels;
beforeAll(async () => {
  const models = openModels();
  expected = await drawn(models, request());
  for (const path of [klein, zImage]) {
    const model = await models.model(path);
    for (const component of model.configs.components) {
      const network = model.network(component);
      held.set(join(path, network.name), await network.heldBytes());
    }
  }
  const sizes = ['text_encoder', 'transformer', 'vae_decoder'].map((name) => held.get(join(klein, name))!);
  all = sizes.reduce((sum, size) => sum + size, 0);
  largest = Math.max(...sizes, held.get(join(klein, 'vae_encoder'))!);
  smallest = Math.min(...sizes);
});

test('networks that fit together stay in memory, and each is loaded once', async () => {
  const limited = new Limited(all);
  await drawn(limited.models, request());
  await drawn(limited.models, request({ prompt: 'a green hill' }));
  expect(limited.changes).toEqual(['+text_encoder', '+transformer', '+vae_decoder']);
});

test('networks that do not fit together are in memory one after the other, and the picture is the same', async () => {
  const limited = new Limited(largest);
  expect(await drawn(limited.models, request())).toEqual(expected);
  expect(limited.changes).toEqual(['+text_encoder', '-text_encoder', '+transformer', '-transformer', '+vae_decoder']);
  expect(limited.mostBytes).toBe(largest);
});

test('a prompt that was read before needs no text encoder', async () => {
  const limited = new Limited(largest);
  await drawn(limited.models, request());
  limited.changes.length = 0;
  await drawn(limited.models, request({ seed: 8n }));
  expect(limited.changes).toEqual(['-vae_decoder', '+transformer', '-transformer', '+vae_decoder']);
});

test('only as much is closed as the next network needs', async () => {
  const limited = new Limited(all - smallest);
  expect(await drawn(limited.models, request())).toEqual(expected);
  expect(limited.changes).toEqual(['+text_encoder', '+transformer', '-text_encoder', '+vae_decoder']);
});

test('reference pictures are encoded before the denoiser is loaded', async () => {
  const references = [await readPixels('tiny-flux2-klein-reference-1.png')];
  const shown = await drawn(openModels(), request({ references }));
  const limited = new Limited(largest);
  expect(await drawn(limited.models, request({ references }))).toEqual(shown);
  expect(limited.changes.filter((change) => change.startsWith('+'))).toEqual([
    '+text_encoder',
    '+vae_encoder',
    '+transformer',
    '+vae_decoder',
  ]);
});

test('networks of another model leave for those that are needed', async () => {
  const limited = new Limited(all);
  await drawn(limited.models, request({ model: zImage }));
  limited.changes.length = 0;
  expect(await drawn(limited.models, request())).toEqual(expected);
  expect(limited.changes).toEqual(['-vae_decoder', '+text_encoder', '+transformer', '+vae_decoder']);
});

test('a network that is larger than the limit is loaded where nothing else is held', async () => {
  const limited = new Limited(1);
  expect(await drawn(limited.models, request())).toEqual(expected);
});

test('runs beside each other wait for memory that another holds, and all of them finish', async () => {
  const limited = new Limited(largest);
  const batcher = new Batcher({ rowsPerCall: 2 });
  const prompts = ['a red potion', 'a green hill', 'a red potion', 'a blue lake'];
  const runs = prompts.map((prompt) => start(batcher, limited, request({ prompt })));
  const pictures = await Promise.all(runs.map(({ pixels }) => pixels));
  expect(pictures[0]).toEqual(expected);
  expect(pictures[2]).toEqual(expected);
  expect(pictures[1]).not.toEqual(expected);
  expect(limited.mostBytes).toBe(largest);
});

test('a run that is cancelled while it waits for memory ends at once, and the next gets its turn', async () => {
  const limited = new Limited(largest);
  const batcher = new Batcher({ rowsPerCall: 2 });
  let onStep = () => {};
  const stepped = new Promise<void>((resolve) => (onStep = resolve));
  const first = start(batcher, limited, request({ steps: 50 }), ({ type }) => type === 'stepped' && onStep());
  await stepped;
  const second = start(batcher, limited, request({ prompt: 'a green hill' }));
  const third = start(batcher, limited, request({ prompt: 'a blue lake' }));
  // It has begun, and so waits for the text encoder.
  await expect.poll(() => second.events.length).toBeGreaterThan(1);
  second.cancel();
  await expect(second.pixels).rejects.toThrow('cancelled');
  expect(first.events.at(-1)!.type).not.toBe('finished');
  first.cancel();
  await expect(first.pixels).rejects.toThrow('cancelled');
  expect(await third.pixels).toMatchObject({ width: 64, height: 64 });
});

test('a run that fails gives its memory to others', async () => {
  const limited = new Limited(largest);
  // The family refuses it when it reads the prompt, and the run holds the text encoder by then.
  await expect(drawn(limited.models, request({ promptWeighting: 'compel', prompt: '(a)++' }))).rejects.toThrow(
    'without weights',
  );
  expect(await drawn(limited.models, request())).toEqual(expected);
});
