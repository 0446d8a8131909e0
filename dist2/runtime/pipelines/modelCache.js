import { basename, extname } from 'node:path';
import { Adapters } from '../addons/loras.js';
import { Cache } from '../cache.js';
import { openCheckpoint } from '../checkpoints/checkpoint.js';
import { openPart } from '../checkpoints/part.js';
import { networkOf } from '../families/index.js';
import { fingerprint } from '../files/reading.js';
import { writeTinyDecoder } from '../graphs/autoencoderTiny.js';
import { readEmbedding } from '../text/embedding.js';
import { LazyGraph, unavailable } from './lazyGraph.js';
import { Model } from './model.js';

/** Embeddings kept as they were read; one takes up to 0.6 MB. */
const KEPT_EMBEDDINGS = 128;
/**
 * All that a process has opened, by path: models, and what requests add to them. Nothing leaves but with the process, or
 * when its files have changed: the next run then reads them anew.
 */
export class ModelCache {
  adapters = new Adapters();
  options;
  models = new Kept();
  controlNets = new Kept();
  vaes = new Kept();
  tinyDecoders = new Kept();
  embeddings = new Kept(KEPT_EMBEDDINGS);
  owners = new WeakMap();
  /** Runs under way; each resolves when it has ended. */
  users = new Set();
  constructor(options) {
    this.options = options;
  }
  /** Counts a run as under way while `work` lasts. */
  async use(work) {
    let end = () => {};
    const ended = new Promise((resolve) => {
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
  /** What the model's files say; no graph is loaded. @throws RuntimeError `modelUnavailable` with the reason */
  model(path) {
    return opened(this.models, path, async () => {
      const checkpoint = await openCheckpoint(path);
      return new Model(checkpoint, (name, parts) => this.network(path, name, parts));
    });
  }
  controlNet(path) {
    return this.controlNets.of(path, () =>
      this.network(path, 'controlnet', {
        locate: () => openPart(path, 'controlNet'),
        write: ({ config, tensors }, form) => networkOf('controlNet', config._class_name).write(config, tensors, form),
      }),
    );
  }
  vae(path) {
    return opened(this.vaes, path, async () => {
      const part = await openPart(path, 'vae');
      const locate = async () => part;
      return {
        encoder: this.network(path, 'vae_encoder', {
          locate,
          write: ({ config, tensors }, form) =>
            networkOf('vae_encoder', config._class_name).write(config, tensors, form),
        }),
        decoder: this.network(path, 'vae_decoder', {
          locate,
          write: ({ config, tensors }, form) =>
            networkOf('vae_decoder', config._class_name).write(config, tensors, form),
        }),
        config: part.config,
      };
    });
  }
  tinyDecoder(path) {
    return this.tinyDecoders.of(path, () =>
      this.network(path, 'tiny_decoder', {
        locate: () => openPart(path, 'tinyVae'),
        write: ({ config, tensors }, form) => writeTinyDecoder(config, tensors, form),
      }),
    );
  }
  embedding(path) {
    return opened(this.embeddings, path, () => readEmbedding(path));
  }
  /** What previews of a request are made from. @throws RuntimeError `modelUnavailable` with the reason */
  async previewSource({ model, previews }) {
    const { latentRgb } = await this.model(model);
    const path = previews?.tinyDecoder;
    return { latentRgb, tiny: path === undefined ? undefined : () => this.tinyDecoder(path).graph() };
  }
  /** Undefined for a graph that this cache did not load. */
  ownerOf(graph) {
    return this.owners.get(graph);
  }
  network(path, name, parts) {
    const { provider, onLoaded } = this.options;
    return new LazyGraph({
      ...parts,
      name,
      label: `${basename(path, extname(path) === '.safetensors' ? '.safetensors' : '')}/${name}`,
      provider,
      onLoaded: (component, loadingMs, bytes, graph) => {
        this.owners.set(graph, { path, component });
        onLoaded(path, component, loadingMs, bytes);
      },
      whenUnused: () => (this.users.size <= 1 ? undefined : Promise.all(this.users)),
    });
  }
}
/** What was made of files, as long as they do not change. */
export class Kept {
  held;
  /** @param size - values that are kept, those used last; default: all, until the process ends */
  constructor(size = Number.POSITIVE_INFINITY) {
    this.held = new Cache(size);
  }
  of(path, make) {
    const version = fingerprint([path]);
    const held = this.held.get(path);
    if (held?.version === version) return held.value;
    const value = make();
    this.held.set(path, { version, value });
    return value;
  }
  /** Forgets a value, unless a newer one has taken its place. */
  forget(path, value) {
    if (this.held.get(path)?.value === value) this.held.delete(path);
  }
}
/** The held promise, or a new one; one that fails is forgotten, as its file may be mended before the next try. */
export function opened(kept, path, open) {
  return kept.of(path, () => {
    const value = open().catch((error) => {
      // A slow failure may come after the file has changed and was opened anew.
      kept.forget(path, value);
      throw unavailable(error);
    });
    return value;
  });
}
//# sourceMappingURL=modelCache.js.map
