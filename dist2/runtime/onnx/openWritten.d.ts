import type { GraphForm, Written } from '../graphs/builder.ts';
import type { Graph } from './graph.ts';
import type { Provider } from './providers.ts';
/** How graphs are written for a provider. */
export declare function formOn(provider: Provider): GraphForm;
/**
 * Opens a graph that was written here over its safetensors files.
 *
 * onnxruntime is told the folder of the files and maps them. Large weights in float32 are not copied at all on the CPU: the
 * graph opens in half a second whatever its size, the weights are read from the disk as the first step asks for them, and
 * the system shares them between processes and drops them when memory is short. Nothing is kept on disk: writing the
 * graph again takes a tenth of a second.
 *
 * Weights of 16 bits are cast in the graph, once, while it is opened: for a UNet of 860 million weights that takes 3 s, and
 * peaks at 1.05 of what they take in float32. A converted file in a cache would spare these 3 s at each start for 3.4 GB
 * of disk a model; casting anew in each step would hold no less, as onnxruntime keeps the buffers it casts into.
 *
 * While it is open the files may be deleted or replaced by new ones (the old bytes stay until the process ends), but not
 * cut short in place: the system ends a process that reads mapped bytes which are no longer there.
 *
 * @throws {ModelError} when a file is not the one whose header the graph was written from
 */
export declare function openWritten(written: Written, label: string, provider: Provider): Promise<Graph>;
