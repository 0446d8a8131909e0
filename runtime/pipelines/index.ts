/** The kinds of runs. */
import type { RunRequest } from '../messages.ts';
import type { Run } from '../run.ts';
import { generate } from './generate.ts';
import type { ModelCache } from './modelCache.ts';
import type { RunOptions } from './residency.ts';
import { upscale } from './upscale.ts';

type Kind = NonNullable<RunRequest['kind']>;

const runs = { generate, upscale } satisfies {
  [Name in Kind]: (modelCache: ModelCache, request: Extract<RunRequest, { kind?: Name }>, options?: RunOptions) => Run;
};

/** The run of a request, by its kind. */
export function startRun(modelCache: ModelCache, request: RunRequest, options?: RunOptions): Run {
  // Each takes exactly the requests of its kind, which the compiler cannot infer from an index.
  const run = runs[request.kind ?? 'generate'] as (cache: ModelCache, request: RunRequest, options?: RunOptions) => Run;
  return run(modelCache, request, options);
}
