import { createHash } from 'node:crypto';
import { RuntimeError } from '../errors.js';
import { inspectOnnxFile } from '../files/onnxFile.js';
import { fingerprint } from '../files/reading.js';
import { Graph } from '../onnx/graph.js';
import { formOn, openWritten } from '../onnx/openWritten.js';

const plainFeatures = {
  residuals: false,
  adapters: 'none',
  vectors: false,
  deep: false,
  references: false,
};
/** Ranks of `GraphFeatures.adapters`; a later one does for an earlier one. */
const adapterRanks = ['none', 'linear', 'all'];
/**
 * One network of a model, loaded when a run first needs it.
 *
 * Its graph has the inputs that some run so far has needed; those that a later run has no use for are fed with zeros. So
 * switching LoRAs or ControlNets on and off costs one further loading at most, not one for each change, and the weights
 * are held once, except while another run is in the middle of a graph that is replaced.
 */
export class LazyGraph {
  options;
  source;
  held;
  constructor(options) {
    this.options = options;
  }
  get name() {
    return this.options.name;
  }
  /** Whether the graph is loaded with all these features. */
  holds(features = {}) {
    return this.held !== undefined && covers(this.held.features, features);
  }
  /** Bytes of the weights on disk. @throws RuntimeError `modelUnavailable` */
  async bytes() {
    const source = await this.located();
    if (source.kind === 'onnx') return (await inspectOnnxFile(source.file)).sizeBytes;
    let sum = 0;
    for (const { length } of source.tensors.values()) sum += length;
    return sum;
  }
  /** Where the weights are. @throws RuntimeError `modelUnavailable` */
  located() {
    this.source ??= this.options.locate().catch((error) => {
      // A file that was missing may have arrived before the next run asks.
      this.source = undefined;
      throw unavailable(error);
    });
    return this.source;
  }
  /** The graph, loaded on first use; the event loop stands still while it loads. @throws RuntimeError `modelUnavailable` */
  graph(features = {}) {
    const before = this.held;
    if (before && covers(before.features, features)) {
      // What another run asked for beyond this may be what cannot be loaded.
      return before.graph.catch((error) => {
        if (covers({ ...plainFeatures, ...features }, before.features)) throw error;
        return this.graph(features);
      });
    }
    const wanted = union(before?.features ?? plainFeatures, features);
    const held = { features: wanted, graph: this.load(wanted, before), gone: false };
    this.held = held;
    held.graph.catch(() => {
      held.gone = true;
      // The graph that was there serves on, unless it had to make room.
      if (this.held === held) this.held = before?.gone ? undefined : before;
    });
    return held.graph;
  }
  async load(features, replaced) {
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
      let graph;
      if (source.kind === 'onnx')
        graph = await Graph.open(
          { file: source.file, label: `${label}/model.onnx`, structure: fileStructure(source.file) },
          provider,
        );
      else {
        graph = await openWritten(written, label, provider);
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
function fileStructure(file) {
  return createHash('sha256')
    .update(fingerprint([file]))
    .digest('hex')
    .slice(0, 32);
}
/** A graph that was exported has what it has. @throws RuntimeError `unsupportedParameter` */
function refuseBeyondPlain({ residuals, adapters, deep, references }) {
  const refuse = (what, parameter) => {
    const message = `This model was exported to ONNX, without ${what}; its safetensors folder takes them.`;
    throw new RuntimeError('unsupportedParameter', message, { parameter });
  };
  if (residuals) refuse('the inputs that ControlNets need', 'controlNets');
  if (adapters !== 'none') refuse('the inputs that LoRAs need', 'loras');
  if (references) refuse('the input that reference images need', 'references');
  if (deep) refuse('the output that shallow steps go on from', 'deepCache');
}
/** Closes a graph: at once, or once it is unused. */
async function retire(graph, unused) {
  const close = async () => (await graph).close();
  if (!unused) return close();
  // A graph that was never loaded has nothing to close.
  void unused.then(close).catch(() => {});
}
function covers(held, wanted) {
  const rank = (form) => adapterRanks.indexOf(form.adapters ?? 'none');
  const hasFlags = ['residuals', 'vectors', 'deep', 'references'].every((flag) => held[flag] || !wanted[flag]);
  return hasFlags && rank(held) >= rank(wanted);
}
function union(a, b) {
  const rank = Math.max(...[a, b].map((form) => adapterRanks.indexOf(form.adapters ?? 'none')));
  return {
    residuals: a.residuals || b.residuals === true,
    adapters: adapterRanks[rank],
    vectors: a.vectors || b.vectors === true,
    deep: a.deep || b.deep === true,
    references: a.references || b.references === true,
  };
}
/** Loads what is not loaded yet, one after the other, and tells how far it is. */
export async function* loadAll(needed) {
  const missing = needed.filter(({ network, features }) => !network.holds(features));
  const sizes = await Promise.all(missing.map((each) => unlessOptional(each, each.network.bytes(), 0)));
  const ofBytes = sizes.reduce((sum, size) => sum + size, 0);
  let doneBytes = 0;
  for (const [index, each] of missing.entries()) {
    const { network, features } = each;
    // Reports for each, so that a run can be cancelled between two networks.
    if (index === 0) yield { type: 'staged', stage: 'loading' };
    yield { type: 'loading', component: network.name, doneBytes, ofBytes };
    await unlessOptional(each, network.graph(features), undefined);
    doneBytes += sizes[index];
  }
}
/** What asks for an optional network later is told why it is not there. */
function unlessOptional({ optional }, work, otherwise) {
  return optional ? work.catch(() => otherwise) : work;
}
/** Errors of checkpoints and graphs are sentences that name the part. */
export function unavailable(cause) {
  if (cause instanceof RuntimeError) return cause;
  return new RuntimeError('modelUnavailable', cause instanceof Error ? cause.message : String(cause), { cause });
}
//# sourceMappingURL=lazyGraph.js.map
