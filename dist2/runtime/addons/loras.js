import { Cache } from '../cache.js';
import { RuntimeError } from '../errors.js';
import { fingerprint } from '../files/reading.js';
import { adapterFeeds, adaptersNeeded, modulesOf, readLora, takesLayer } from './lora.js';
import { loraComponents } from './loraKeys.js';

/** Bytes of LoRAs that are kept as they were read; a run goes on with its own when they are dropped. */
const KEPT_BYTES = 512 * 2 ** 20;
/** Bytes of inputs kept for each graph: dragging the weight of a LoRA makes new ones each time. */
const KEPT_FEED_BYTES = 256 * 2 ** 20;
/** LoRAs that were read, and what graphs are fed to apply them. */
export class Adapters {
  read;
  reading = new Map();
  feeds = new WeakMap();
  /** @param keptBytes - LoRAs used last that are kept, in bytes of their weights; default 512 MiB */
  constructor(keptBytes = KEPT_BYTES) {
    this.read = new Cache(keptBytes, bytesOfLora);
  }
  /** Bytes of the LoRAs that are kept. */
  get keptBytes() {
    return this.read.total;
  }
  /** Reads the LoRAs of a request. @throws RuntimeError `invalidParameter` (`loras`) where one does not fit the model */
  async open(model, files) {
    const loras = [];
    for (const { path, weight } of files) loras.push({ lora: await this.lora(model, path), weight });
    return { key: JSON.stringify([files, fingerprint(files.map(({ path }) => path))]), loras };
  }
  /** What LoRAs need of the graph of a network. */
  features(active, component) {
    const needed = { adapters: 'none', vectors: false };
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
  row(graph, component, active, part = false) {
    if (!graph.inputs.some(({ name }) => name.endsWith('.lora_down'))) return undefined;
    let kept = this.feeds.get(graph);
    if (!kept) {
      kept = new Cache(KEPT_FEED_BYTES, bytesOfRow);
      this.feeds.set(graph, kept);
    }
    const acting = active.loras.filter(({ lora }) => lora.layers[component].size > 0);
    const key = acting.length === 0 ? '' : active.key;
    let row = kept.get(key);
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
  async lora(model, path) {
    const key = `${model.configs.path}|${fingerprint([model.configs.path, path])}`;
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
  async readFor(model, path) {
    const { family, configs, components } = model.configs;
    const modules = {
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
          'This model was exported to ONNX, which leaves LoRAs no place; its safetensors folder takes them.',
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
function layersOf(graph, layers) {
  return new Map([...layers].filter(([module]) => takesLayer((input) => graph.takes(input), module)));
}
function bytesOfLora({ layers }) {
  let bytes = 0;
  for (const ofComponent of Object.values(layers)) {
    for (const layer of ofComponent.values()) {
      for (const part of Object.values(layer)) if (ArrayBuffer.isView(part)) bytes += part.byteLength;
    }
  }
  return bytes;
}
function bytesOfRow(row) {
  return Object.values(row).reduce((sum, { data }) => sum + data.byteLength, 0);
}
//# sourceMappingURL=loras.js.map
