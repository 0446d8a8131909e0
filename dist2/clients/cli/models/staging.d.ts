export interface Staging extends AsyncDisposable {
  /** Absolute, and there. */
  readonly folder: string;
}
/** A staging of this process alone, which goes with it. */
export declare function openStaging(modelsDir: string): Promise<Staging>;
/** A staging in which what has come is left for the next call with the same key. */
export declare function openKeptStaging(modelsDir: string, key: string): Promise<Staging>;
/** Whether another process than this one has that id. */
export declare function isRunning(pid: number): boolean;
/** What the runtime looks for beside a single file, by what follows the file's name without `.safetensors`. */
export declare const companions: string[];
/** Refuses a name that is taken, by a model or by anything else, under the spelling of either layout. */
export declare function checkFree(modelsDir: string, name: string): Promise<void>;
/** A name is one part of a path, on every system, and not hidden. */
export declare function checkName(name: string): void;
/** @param needed - bytes that are still to be written there */
export declare function checkSpace(folder: string, needed: number): Promise<void>;
/** Moves finished things out of the staging to their names: [from, to]. All or none. */
export declare function settle(moves: readonly (readonly [from: string, to: string])[]): Promise<void>;
