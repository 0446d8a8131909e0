import { type ModelDescription } from '../checkpoints/describe.ts';
import { type Clock } from './clock.ts';
/** To the describing process, one at a time. */
export interface ToDescribe {
  id: number;
  path: string;
}
/** Its answer. */
export interface Described {
  id: number;
  model: ModelDescription;
}
export interface DescriberOptions {
  /** Milliseconds that reading one folder or file may take, before it is called unavailable; default 10,000. */
  limitMs?: number;
  /** Milliseconds without work after which the process ends; default 10,000. */
  restMs?: number;
  /** Default: the machine's. */
  clock?: Clock;
}
export interface Describer extends AsyncDisposable {
  /**
   * Says what a folder or file holds, as `describeModel` does, in a process of its own: the caller's event loop goes on, and
   * files that take the process down or too long to read are unavailable with that as the reason. Never rejects.
   *
   * @param path - absolute
   */
  describe(path: string): Promise<ModelDescription>;
  /** Ends the process; what is still to be described is unavailable. */
  close(): Promise<void>;
}
/** @param program - what the process runs; default: the package's own */
export declare function startDescriber(options?: DescriberOptions, program?: string): Describer;
