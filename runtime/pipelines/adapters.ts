import { fingerprint } from '../checkpoints/files.ts';
import {
  adapterFeeds,
  adaptersNeeded,
  type Lora,
  type LoraLayer,
  type LoraModules,
  modulesOf,
  readLora,
} from '../checkpoints/lora.ts';
import { RuntimeError } from '../errors.ts';
import type { WeightedFile } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import { Cache } from '../text/cache.ts';
import type { Model } from './model.ts';
import type { Form } from './network.ts';
import type { Row } from './run.ts';

/** Networks that LoRAs act on. */
const adapted = ['unet', 'text_encoder', 'text_encoder_2'] as const;
export type Adapted = (typeof adapted)[number];

/** Inputs kept for each graph: dragging the weight of a LoRA makes new ones each time. */
const KEPT_FEEDS = 4;

/** The LoRAs of one request, read and matched to its model. */
export interface ActiveLoras {
  /** The same for the same files and weights. */
  key: string;
  loras: readonly { lora: Lora; weight: number }[];
}

/** LoRAs that were read, and what graphs are fed to apply them. */
export class Adapters {
  private readonly read = new Map<string, Promise<Lora>>();
  private readonly feeds = new WeakMap<Graph, Cache<Row>>();

  /** Reads the LoRAs of a request. @throws RuntimeError `invalidParameter` (`loras`) where one does not fit the model */
  async open(model: Model, files: readonly WeightedFile[]): Promise<ActiveLoras> {
    const loras = [];
    for (const { path, weight } of files) loras.push({ lora: await this.lora(model, path), weight });
    return { key: JSON.stringify([files, fingerprint(files.map(({ path }) => path))]), loras };
  }

  /** The form of a network that LoRAs need. */
  form(active: ActiveLoras, component: Adapted): NonNullable<Form['adapters']> {
    let needed: NonNullable<Form['adapters']> = 'none';
    for (const { lora } of active.loras) {
      const layers = lora.layers[component];
      if (layers.size === 0 || needed === 'all') continue;
      needed = adaptersNeeded(layers);
    }
    return needed;
  }

  /**
   * The adapter inputs of a graph, undefined where it has none. The same object for the same LoRAs, so that runs can share
   * a call.
   *
   * @param part - whether the graph is a part of the component, so that LoRAs may act on layers that it has not
   */
  row(graph: Graph, component: Adapted, active: ActiveLoras, part = false): Row | undefined {
    if (!graph.inputs.some(({ name }) => name.endsWith('.lora_down'))) return undefined;
    let kept = this.feeds.get(graph);
    if (!kept) {
      kept = new Cache(KEPT_FEEDS);
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

  private lora(model: Model, path: string): Promise<Lora> {
    const key = `${model.configs.path}|${fingerprint([model.configs.path, path])}`;
    let lora = this.read.get(key);
    if (!lora) {
      lora = this.readFor(model, path);
      this.read.set(key, lora);
      lora.catch(() => this.read.delete(key));
    }
    return lora;
  }

  private async readFor(model: Model, path: string): Promise<Lora> {
    const modules: Record<Adapted, LoraModules> = { unet: [], text_encoder: [], text_encoder_2: [] };
    for (const component of adapted) {
      if (!model.configs.components.includes(component)) continue;
      const source = await model.network(component).located();
      if (source.kind === 'onnx') {
        throw new RuntimeError(
          'unsupportedParameter',
          'This model was exported to ONNX, which leaves LoRAs no place; its safetensors folder takes them.',
          { parameter: 'loras' },
        );
      }
      modules[component] = [...modulesOf(source.tensors)];
    }
    try {
      return await readLora(path, modules, model.configs.unet);
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new RuntimeError('invalidParameter', message, { parameter: 'loras', cause });
    }
  }
}

function layersOf(graph: Graph, layers: ReadonlyMap<string, LoraLayer>): ReadonlyMap<string, LoraLayer> {
  return new Map([...layers].filter(([module]) => graph.takes(`${module}.lora_down`)));
}
