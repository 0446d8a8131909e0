import type { ComponentSource } from '../checkpoints/source.ts';
import { RuntimeError } from '../errors.ts';
import type { NetworkForm } from '../families/family.ts';
import type { Written } from '../graphs/builder.ts';
import { Graph } from '../onnx/graph.ts';
import type { Provider } from '../onnx/providers.ts';
import type { Part } from '../run.ts';
/** What a run wants of a graph beyond the plain network. */
export interface GraphFeatures {
  /** Inputs for the residuals of ControlNets; only a denoiser has them. */
  residuals?: boolean;
  /** Inputs for LoRAs: for no layer, for the linear ones of transformers, or for all. */
  adapters?: 'none' | 'linear' | 'all';
  /** Inputs for what LoRAs change beside products of matrices: see `AdaptedForm.vectors`. */
  vectors?: boolean;
  /** A further output, for the calls between in which only a denoiser's outermost layers run. */
  deep?: boolean;
  /** The input for reference pictures. */
  references?: boolean;
}
export interface LazyGraphOptions {
  /** What errors, logs and progress call it: `unet`. */
  name: string;
  /** What errors of onnxruntime call it: `pocket/unet`. */
  label: string;
  locate: () => Promise<ComponentSource>;
  write: (
    source: Extract<
      ComponentSource,
      {
        kind: 'safetensors';
      }
    >,
    form: NetworkForm,
  ) => Written;
  provider: Provider;
  onLoaded: (name: string, loadingMs: number, bytes: number, graph: Graph) => void;
  /**
   * Resolves when all runs that are under way now have ended: some may be in the middle of a graph that is replaced.
   * Undefined when the one that asks is the only one, so that a graph may be closed before the one that replaces it is
   * loaded.
   */
  whenUnused: () => Promise<unknown> | undefined;
}
/**
 * One network of a model, loaded when a run first needs it.
 *
 * Its graph has the inputs that some run so far has needed; those that a later run has no use for are fed with zeros. So
 * switching LoRAs or ControlNets on and off costs one further loading at most, not one for each change, and the weights
 * are held once, except while another run is in the middle of a graph that is replaced.
 */
export declare class LazyGraph {
  private readonly options;
  private source;
  private held;
  constructor(options: LazyGraphOptions);
  get name(): string;
  /** Whether the graph is loaded with all these features. */
  holds(features?: GraphFeatures): boolean;
  /** Bytes of the weights on disk. @throws RuntimeError `modelUnavailable` */
  bytes(): Promise<number>;
  /** Where the weights are. @throws RuntimeError `modelUnavailable` */
  located(): Promise<ComponentSource>;
  /** The graph, loaded on first use; the event loop stands still while it loads. @throws RuntimeError `modelUnavailable` */
  graph(features?: GraphFeatures): Promise<Graph>;
  private load;
}
/** A network with the features that a run needs. */
export interface Needed {
  network: LazyGraph;
  features?: GraphFeatures | undefined;
  /** The run goes on without it where it cannot be loaded. */
  optional?: boolean;
}
/** Loads what is not loaded yet, one after the other, and tells how far it is. */
export declare function loadAll(needed: readonly Needed[]): Part<void>;
/** Errors of checkpoints and graphs are sentences that name the part. */
export declare function unavailable(cause: unknown): RuntimeError;
