import { basename, extname } from 'node:path';
import { Adapters } from '../addons/loras.ts';
import { Cache } from '../cache.ts';
import { openCheckpoint, partFilesOf } from '../checkpoints/checkpoint.ts';
import { openImagePrompts } from '../checkpoints/imagePrompts.ts';
import { openPart } from '../checkpoints/part.ts';
import { openUpscaler } from '../checkpoints/upscaler.ts';
import type { ImagePromptKind } from '../families/family.ts';
import { networkOf } from '../families/index.ts';
import { fingerprint } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { writeTinyDecoder } from '../graphs/autoencoderTiny.ts';
import type { UpscalerSizes } from '../graphs/upscaler.ts';
import type { ModelParts, RunRequest } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Provider } from '../onnx/providers.ts';
import type { PreviewSource } from '../previews/index.ts';
import { type Embedding, readEmbedding } from '../text/embedding.ts';
import { LazyGraph, type LazyGraphOptions, unavailable } from './lazyGraph.ts';
import { bytesIn, Model } from './model.ts';
import { Residency, type ResidencyOptions, unlimited } from './residency.ts';

export interface ModelCacheOptions {
  provider: Provider;
  /** Called for each loaded network, for logs. */
  onLoaded: (path: string, component: string, loadingMs: number, bytes: number) => void;
  /** Told of each network that was closed to make room for others, for logs. */
  onClosed?: ((path: string, component: string) => void) | undefined;
  /** Default: no limit. */
  memory?: ResidencyOptions | undefined;
}

/** Number of cached embeddings; one takes up to 0.6 MB. */
const KEPT_EMBEDDINGS = 128;

/** Origin of a graph: the path of a model or part, and the name of the network. */
export interface Owner {
  path: string;
  component: string;
}

/** A separate autoencoder. */
export interface Vae {
  encoder: LazyGraph;
  decoder: LazyGraph;
  config: Record<string, unknown>;
}

/** Encoder and embedder of image prompts; see `openImagePrompts`. */
export interface ImagePromptNetworks {
  kind: ImagePromptKind;
  encoder: LazyGraph;
  embedder: LazyGraph;
  /** Tensors of the embedder. */
  tensors: StoredTensors;
  size: number;
  /** The same for the same encoder, and for the same embedder. */
  encoderKey: string;
  key: string;
}

/** A network that enlarges pictures. */
export interface UpscalerNetwork {
  network: LazyGraph;
  sizes: UpscalerSizes;
}

/** Cache limit in bytes for what encoders and adapters made of pictures: from 0.1 to 50 MB for one picture. */
const KEPT_PICTURE_BYTES = 256 * 2 ** 20;

/**
 * All open models and addons of a process, by path. They stay until the process ends or their files change; the next
 * run then reads them again.
 */
export class ModelCache {
  readonly adapters = new Adapters();
  readonly residency: Residency;
  /** What became of image prompts, by a key of everything that it depends on. */
  readonly pictures = new Cache<unknown>(KEPT_PICTURE_BYTES, bytesIn);
  private readonly options: ModelCacheOptions;
  private readonly models = new Kept<Promise<Model>>();
  private readonly controlNets = new Kept<LazyGraph>();
  private readonly vaes = new Kept<Promise<Vae>>();
  private readonly tinyDecoders = new Kept<LazyGraph>();
  private readonly imagePromptNetworks = new Kept<Promise<ImagePromptNetworks>>();
  private readonly upscalers = new Kept<Promise<UpscalerNetwork>>();
  private readonly imageEncoders = new Kept<LazyGraph>();
  private readonly embeddings = new Kept<Promise<Embedding>>(KEPT_EMBEDDINGS);
  private readonly owners = new WeakMap<Graph, Owner>();
  /** Current runs; each resolves at its end. */
  private readonly users = new Set<Promise<void>>();

  constructor(options: ModelCacheOptions) {
    this.options = options;
    this.residency = new Residency(options.memory ?? unlimited);
  }

  /** Counts a run as current during `work`. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.users.add(ended);
    try {
      return await work();
    } finally {
      this.users.delete(ended);
      end();
    }
  }

  /** The data of the model's files; loads no graph. @throws RuntimeError `modelUnavailable` with the reason */
  model(path: string, parts: ModelParts = {}): Promise<Model> {
    const files = partFilesOf(parts);
    const open = async () => {
      const checkpoint = await openCheckpoint(path, parts);
      return new Model(checkpoint, (name, connected) => this.network(path, name, connected));
    };
    // The same file with other parts is another model.
    return opened(this.models, [path, ...files].join('\n'), open, [path, ...files]);
  }

  controlNet(path: string): LazyGraph {
    return this.controlNets.of(path, () =>
      this.network(path, 'controlnet', {
        locate: () => openPart(path, 'controlNet'),
        write: ({ config, tensors }, form) => networkOf('controlNet', config._class_name)!.write(config, tensors, form),
      }),
    );
  }

  vae(path: string): Promise<Vae> {
    return opened(this.vaes, path, async () => {
      const part = await openPart(path, 'vae');
      const locate = async () => part;
      return {
        encoder: this.network(path, 'vae_encoder', {
          locate,
          write: ({ config, tensors }, form) =>
            networkOf('vae_encoder', config._class_name)!.write(config, tensors, form),
        }),
        decoder: this.network(path, 'vae_decoder', {
          locate,
          write: ({ config, tensors }, form) =>
            networkOf('vae_decoder', config._class_name)!.write(config, tensors, form),
        }),
        config: part.config,
      };
    });
  }

  tinyDecoder(path: string): LazyGraph {
    return this.tinyDecoders.of(path, () =>
      this.network(path, 'tiny_decoder', {
        locate: () => openPart(path, 'tinyVae'),
        write: ({ config, tensors }, form) => writeTinyDecoder(config, tensors, form),
      }),
    );
  }

  /** An image prompt model. Those with the same encoder share it. @throws RuntimeError `modelUnavailable` with the reason */
  imagePrompts(path: string): Promise<ImagePromptNetworks> {
    return opened(this.imagePromptNetworks, path, async () => {
      const { kind, encoder, embedder, size } = await openImagePrompts(path);
      const files = filesOf(encoder.tensors);
      const encoderKey = JSON.stringify([fingerprint(files), files, encoder.config]);
      const own = filesOf(embedder.tensors);
      return {
        kind,
        encoder: this.imageEncoders.of(
          encoderKey,
          () =>
            this.network(files[0]!, 'image_encoder', {
              locate: async () => encoder,
              write: ({ config, tensors }, form) => kind.writeEncoder(config, tensors, form),
            }),
          files,
        ),
        embedder: this.network(path, 'image_embedder', {
          locate: async () => embedder,
          write: ({ config, tensors }, form) => kind.writeEmbedder(config, tensors, form),
        }),
        tensors: embedder.tensors,
        size,
        encoderKey,
        key: JSON.stringify([fingerprint(own), own]),
      };
    });
  }

  /** @throws RuntimeError `modelUnavailable` with the reason */
  upscaler(path: string): Promise<UpscalerNetwork> {
    return opened(this.upscalers, path, async () => {
      const { source, sizes, write } = await openUpscaler(path);
      const network = this.network(path, 'upscaler', {
        locate: async () => source,
        write: ({ tensors }, form) => write(tensors, form),
      });
      return { network, sizes };
    });
  }

  embedding(path: string): Promise<Embedding> {
    return opened(this.embeddings, path, () => readEmbedding(path));
  }

  /**
   * The preview decoder of a request; undefined for a kind of run without latents.
   *
   * @throws RuntimeError `modelUnavailable` with the reason
   */
  async previewSource(request: RunRequest): Promise<PreviewSource | undefined> {
    if (request.kind === 'upscale') return undefined;
    const { model, parts, previews } = request;
    const latentRgb = await (await this.model(model, parts)).latentRgb();
    const path = previews?.tinyDecoder;
    return { latentRgb, tiny: path === undefined ? undefined : () => this.tinyDecoder(path).graph() };
  }

  /** Undefined for a graph that is not from this cache. */
  ownerOf(graph: Graph): Owner | undefined {
    return this.owners.get(graph);
  }

  private network(path: string, name: string, parts: Pick<LazyGraphOptions, 'locate' | 'write'>): LazyGraph {
    const { provider, onLoaded, onClosed } = this.options;
    return new LazyGraph({
      ...parts,
      name,
      label: `${basename(path, extname(path) === '.safetensors' ? '.safetensors' : '')}/${name}`,
      provider,
      onLoaded: (component, loadingMs, bytes, graph) => {
        this.owners.set(graph, { path, component });
        onLoaded(path, component, loadingMs, bytes);
      },
      onClosed: (component) => onClosed?.(path, component),
      whenUnused: () => (this.users.size <= 1 ? undefined : Promise.all(this.users)),
    });
  }
}

function filesOf(tensors: StoredTensors): string[] {
  return [...new Set([...tensors.values()].map(({ file }) => file))];
}

/** Values made from files, valid while the files do not change. */
export class Kept<V> {
  private readonly held: Cache<{ version: string; value: V }>;

  /** @param size - number of most recently used values to keep; default: all, until the process ends */
  constructor(size = Number.POSITIVE_INFINITY) {
    this.held = new Cache(size);
  }

  /** @param files - what it is made of; default: the one that `key` is the path of */
  of(key: string, make: () => V, files: readonly string[] = [key]): V {
    const version = fingerprint(files);
    const held = this.held.get(key);
    if (held?.version === version) return held.value;
    const value = make();
    this.held.set(key, { version, value });
    return value;
  }

  /** Removes a value, unless a newer one has replaced it. */
  forget(key: string, value: V): void {
    if (this.held.get(key)?.value === value) this.held.delete(key);
  }
}

/** The cached promise, or a new one; a failed one is removed, because its file may be repaired. */
export function opened<V>(
  kept: Kept<Promise<V>>,
  key: string,
  open: () => Promise<V>,
  files?: readonly string[],
): Promise<V> {
  const make = () => {
    const value = open().catch((error) => {
      // A slow failure may come after the file has changed and was opened again.
      kept.forget(key, value);
      throw unavailable(error);
    });
    return value;
  };
  return kept.of(key, make, files);
}
