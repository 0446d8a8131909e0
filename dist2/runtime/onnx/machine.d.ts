import type { Provider } from './providers.ts';
/**
 * What computes here, in words: another text where measured times do not hold, such as after an update of onnxruntime or
 * on another machine with the same disk. onnxruntime does not tell which GPU it took, so all that Linux lists are named.
 */
export declare function machineOf({ name, deviceId, threads }: Provider): string;
