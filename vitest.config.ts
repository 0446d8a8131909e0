import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest, of all that there are: the last ones to run should be short, or one worker waits for the other. */
const longest = [
  'runtime/together',
  'runtime/supervisor',
  'clients/cliModels',
  'runtime/memory',
  'firstLight',
  'ownModels',
  'clients/playground',
  'readme',
  'server/dropsOfClients',
  'runtime/loraKinds',
  'runtime/lora',
  'runtime/deepCache',
  'clients/playgroundGallery',
  'clients/cli',
  'clients/cliPull',
  'runtime/loading',
  'attacks/models',
  'runtime/diffusion',
  'runtime/brokenProcess',
  'runtime/singleFile',
  'server/interleavings',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = longest.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return place < 0 ? longest.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    globalSetup: ['test/packedFixtures.mjs'],
    setupFiles: ['test/setup.ts'],
    projects: [
      {
        extends: true,
        // A process looks for GPUs once, and a test in it before may have looked without the software device.
        test: { name: 'webgpu', include: ['test/webgpu/**/*.test.ts'], isolate: true },
      },
      {
        extends: true,
        // A worker loads onnxruntime, sharp and our own modules once and not for each file: that was a third of all work.
        test: { name: 'all', include: ['test/**/*.test.ts'], exclude: ['test/webgpu/**'], isolate: false },
      },
    ],
    // Nothing is expected within a time: these say when to give up, on a machine that is slow and busy besides.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    // One more than the cores of a small machine: many tests wait for a deadline, a pause or a link that falls silent.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
  },
});
