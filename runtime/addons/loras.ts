import { Cache } from '../cache.ts';
import { RuntimeError } from '../errors.ts';
import type { ModelConfigs } from '../families/family.ts';
import { fingerprint } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import type { WeightedFile } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Row } from '../run.ts';
import {
  adapterFeeds,
  adaptersNeeded,
  type Lora,
  type LoraLayer,
  type LoraModules,
  modulesOf,
  readLora,
  takesLayer,
} from './lora.ts';
import { type LoraComponent, loraComponents } from './loraKeys.ts';

/** A model whose networks LoRAs change. */
export interface LoraModel {
  configs: ModelConfigs & { readonly path: string; readonly partFiles?: readonly string[] };
  source(component: LoraComponent): Promise<ComponentWeights>;
}

/** Weights in a graph that was exported cannot be changed. */
type ComponentWeights = { kind: 'onnx' } | { kind: 'safetensors'; tensors: StoredTensors };

/** Bytes of LoRAs that are kept as they were read; a run goes on with its own when they are dropped. */
const KEPT_BYTES = 512 * 2 ** 20;

/** Bytes of inputs kept for each graph: dragging the weight of a LoRA makes new ones each time. */
const KEPT_FEED_BYTES = 256 * 2 ** 20;

/** What LoRAs need of a graph: inputs for no layers, for linear ones or for all, and for what is no product of matrices. */
export interface LoraFeatures {
  adapters: 'none' | 'linear' | 'all';
  vectors: boolean;
}

/** The LoRAs of one request, read and matched to its model. */
export interface ActiveLoras {
  /** The same for the same files and weights. */
  key: string;
  loras: readonly { lora: Lora; weight: number }[];
}

/** LoRAs that were read, and what graphs are fed to apply them. */
export class Adapters {
  private readonly read: Cache<Lora>;
  private readonly reading = new Map<string, Promise<Lora>>();
  private readonly feeds = new WeakMap<Graph, Cache<Row>>();

  /** @param keptBytes - LoRAs used last that are kept, in bytes of their weights; default 512 MiB */
  constructor(keptBytes = KEPT_BYTES) {
    this.read = new Cache(keptBytes, bytesOfLora);
  }

  /** Bytes of the LoRAs that are kept. */
  get keptBytes(): number {
    return this.read.total;
  }

  /** Reads the LoRAs of a request. @throws RuntimeError `invalidParameter` (`loras`) where one does not fit the model */
  async open(model: LoraModel, files: readonly WeightedFile[]): Promise<ActiveLoras> {
    const loras = [];
    for (const { path, weight } of files) loras.push({ lora: await this.lora(model, path), weight });
    return { key: JSON.stringify([files, fingerprint(files.map(({ path }) => path))]), loras };
  }

  /** What LoRAs need of the graph of a network. */
  features(active: ActiveLoras, component: LoraComponent): LoraFeatures {
    const needed: LoraFeatures = { adapters: 'none', vectors: false };
    for (const { lora } of active.loras) {
      const layers = lora.layers[component];
      if (layers.size === 0) continue;
      const { adapters, vectors } = adaptersNeeded(layers);
      if (needed.adapters !== 'all') needed.adapters = adapters;
      needed.vectors ||= vectors;
    }
    return needed;
  }

  /**
   * The adapter inputs of a graph, undefined where it has none. The same object for the same LoRAs, so that runs can share
   * a call.
   *
   * @param part - whether the graph is a part of the component, so that LoRAs may act on layers that it has not
   */
  row(graph: Graph, component: LoraComponent, active: ActiveLoras, part = false): Row | undefined {
    if (!graph.inputs.some(({ name }) => name.endsWith('.lora_down'))) return undefined;
    let kept = this.feeds.get(graph);
    if (!kept) {
      kept = new Cache(KEPT_FEED_BYTES, bytesOfRow);
      this.feeds.set(graph, kept);
    }
    const acting = active.loras.filter(({ lora }) => lora.layers[component].size > 0);
    const key = acting.length === 0 ? '' : active.key;
    let row: Row | undefined = kept.get(key);
    if (!row) {
      row = adapterFeeds(
        graph.inputs,
        acting.map(({ lora, weight }) => {
          const layers = lora.layers[component];
          return { layers: part ? layersOf(graph, layers) : layers, weight };
        }),
      );
      kept.set(key, row);
    }
    return row;
  }

  private async lora(model: LoraModel, path: string): Promise<Lora> {
    const { path: own, partFiles = [] } = model.configs;
    const key = `${own}|${fingerprint([own, ...partFiles, path])}`;
    const lora = this.read.get(key);
    if (lora) return lora;
    let reading = this.reading.get(key);
    if (!reading) {
      reading = this.readFor(model, path);
      this.reading.set(key, reading);
      const done = () => this.reading.delete(key);
      reading.then((read) => this.read.set(key, read)).then(done, done);
    }
    return reading;
  }

  private async readFor(model: LoraModel, path: string): Promise<Lora> {
    const { family, configs, components } = model.configs;
    const modules: Record<LoraComponent, LoraModules> = {
      denoiser: [],
      text_encoder: [],
      text_encoder_2: [],
      text_encoder_3: [],
    };
    for (const component of loraComponents) {
      if (!components.includes(component)) continue;
      const source = await model.source(component);
      if (source.kind === 'onnx') {
        throw new RuntimeError(
          'unsupportedParameter',
          'This model was exported to ONNX, whose graph has no inputs for LoRAs. Use its safetensors folder.',
          { parameter: 'loras' },
        );
      }
      modules[component] = [...modulesOf(source.tensors)];
    }
    const aliases = family.loraAliases?.(configs.denoiser) ?? (() => []);
    try {
      return await readLora(path, modules, { folder: family.denoiserFolder, aliases });
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new RuntimeError('invalidParameter', message, { parameter: 'loras', cause });
    }
  }
}

function layersOf(graph: Graph, layers: ReadonlyMap<string, LoraLayer>): ReadonlyMap<string, LoraLayer> {
  return new Map([...layers].filter(([module]) => takesLayer((input) => graph.takes(input), module)));
}

function bytesOfLora({ layers }: Lora): number {
  let bytes = 0;
  for (const ofComponent of Object.values(layers)) {
    for (const layer of ofComponent.values()) {
      for (const part of Object.values(layer)) if (ArrayBuffer.isView(part)) bytes += part.byteLength;
    }
  }
  return bytes;
}

function bytesOfRow(row: Row): number {
  return Object.values(row).reduce((sum, { data }) => sum + data.byteLength, 0);
}
