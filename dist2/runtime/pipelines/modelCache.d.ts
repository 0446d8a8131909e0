import { Adapters } from '../addons/loras.ts';
import type { GenerateRequest } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Provider } from '../onnx/providers.ts';
import type { PreviewSource } from '../previews/index.ts';
import { type Embedding } from '../text/embedding.ts';
import { LazyGraph } from './lazyGraph.ts';
import { Model } from './model.ts';
export interface ModelCacheOptions {
  provider: Provider;
  /** Told of each network as it has been loaded, for logs. */
  onLoaded: (path: string, component: string, loadingMs: number, bytes: number) => void;
}
/** Where a graph comes from: the path of a model or a part, and the name of the network there. */
export interface Owner {
  path: string;
  component: string;
}
/** An autoencoder of its own. */
export interface Vae {
  encoder: LazyGraph;
  decoder: LazyGraph;
  config: Record<string, unknown>;
}
/**
 * All that a process has opened, by path: models, and what requests add to them. Nothing leaves but with the process, or
 * when its files have changed: the next run then reads them anew.
 */
export declare class ModelCache {
  readonly adapters: Adapters;
  private readonly options;
  private readonly models;
  private readonly controlNets;
  private readonly vaes;
  private readonly tinyDecoders;
  private readonly embeddings;
  private readonly owners;
  /** Runs under way; each resolves when it has ended. */
  private readonly users;
  constructor(options: ModelCacheOptions);
  /** Counts a run as under way while `work` lasts. */
  use<T>(work: () => Promise<T>): Promise<T>;
  /** What the model's files say; no graph is loaded. @throws RuntimeError `modelUnavailable` with the reason */
  model(path: string): Promise<Model>;
  controlNet(path: string): LazyGraph;
  vae(path: string): Promise<Vae>;
  tinyDecoder(path: string): LazyGraph;
  embedding(path: string): Promise<Embedding>;
  /** What previews of a request are made from. @throws RuntimeError `modelUnavailable` with the reason */
  previewSource({ model, previews }: GenerateRequest): Promise<PreviewSource>;
  /** Undefined for a graph that this cache did not load. */
  ownerOf(graph: Graph): Owner | undefined;
  private network;
}
/** What was made of files, as long as they do not change. */
export declare class Kept<V> {
  private readonly held;
  /** @param size - values that are kept, those used last; default: all, until the process ends */
  constructor(size?: number);
  of(path: string, make: () => V): V;
  /** Forgets a value, unless a newer one has taken its place. */
  forget(path: string, value: V): void;
}
/** The held promise, or a new one; one that fails is forgotten, as its file may be mended before the next try. */
export declare function opened<V>(kept: Kept<Promise<V>>, path: string, open: () => Promise<V>): Promise<V>;
