import { type ChildProcess } from 'node:child_process';
import type { FromRuntime, ToRuntime } from '../messages.ts';
import type { Run } from './run.ts';
/** That a process fails every call, as a run showed. */
export interface Broken {
  run: Run;
  reason: string;
  /** Whether it may be the model's doing: the provider itself is gone, not only this model's calls fail. */
  blamesModel: boolean;
}
/** A process that holds models, from its start to its end. */
export interface RuntimeProcess {
  process: ChildProcess;
  ready: boolean;
  /** Why it could not start its provider. */
  unready?: string;
  /** Folders and files of the runs it was given: it may hold some or all of each. */
  touched: Set<string>;
  /** Those of them that are models. */
  touchedModels: Set<string>;
  /** Models it said it holds. */
  loaded: Set<string>;
  /** Runs it finished. */
  finished: number;
  /** When it was started, by `performance.now()`. */
  begunAt: number;
  /** Milliseconds from then until it was ready. */
  startMs: number;
  /** It fails every call, and is killed for it. */
  broken?: Broken;
  /** It was asked to leave; its exit is no loss. */
  dismissed: boolean;
  /** Resolves when it has ended and all that it said was read. */
  gone: Promise<void>;
}
/** What is to be known of a process. */
export interface Listeners {
  said: (message: FromRuntime) => void;
  /** Called once, after the last message. */
  ended: (code: number | null, signal: NodeJS.Signals | null) => void;
  log: (message: string, fields: object) => void;
}
/** Starts a process. Nothing is told before this returns. */
export declare function startProcess(program: string, { said, ended, log }: Listeners): RuntimeProcess;
export declare function send(child: RuntimeProcess, message: ToRuntime): void;
/** Asks an idle process to leave and waits until it has; closing its channel is the request. */
export declare function dismiss(child: RuntimeProcess): Promise<void>;
/** Takes back that files may be held, where none was told to be. */
export declare function forget(child: RuntimeProcess, files: readonly string[]): void;
/** `Promise.withResolvers`, which Node 20 lacks. */
export declare function deferred(): {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: Error) => void;
};
/** The runtime's process as it was built; Node 20 cannot run the sources. */
export declare function ownProgram(): string;
/** The folder of this package. Sources and built files lie at different depths, so it is looked for. */
export declare function packageRoot(): string;
