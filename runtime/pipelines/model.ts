import { type Checkpoint, type Component, openCheckpoint } from '../checkpoints/checkpoint.ts';
import { openComponent } from '../checkpoints/openComponent.ts';
import { RuntimeError } from '../errors.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Provider } from '../onnx/providers.ts';
import { type LatentRgb, latentRgbOfFamily, type PreviewSource } from '../previews/index.ts';
import { Cache } from '../text/cache.ts';
import { openTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import type { LatentScaling } from './images.ts';
import type { Branch } from './run.ts';

/** Encoded prompts kept for each model; one of SDXL takes 0.6 MB. */
const KEPT_PROMPTS = 32;

/** Told of each component as it has been loaded, for logs. */
export type OnLoaded = (component: Component, loadingMs: number) => void;

/**
 * A model as the runtime holds it: what its files say, read at once, and its graphs, loaded when a run first needs them,
 * so that text-to-image never pays for the VAE's encoder.
 */
export class Model implements PreviewSource {
  readonly folder: string;
  readonly configs: Checkpoint;
  readonly scaling: LatentScaling;
  readonly latentRgb: LatentRgb;
  /** What prompts became, by a key that the pipeline makes of everything it depends on. */
  readonly prompts = new Cache<Branch>(KEPT_PROMPTS);
  private readonly provider: Provider;
  private readonly onLoaded: OnLoaded;
  private readonly graphs = new Map<Component, Promise<Graph>>();
  private readonly tokenizers = new Map<string, Promise<Tokenizer>>();

  private constructor(folder: string, configs: Checkpoint, provider: Provider, onLoaded: OnLoaded) {
    this.folder = folder;
    this.configs = configs;
    this.provider = provider;
    this.onLoaded = onLoaded;
    const { vae, settings, family } = configs;
    this.scaling = {
      factor: configs.scalingFactor,
      shift: configs.shiftFactor,
      mean: numbersOf(vae.latents_mean),
      std: numbersOf(vae.latents_std),
    };
    this.latentRgb = settings.latentRgbFactors
      ? { factors: settings.latentRgbFactors, bias: settings.latentRgbBias }
      : latentRgbOfFamily[family];
  }

  /**
   * Reads what the files say; no graph is loaded.
   *
   * @param folder Absolute path of the model's folder.
   * @throws RuntimeError `modelUnavailable` with the reason.
   */
  static async open(folder: string, provider: Provider, onLoaded: OnLoaded): Promise<Model> {
    try {
      return new Model(folder, await openCheckpoint(folder), provider, onLoaded);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Whether the component was loaded already. */
  holds(component: Component): boolean {
    return this.graphs.has(component);
  }

  /** The graph of a component, loaded on first use; the event loop stands still while it loads. */
  graph(component: Component): Promise<Graph> {
    let graph = this.graphs.get(component);
    if (!graph) {
      graph = this.load(component);
      this.graphs.set(component, graph);
      // A file that was missing may have arrived before the next run asks.
      graph.catch(() => this.graphs.delete(component));
    }
    return graph;
  }

  /** `tokenizer` or `tokenizer_2`; rows are as long as the text encoder beside it has positions. */
  tokenizer(name: 'tokenizer' | 'tokenizer_2'): Promise<Tokenizer> {
    let tokenizer = this.tokenizers.get(name);
    if (!tokenizer) {
      tokenizer = this.openTokenizer(name).catch((error) => {
        this.tokenizers.delete(name);
        throw unavailable(error);
      });
      this.tokenizers.set(name, tokenizer);
    }
    return tokenizer;
  }

  private async openTokenizer(name: 'tokenizer' | 'tokenizer_2'): Promise<Tokenizer> {
    const config = name === 'tokenizer' ? this.configs.textEncoder : this.configs.textEncoder2;
    const positions = config.max_position_embeddings;
    const folder = await this.configs.tokenizerFolder(name);
    const padToken = await this.configs.padToken(name);
    return openTokenizer(folder, typeof positions === 'number' ? positions : 77, padToken);
  }

  private async load(component: Component): Promise<Graph> {
    const begun = performance.now();
    try {
      const graph = await openComponent(this.folder, component, this.provider);
      this.onLoaded(component, performance.now() - begun);
      return graph;
    } catch (error) {
      throw unavailable(error);
    }
  }
}

/** Errors of checkpoints and graphs are sentences that name the part. */
function unavailable(cause: unknown): RuntimeError {
  return new RuntimeError('modelUnavailable', cause instanceof Error ? cause.message : String(cause), { cause });
}

function numbersOf(value: unknown): readonly number[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'number') ? value : undefined;
}
