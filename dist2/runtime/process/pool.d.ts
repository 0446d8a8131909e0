import { type Clock } from './clock.ts';
import type { Runtime, RuntimeOptions } from './runtime.ts';
/**
 * Starts a process for each device at once; `ready()` tells whether all providers came up.
 *
 * @param program - what a process runs; another one than the package's speaks the messages of messages.ts too
 * @param clock - by which runs are timed and waits end; default: the machine's
 * @throws ProviderError when one of several devices does not exist, or a GPU is named twice
 */
export declare function startRuntime(options: RuntimeOptions, program?: string, clock?: Clock): Runtime;
