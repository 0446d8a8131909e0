import type { ModelConfigs } from '../families/family.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import type { WeightedFile } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Row } from '../run.ts';
import { type Lora } from './lora.ts';
import { type LoraComponent } from './loraKeys.ts';
/** A model whose networks LoRAs change. */
export interface LoraModel {
  configs: ModelConfigs & {
    readonly path: string;
  };
  source(component: LoraComponent): Promise<ComponentWeights>;
}
/** Weights in a graph that was exported cannot be changed. */
type ComponentWeights =
  | {
      kind: 'onnx';
    }
  | {
      kind: 'safetensors';
      tensors: StoredTensors;
    };
/** What LoRAs need of a graph: inputs for no layers, for linear ones or for all, and for what is no product of matrices. */
export interface LoraFeatures {
  adapters: 'none' | 'linear' | 'all';
  vectors: boolean;
}
/** The LoRAs of one request, read and matched to its model. */
export interface ActiveLoras {
  /** The same for the same files and weights. */
  key: string;
  loras: readonly {
    lora: Lora;
    weight: number;
  }[];
}
/** LoRAs that were read, and what graphs are fed to apply them. */
export declare class Adapters {
  private readonly read;
  private readonly reading;
  private readonly feeds;
  /** @param keptBytes - LoRAs used last that are kept, in bytes of their weights; default 512 MiB */
  constructor(keptBytes?: number);
  /** Bytes of the LoRAs that are kept. */
  get keptBytes(): number;
  /** Reads the LoRAs of a request. @throws RuntimeError `invalidParameter` (`loras`) where one does not fit the model */
  open(model: LoraModel, files: readonly WeightedFile[]): Promise<ActiveLoras>;
  /** What LoRAs need of the graph of a network. */
  features(active: ActiveLoras, component: LoraComponent): LoraFeatures;
  /**
   * The adapter inputs of a graph, undefined where it has none. The same object for the same LoRAs, so that runs can share
   * a call.
   *
   * @param part - whether the graph is a part of the component, so that LoRAs may act on layers that it has not
   */
  row(graph: Graph, component: LoraComponent, active: ActiveLoras, part?: boolean): Row | undefined;
  private lora;
  private readFor;
}
