import { createHash } from 'node:crypto';
import type { ComponentSource } from '../checkpoints/source.ts';
import { RuntimeError } from '../errors.ts';
import type { NetworkForm } from '../families/family.ts';
import { inspectOnnxFile } from '../files/onnxFile.ts';
import { widenedBytes } from '../files/packing.ts';
import { fingerprint } from '../files/reading.ts';
import type { Written } from '../graphs/builder.ts';
import { Graph } from '../onnx/graph.ts';
import { formOn, openWritten } from '../onnx/openWritten.ts';
import type { Provider } from '../onnx/providers.ts';
import type { Part } from '../run.ts';

interface Held {
  features: Required<GraphFeatures>;
  graph: Promise<Graph>;
  /** Of no more use: closed in favour of another, about to be, or never loaded. */
  gone: boolean;
}

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
  write: (source: Extract<ComponentSource, { kind: 'safetensors' }>, form: NetworkForm) => Written;
  provider: Provider;
  onLoaded: (name: string, loadingMs: number, bytes: number, graph: Graph) => void;
  /** Told when its memory was freed for another. */
  onClosed: (name: string) => void;
  /**
   * Resolves when all runs that are under way now have ended: some may be in the middle of a graph that is replaced.
   * Undefined when the one that asks is the only one, so that a graph may be closed before the one that replaces it is
   * loaded.
   */
  whenUnused: () => Promise<unknown> | undefined;
}

const plainFeatures: Required<GraphFeatures> = {
  residuals: false,
  adapters: 'none',
  vectors: false,
  deep: false,
  references: false,
};

/** Ranks of `GraphFeatures.adapters`; a later one does for an earlier one. */
const adapterRanks = ['none', 'linear', 'all'] as const;

/**
 * One network of a model, loaded when a run first needs it.
 *
 * Its graph has the inputs that some run so far has needed; those that a later run has no use for are fed with zeros. So
 * switching LoRAs or ControlNets on and off costs one further loading at most, not one for each change, and the weights
 * are held once, except while another run is in the middle of a graph that is replaced.
 */
export class LazyGraph {
  private readonly options: LazyGraphOptions;
  private source: Promise<ComponentSource> | undefined;
  private held: Held | undefined;
  /** Which share of its weights is repacked, while it is loaded the first time. */
  packed = 0;

  constructor(options: LazyGraphOptions) {
    this.options = options;
  }

  get name(): string {
    return this.options.name;
  }

  /** Whether the graph is loaded with all these features. */
  holds(features: GraphFeatures = {}): boolean {
    return this.held !== undefined && covers(this.held.features, features);
  }

  /** Bytes of the weights on disk. @throws RuntimeError `modelUnavailable` */
  async bytes(): Promise<number> {
    const source = await this.located();
    if (source.kind === 'onnx') return (await inspectOnnxFile(source.file)).sizeBytes;
    let sum = 0;
    for (const { length } of source.tensors.values()) sum += length;
    return sum;
  }

  /** Whether the graph is loaded, or is being loaded. */
  get isOpen(): boolean {
    return this.held !== undefined;
  }

  /** About what the weights take in memory. @throws RuntimeError `modelUnavailable` */
  async heldBytes(): Promise<number> {
    const source = await this.located();
    if (source.kind === 'onnx') return this.bytes();
    const { weights, precision } = this.options.provider;
    let sum = 0;
    for (const tensor of source.tensors.values()) {
      sum += precision === 'float16' ? tensor.length : widenedBytes(tensor, weights);
    }
    return sum;
  }

  /** Frees the memory until a run needs the graph again. No run may be using it. */
  async close(): Promise<void> {
    const { held } = this;
    this.held = undefined;
    if (!held) return;
    held.gone = true;
    // One that could not be loaded has nothing to close.
    const graph = await held.graph.catch(() => undefined);
    await graph?.close();
    if (graph) this.options.onClosed(this.name);
  }

  /** Where the weights are. @throws RuntimeError `modelUnavailable` */
  located(): Promise<ComponentSource> {
    this.source ??= this.options.locate().catch((error) => {
      // A file that was missing may have arrived before the next run asks.
      this.source = undefined;
      throw unavailable(error);
    });
    return this.source;
  }

  /** The graph, loaded on first use; the event loop stands still while it loads. @throws RuntimeError `modelUnavailable` */
  graph(features: GraphFeatures = {}): Promise<Graph> {
    const before = this.held;
    if (before && covers(before.features, features)) {
      // What another run asked for beyond this may be what cannot be loaded.
      return before.graph.catch((error) => {
        if (covers({ ...plainFeatures, ...features }, before.features)) throw error;
        return this.graph(features);
      });
    }
    const wanted = union(before?.features ?? plainFeatures, features);
    const held: Held = { features: wanted, graph: this.load(wanted, before), gone: false };
    this.held = held;
    held.graph.catch(() => {
      held.gone = true;
      // The graph that was there serves on, unless it had to make room.
      if (this.held === held) this.held = before?.gone ? undefined : before;
    });
    return held.graph;
  }

  private async load(features: Required<GraphFeatures>, replaced: Held | undefined): Promise<Graph> {
    const { label, name, provider, write, onLoaded, whenUnused } = this.options;
    const begun = performance.now();
    const source = await this.located();
    if (source.kind === 'onnx') refuseBeyondPlain(features);
    try {
      const written = source.kind === 'onnx' ? undefined : write(source, { ...formOn(provider), ...features });
      if (replaced) {
        replaced.gone = true;
        await retire(replaced.graph, whenUnused());
      }
      let graph: Graph;
      if (source.kind === 'onnx')
        graph = await Graph.open(
          { file: source.file, label: `${label}/model.onnx`, structure: fileStructure(source.file) },
          provider,
        );
      else {
        this.packed = 0;
        graph = await openWritten(written!, label, provider, (share) => {
          this.packed = share;
        });
      }
      onLoaded(name, performance.now() - begun, await this.bytes(), graph);
      return graph;
    } catch (error) {
      // What the files said may be out of date.
      this.source = undefined;
      throw unavailable(error);
    }
  }
}

/** What is in a graph that was exported is told by its file being the same. */
function fileStructure(file: string): string {
  return createHash('sha256')
    .update(fingerprint([file]))
    .digest('hex')
    .slice(0, 32);
}

/** A graph that was exported has what it has. @throws RuntimeError `unsupportedParameter` */
function refuseBeyondPlain({ residuals, adapters, deep, references }: Required<GraphFeatures>): void {
  const refuse = (what: string, parameter: string) => {
    const message = `This model was exported to ONNX, without ${what}; its safetensors folder takes them.`;
    throw new RuntimeError('unsupportedParameter', message, { parameter });
  };
  if (residuals) refuse('the inputs that ControlNets need', 'controlNets');
  if (adapters !== 'none') refuse('the inputs that LoRAs need', 'loras');
  if (references) refuse('the input that reference images need', 'references');
  if (deep) refuse('the output that shallow steps go on from', 'deepCache');
}

/** Closes a graph: at once, or once it is unused. */
async function retire(graph: Promise<Graph>, unused: Promise<unknown> | undefined): Promise<void> {
  const close = async () => (await graph).close();
  if (!unused) return close();
  // A graph that was never loaded has nothing to close.
  void unused.then(close).catch(() => {});
}

function covers(held: Required<GraphFeatures>, wanted: GraphFeatures): boolean {
  const rank = (form: GraphFeatures) => adapterRanks.indexOf(form.adapters ?? 'none');
  const hasFlags = (['residuals', 'vectors', 'deep', 'references'] as const).every(
    (flag) => held[flag] || !wanted[flag],
  );
  return hasFlags && rank(held) >= rank(wanted);
}

function union(a: Required<GraphFeatures>, b: GraphFeatures): Required<GraphFeatures> {
  const rank = Math.max(...[a, b].map((form) => adapterRanks.indexOf(form.adapters ?? 'none')));
  return {
    residuals: a.residuals || b.residuals === true,
    adapters: adapterRanks[rank]!,
    vectors: a.vectors || b.vectors === true,
    deep: a.deep || b.deep === true,
    references: a.references || b.references === true,
  };
}

/** A network with the features that a run needs. */
export interface Needed {
  network: LazyGraph;
  features?: GraphFeatures | undefined;
  /** The run goes on without it where it cannot be loaded. */
  optional?: boolean;
}

/** Loads what is not loaded yet, one after the other, and tells how far it is. */
export async function* loadAll(needed: readonly Needed[]): Part<void> {
  const missing = needed.filter(({ network, features }) => !network.holds(features));
  const sizes = await Promise.all(missing.map((each) => unlessOptional(each, each.network.bytes(), 0)));
  const ofBytes = sizes.reduce((sum, size) => sum + size, 0);
  let doneBytes = 0;
  for (const [index, each] of missing.entries()) {
    const { network, features } = each;
    // Reports for each, so that a run can be cancelled between two networks.
    if (index === 0) yield { type: 'staged', stage: 'loading' };
    yield { type: 'loading', component: network.name, doneBytes, ofBytes };
    const loading = network.graph(features);
    // Repacking a large model takes minutes, once; a run that is not heard of for as long would be given up.
    while (!(await isOver(loading, TOLD_EVERY_MS))) {
      const packedBytes = Math.floor(network.packed * sizes[index]!);
      yield { type: 'loading', component: network.name, doneBytes: doneBytes + packedBytes, ofBytes };
    }
    await unlessOptional(each, loading, undefined);
    doneBytes += sizes[index]!;
  }
}

const TOLD_EVERY_MS = 5000;

/** Whether work ended, however it did, within a time. */
async function isOver(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const ended = work.then(
    () => true,
    () => true,
  );
  return Promise.race([ended, late]).finally(() => clearTimeout(timer));
}

/** What asks for an optional network later is told why it is not there. */
function unlessOptional<T>({ optional }: Needed, work: Promise<T>, otherwise: T): Promise<T> {
  return optional ? work.catch(() => otherwise) : work;
}

/** Errors of checkpoints and graphs are sentences that name the part. */
export function unavailable(cause: unknown): RuntimeError {
  if (cause instanceof RuntimeError) return cause;
  return new RuntimeError('modelUnavailable', cause instanceof Error ? cause.message : String(cause), { cause });
}
