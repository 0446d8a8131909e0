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
  /** Unused: replaced, about to be, or never loaded. */
  gone: boolean;
}

/** Features of a graph beyond the plain network. */
export interface GraphFeatures {
  /** Inputs for the residuals of ControlNets; only a denoiser has them. */
  residuals?: boolean;
  /** Inputs for LoRAs: for no layer, for linear layers, or for all. */
  adapters?: 'none' | 'linear' | 'all';
  /** Inputs for LoRA changes other than matrix products: see `AdaptedForm.vectors`. */
  vectors?: boolean;
  /** An output for DeepCache's shallow calls. */
  deep?: boolean;
  /** The input for reference images. */
  references?: boolean;
  /** Inputs for so many IP-Adapters. */
  imageAdapters?: number;
}

export interface LazyGraphOptions {
  /** Name in errors, logs and progress: `unet`. */
  name: string;
  /** Name in onnxruntime's errors: `pocket/unet`. */
  label: string;
  locate: () => Promise<ComponentSource>;
  write: (source: Extract<ComponentSource, { kind: 'safetensors' }>, form: NetworkForm) => Written;
  provider: Provider;
  onLoaded: (name: string, loadingMs: number, bytes: number, graph: Graph) => void;
  /** Told when its memory was freed for another. */
  onClosed: (name: string) => void;
  /**
   * Resolves when all current runs have ended: some may be using a graph that is replaced. Undefined if the caller is
   * the only run, so that a graph may close before its replacement loads.
   */
  whenUnused: () => Promise<unknown> | undefined;
}

const plainFeatures: Required<GraphFeatures> = {
  residuals: false,
  adapters: 'none',
  vectors: false,
  deep: false,
  references: false,
  imageAdapters: 0,
};

/** Ranks of `GraphFeatures.adapters`; a higher one includes a lower one. */
const adapterRanks = ['none', 'linear', 'all'] as const;

/**
 * One network of a model, loaded when a run first needs it.
 *
 * Its graph has the inputs that runs have needed so far, and zeros for those that a run does not use. So switching
 * LoRAs or ControlNets on and off reloads the graph at most once, not for each change. The weights are in memory once,
 * except while another run uses a graph that is replaced.
 */
export class LazyGraph {
  private readonly options: LazyGraphOptions;
  private source: Promise<ComponentSource> | undefined;
  private held: Held | undefined;
  /** Progress of repacking its weights, during the first load. */
  packed = 0;

  constructor(options: LazyGraphOptions) {
    this.options = options;
  }

  get name(): string {
    return this.options.name;
  }

  /** Whether the graph is loaded with all of these features. */
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

  /** Whether the graph is loaded with all of these features. */
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

  /** Location of the weights. @throws RuntimeError `modelUnavailable` */
  located(): Promise<ComponentSource> {
    this.source ??= this.options.locate().catch((error) => {
      // A missing file may appear before the next run.
      this.source = undefined;
      throw unavailable(error);
    });
    return this.source;
  }

  /** The graph, loaded on first use, which blocks the event loop. @throws RuntimeError `modelUnavailable` */
  graph(features: GraphFeatures = {}): Promise<Graph> {
    const before = this.held;
    if (before && covers(before.features, features)) {
      // The features of other runs may be the cause of a failed load.
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
      // The old graph stays in use, unless it was closed to free memory.
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
      // The cached file data may be outdated.
      this.source = undefined;
      throw unavailable(error);
    }
  }
}

/** The file identifies an exported graph. */
function fileStructure(file: string): string {
  return createHash('sha256')
    .update(fingerprint([file]))
    .digest('hex')
    .slice(0, 32);
}

/** An exported graph has fixed features. @throws RuntimeError `unsupportedParameter` */
function refuseBeyondPlain(features: Required<GraphFeatures>): void {
  const { residuals, adapters, deep, references, imageAdapters } = features;
  const refuse = (what: string, parameter: string) => {
    const message = `This model was exported to ONNX without ${what}. Use its safetensors folder.`;
    throw new RuntimeError('unsupportedParameter', message, { parameter });
  };
  if (residuals) refuse('the inputs that ControlNets need', 'controlNets');
  if (adapters !== 'none') refuse('the inputs that LoRAs need', 'loras');
  if (imageAdapters > 0) refuse('the inputs that IP-Adapters need', 'imagePrompts');
  if (references) refuse('the input that reference images need', 'references');
  if (deep) refuse('the output that DeepCache needs', 'deepCache');
}

/** Closes a graph, at once or once it is unused. */
async function retire(graph: Promise<Graph>, unused: Promise<unknown> | undefined): Promise<void> {
  const close = async () => (await graph).close();
  if (!unused) return close();
  // A graph that was never loaded needs no close.
  void unused.then(close).catch(() => {});
}

function covers(held: Required<GraphFeatures>, wanted: GraphFeatures): boolean {
  const rank = (form: GraphFeatures) => adapterRanks.indexOf(form.adapters ?? 'none');
  const hasFlags = (['residuals', 'vectors', 'deep', 'references'] as const).every(
    (flag) => held[flag] || !wanted[flag],
  );
  return hasFlags && rank(held) >= rank(wanted) && held.imageAdapters >= (wanted.imageAdapters ?? 0);
}

function union(a: Required<GraphFeatures>, b: GraphFeatures): Required<GraphFeatures> {
  const rank = Math.max(...[a, b].map((form) => adapterRanks.indexOf(form.adapters ?? 'none')));
  return {
    residuals: a.residuals || b.residuals === true,
    adapters: adapterRanks[rank]!,
    vectors: a.vectors || b.vectors === true,
    deep: a.deep || b.deep === true,
    references: a.references || b.references === true,
    imageAdapters: Math.max(a.imageAdapters, b.imageAdapters ?? 0),
  };
}

/** A network and the features that a run needs. */
export interface Needed {
  network: LazyGraph;
  features?: GraphFeatures | undefined;
  /** The run continues without it if it cannot be loaded. */
  optional?: boolean;
}

/** Loads missing networks one after the other, and reports the progress. */
export async function* loadAll(needed: readonly Needed[]): Part<void> {
  const missing = needed.filter(({ network, features }) => !network.holds(features));
  const sizes = await Promise.all(missing.map((each) => unlessOptional(each, each.network.bytes(), 0)));
  const ofBytes = sizes.reduce((sum, size) => sum + size, 0);
  let doneBytes = 0;
  for (const [index, each] of missing.entries()) {
    const { network, features } = each;
    // Reports each, so that a run can be cancelled between two networks.
    if (index === 0) yield { type: 'staged', stage: 'loading' };
    yield { type: 'loading', component: network.name, doneBytes, ofBytes };
    const loading = network.graph(features);
    // Repacking a large model takes minutes, once; without reports the run would exceed its deadline.
    while (!(await isOver(loading, TOLD_EVERY_MS))) {
      const packedBytes = Math.floor(network.packed * sizes[index]!);
      yield { type: 'loading', component: network.name, doneBytes: doneBytes + packedBytes, ofBytes };
    }
    await unlessOptional(each, loading, undefined);
    doneBytes += sizes[index]!;
  }
}

const TOLD_EVERY_MS = 5000;

/** Whether work settled within a time. */
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

/** A later request of an optional network gets the error. */
function unlessOptional<T>({ optional }: Needed, work: Promise<T>, otherwise: T): Promise<T> {
  return optional ? work.catch(() => otherwise) : work;
}

/** Errors of checkpoints and graphs are sentences with the name of the part. */
export function unavailable(cause: unknown): RuntimeError {
  if (cause instanceof RuntimeError) return cause;
  return new RuntimeError('modelUnavailable', cause instanceof Error ? cause.message : String(cause), { cause });
}
