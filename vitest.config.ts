import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Most tests start a runtime process of two threads each; more files at once only fight for the cores.
    maxWorkers: 2,
  },
});
