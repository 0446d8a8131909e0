import type { Clock } from './clock.ts';
/**
 * Takes a data folder for this server alone: two that sweep, evict and calibrate in one folder would undo each other's work.
 * A holder that died, by `kill -9` too, holds nothing. Throws an Error where another server has the folder.
 */
export declare function lockDataFolder(folder: string, clock: Clock): Promise<AsyncDisposable>;
