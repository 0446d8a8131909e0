/** What computes, by name. No native code is reached from here, so an option is checked before any process starts. */
/** Names of providers as onnxruntime has them, in the order `auto` prefers them; cpu is last and always starts. */
declare const names: readonly ['cuda', 'webgpu', 'coreml', 'dml', 'cpu'];
export type ProviderName = (typeof names)[number];
export interface Device {
  name: ProviderName | 'auto';
  /** Which of several GPUs; absent: the first. */
  deviceId?: number;
}
/** The device asked for does not exist, or does not start here; the message lists those that do. */
export declare class ProviderError extends Error {
  readonly name = 'ProviderError';
}
/** Names of all providers there are, in the order `auto` prefers them. */
export declare function providerNames(): ProviderName[];
/**
 * Reads `cuda`, `cuda:1`, `cpu` or `auto`, in any case.
 *
 * @throws {ProviderError} with a sentence that lists the names there are
 */
export declare function parseDevice(text: string): Device;
/** A device as it is written, in one way only: `cuda:0` is `cuda`. */
export declare function deviceText({ name, deviceId }: Device): string;
/**
 * Checks devices that compute side by side, one process each.
 *
 * @throws {ProviderError} when there is none, one does not exist, or a GPU is named twice; only `cpu` may be
 */
export declare function checkDevices(texts: readonly string[]): void;
