import type { Component } from '../../runtime/families/family.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import type { Provider } from '../../runtime/onnx/providers.ts';
/**
 * Loads one component of a model, a folder or a single file, by itself and in its plainest form: what the runtime does
 * with `LazyGraph`, without the inputs that its runs may need.
 *
 * @throws {ModelError} naming the part and the reason, or onnxruntime's own complaint
 */
export declare function openComponent(path: string, component: Component, provider: Provider): Promise<Graph>;
